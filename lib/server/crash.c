/* SPDX-License-Identifier: ISC */
/*
 * See crash.h.
 *
 * What runs here runs in a signal handler, on a stack of its own, in a
 * process whose memory may be broken: no allocation, no lock that the crashed
 * thread may hold, each step bounded in time, and the steps in the order of
 * their worth.  A timer ends the process if one of them hangs; a second fault
 * ends it at once.
 *
 * backtrace(3) and dladdr(3) are not async-signal-safe by the letter; they
 * are called once at the start, so that they need not load anything here.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/backtrace.h"
#include "../base/clock.h"
#include "../base/text.h"
#include "crash.h"
#include "handover.h"
#include "loop.h"
#include "server.h"

#define STACK_SIZE	((size_t)64 * 1024)
#define GUARD		((size_t)64 * 1024)
#define RESCUE		1000	/* ms for all connections together */
#define SETTLE		50	/* ms for threads that end their replies */
#define HANG		1500	/* ms for the rest of it */

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

static struct {
	struct loop		*loop;		/* NULL: not prepared */
	pid_t			 pid, master;
	bool			 is_child;
	struct thread		*main_thread;
	atomic_int		 is_taken;	/* a thread is in here */
	_Atomic(const struct thread *) taker;
	atomic_bool		 is_there;	/* the leader shall finish */
	atomic_bool		 is_finished;
	atomic_int		 lost;		/* handlers that will not end */
} crash;

static _Thread_local void *stack;

bool
crash_is_there(void)
{
	return atomic_load_explicit(&crash.is_there, memory_order_relaxed);
}

/* ------------------------------------------------------------- the stack */

void
crash_stack_open(void)
{
	stack_t alternate = { .ss_size = STACK_SIZE };
	char *memory;

	if (stack != NULL)
		return;
	memory = mmap(NULL, GUARD + STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (memory == MAP_FAILED)
		return;		/* then a stack overflow has no farewell */
	(void)mprotect(memory, GUARD, PROT_NONE);
	stack = memory;
	alternate.ss_sp = memory + GUARD;
	(void)sigaltstack(&alternate, NULL);
}

void
crash_stack_close(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (stack == NULL)
		return;
	(void)sigaltstack(&none, NULL);
	(void)munmap(stack, GUARD + STACK_SIZE);
	stack = NULL;
}

/* --------------------------------------------------------------- the client */

/* Tells the client of a lost handler, if nothing of its reply is out. */
static bool
answer(const struct loop *loop, struct exchange *exchange, int status)
{
	const int fd = exchange->conn->fd;
	size_t length = 0;
	const char *text = loop->protocol->lost(exchange, status, &length);

	if (text == NULL) {
		if (exchange->ends_by_close)
			drive_arm(exchange->conn);
		return false;
	}
	/* An empty socket takes a page without waiting. */
	if (send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		return false;
	(void)shutdown(fd, SHUT_WR);
	/* What it still sends must not make a reset: another drops it. */
	exchange->conn->state = CONNECTION_LINGERING;
	exchange->conn->begun = exchange->conn->since = clock_ms();
	exchange->conn->exchange = NULL;
	return true;
}

static void
lose(struct loop *loop, const struct thread *victim, int status)
{
	struct exchange *exchange = victim->exchange;

	if (answer(loop, exchange, status))
		atomic_store(&loop->line->crash_status, status);
	if (victim->slot != SLOT_NONE)
		atomic_store(&loop->line->crash_slot, (int)victim->slot);
	atomic_fetch_add(&crash.lost, 1);
}

/* ------------------------------------------------------------------ the log */

static void
say(const char *text, size_t length)
{
	const int fd = crash.loop->server->log_fds[1];
	struct pollfd wait = { .fd = fd, .events = POLLOUT };

	if (fd != -1 && poll(&wait, 1, 10) == 1)
		(void)!write(fd, text, length);
}

static void
report(const struct thread *victim, int sig, const siginfo_t *info)
{
	char line[1024], client[64] = "", request[256] = "", what[128];
	size_t n = server_log_prefix(line, sizeof(line), TINE_LOG_ERROR);
	const struct loop *loop = crash.loop;

	if (victim != NULL && victim->slot != SLOT_NONE && !crash.is_child)
		(void)handler_line_read(scoreboard_handler(loop->board,
		    loop->index, victim->slot), client, request);
	if (sig == 0)
		(void)snprintf(what, sizeof(what), "exit(3) was called");
	else if (info->si_code == SI_USER || sig == SIGABRT)
		(void)snprintf(what, sizeof(what), "signal %d (SIG%s)", sig,
		    sigabbrev_np(sig));
	else
		(void)snprintf(what, sizeof(what), "signal %d (SIG%s) at "
		    "address %p", sig, sigabbrev_np(sig), info->si_addr);
	n += (size_t)snprintf(line + n, sizeof(line) - n,
	    "%s in a handler", what);
	if (*request != '\0') {
		n += (size_t)snprintf(line + n, sizeof(line) - n,
		    ": client %s, request \"", client);
		n += text_escape_log(line + n, sizeof(line) - n - 3, request,
		    strlen(request));
		if (n > sizeof(line) - 3)
			n = sizeof(line) - 3;
		line[n++] = '"';
	}
	line[n++] = '\n';
	say(line, n);
	if (sig != 0)
		backtrace_write(say);
}

/* -------------------------------------------------------- the other clients */

/* A queue that is full may have room in a moment. */
static void
rescue(struct loop *loop, const struct connection *conn, uint64_t until)
{
	while (handover_rescue(loop, conn) == -1) {
		if ((errno != EAGAIN && errno != ETOOMANYREFS &&
		    errno != ENOBUFS) || clock_ms() >= until) {
			atomic_fetch_add(&loop->line->crash_cut, 1);
			return;
		}
		clock_pause(1);
	}
}

/* Whether the entry is a connection of someone whose handler does not run. */
static bool
is_movable(const struct connection *conn)
{
	return conn->fd >= 0 && conn->state > CONNECTION_FREE &&
	    conn->state < CONNECTION_ENDING &&
	    conn->state != CONNECTION_HANDLING;
}

/* Connections that their threads gave back have no owner any more. */
static void
disown_returned(struct loop *loop)
{
	struct connection *conn = atomic_exchange(&loop->returned, NULL);

	for (; conn != NULL; conn = conn->returned)
		atomic_fetch_and(&conn->ready, ~CONNECTION_OWNED);
}

static bool
is_owned(const struct connection *conn)
{
	return conn->state != CONNECTION_PENDING &&
	    conn->state != CONNECTION_LINGERING &&
	    (atomic_load(&conn->ready) & CONNECTION_OWNED) != 0;
}

/* Threads whose handlers have ended may still be at their replies. */
static void
settle(struct loop *loop)
{
	for (int i = 0; i < SETTLE; i++) {
		unsigned owned = 0;

		disown_returned(loop);
		for (uint32_t k = 0; k < loop->table.used; k++) {
			const struct connection *conn =
			    &loop->table.entries[k];

			owned += is_movable(conn) && is_owned(conn);
		}
		if (owned == 0)
			return;
		clock_pause(1);
	}
}

static void
rescue_all(struct loop *loop, bool with_exchange, uint64_t until)
{
	for (uint32_t i = 0; i < loop->table.used; i++) {
		struct connection *conn = &loop->table.entries[i];

		if (!is_movable(conn) || is_owned(conn) ||
		    (conn->exchange != NULL) != with_exchange)
			continue;
		rescue(loop, conn, until);
		conn->fd = -1;
	}
}

/* Handlers on other threads have a while to end. */
static void
await_handlers(const struct loop *loop)
{
	const uint64_t until = clock_ms() + loop->settings->crash_grace;

	while (atomic_load(&loop->line->busy) > atomic_load(&crash.lost) &&
	    clock_ms() < until)
		clock_pause(2);
}

/* Those that could not end are told. */
static void
answer_others(struct loop *loop)
{
	for (uint32_t i = 0; i < loop->table.used; i++) {
		struct connection *conn = &loop->table.entries[i];

		if (conn->state == CONNECTION_HANDLING &&
		    conn->exchange != NULL)
			(void)answer(loop, conn->exchange, 500);
	}
}

void
crash_finish(struct loop *loop)
{
	uint64_t until;

	await_handlers(loop);
	settle(loop);
	if (loop->settings->mode != MODE_FORK)
		answer_others(loop);
	until = clock_ms() + RESCUE;
	rescue_all(loop, false, until);
	rescue_all(loop, true, until);
	atomic_store(&crash.is_finished, true);
}

/* ------------------------------------------------------------------ the end */

/* A loop that was given away, and that no thread has taken yet. */
static bool
take_token(struct crew *crew)
{
	bool taken = false;

	if (pthread_mutex_trylock(&crew->lock) != 0)
		return false;
	if (crew->tokens > 0) {
		crew->tokens--;
		taken = true;
	}
	(void)pthread_mutex_unlock(&crew->lock);
	return taken;
}

/* Whether this thread holds the loop, and nobody else will. */
static bool
hold(struct loop *loop, struct thread *self)
{
	unsigned word = atomic_load(&loop->word);

	if (self != NULL && self->leads && self->step == 0)
		return true;
	if (take_token(&loop->crew))
		return true;
	return (word & 1) != 0 && atomic_compare_exchange_strong(&loop->word,
	    &word, word + 1);
}

static void
end_connections(struct loop *loop, struct thread *self)
{
	while (!atomic_load(&crash.is_finished)) {
		if (hold(loop, self)) {
			crash_finish(loop);
			return;
		}
		clock_pause(1);
	}
}

static void
set_guard(const struct loop *loop)
{
	const long ms = HANG + RESCUE +
	    (loop->settings->mode == MODE_THREAD
	    ? (long)loop->settings->crash_grace : 0);
	const struct itimerval timer = {
		.it_value = { ms / 1000, ms % 1000 * 1000 }
	};

	(void)signal(SIGALRM, SIG_DFL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void
die(int sig)
{
	sigset_t mask;

	(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, sig);
	(void)raise(sig);
	(void)pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

/* The master's way to end a handler that is stuck: mode single. */
static bool
is_stuck(int sig, const siginfo_t *info)
{
	return sig == SIGABRT && info != NULL && info->si_code == SI_USER &&
	    info->si_pid == crash.master &&
	    crash.loop->settings->mode == MODE_SINGLE;
}

static void
farewell(int sig, const siginfo_t *info)
{
	struct thread *self = thread_self, *victim = self;
	struct loop *loop = crash.loop;
	const bool stuck = is_stuck(sig, info);

	if (stuck)
		victim = crash.main_thread;
	if (victim != NULL && victim->exchange == NULL)
		victim = NULL;
	if (crash.is_child) {
		report(victim, sig, info);
		return;
	}
	set_guard(loop);
	worker_line_state(loop->line, WORKER_CRASHED, clock_ms());
	/* Nothing new is begun here when the client hears of it. */
	atomic_store(&crash.is_there, true);
	if (victim != NULL)
		lose(loop, victim, stuck ? 504 : 500);
	loop_kick(loop);
	report(victim, sig, info);
	end_connections(loop, self);
}

/* Another thread is here already, and ends the process for both. */
static void
wait_for_end(const struct thread *self, int sig, const siginfo_t *info)
{
	if (!crash.is_child && self != NULL && self->exchange != NULL)
		lose(crash.loop, self, 500);
	report(self, sig, info);
	for (;;)
		(void)pause();
}

/*
 * Whether this thread may say farewell.  False: it has, and this is a second
 * fault on the way.
 */
static bool
is_first(int sig, const siginfo_t *info)
{
	if (atomic_exchange(&crash.is_taken, 1) == 0) {
		atomic_store(&crash.taker, thread_self);
		return true;
	}
	if (atomic_load(&crash.taker) != thread_self)
		wait_for_end(thread_self, sig, info);
	return false;
}

static void
crashed(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (getpid() != crash.pid) {
		die(sig);		/* a child of the handler's own */
		return;
	}
	if (is_first(sig, info))
		farewell(sig, info);
	die(sig);
}

/* A handler has called exit(3): its process ends, and nobody else's request. */
static void
left(void)
{
	if (crash.loop == NULL || getpid() != crash.pid ||
	    thread_self == NULL || thread_self->exchange == NULL)
		return;
	if (is_first(0, NULL))
		farewell(0, NULL);
}

/* --------------------------------------------------------- opening, closing */

static void
catch(void)
{
	struct sigaction action = {
		.sa_sigaction = crashed, .sa_flags = SA_SIGINFO | SA_ONSTACK
	};

	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction before;

		if (sigaction(signals[i], NULL, &before) == 0 &&
		    before.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &action, NULL);
	}
}

static void
let_go(void)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction before;

		if (sigaction(signals[i], NULL, &before) == 0 &&
		    before.sa_sigaction == crashed)
			(void)signal(signals[i], SIG_DFL);
	}
}

void
crash_open(struct loop *loop)
{
	static bool is_registered;

	backtrace_prepare();
	crash.loop = loop;
	crash.pid = getpid();
	crash.master = getppid();
	crash.main_thread = thread_self;
	crash_stack_open();
	catch();
	if (!is_registered)
		(void)atexit(left);
	is_registered = true;
}

void
crash_open_forker(struct loop *loop)
{
	backtrace_prepare();
	crash.loop = loop;
	crash.pid = 0;
	crash.is_child = true;
	crash_stack_open();
	catch();
}

void
crash_enter_child(void)
{
	crash.pid = getpid();
}

void
crash_close(struct loop *loop)
{
	if (crash.loop != loop)
		return;
	let_go();
	crash_stack_close();
	crash.loop = NULL;
}
