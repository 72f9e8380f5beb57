/* SPDX-License-Identifier: ISC */
/*
 * See crash.h.
 *
 * What runs here runs in a signal handler, on a stack of its own, in a
 * process whose memory may be broken: no allocation, no lock that the crashed
 * thread may hold, each step bounded in time, and the steps in the order of
 * their worth.  A timer ends the process if one of them hangs; after a fault
 * in one of them the next is taken, or the next connection, a few times.
 *
 * The unwinder and dladdr(3) are not async-signal-safe by the letter; they
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
#include <stdnoreturn.h>
#include <string.h>
#include <syslog.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../base/backtrace.h"
#include "../base/clock.h"
#include "../base/system_log.h"
#include "../base/text.h"
#include "child.h"
#include "crash.h"
#include "handover.h"
#include "loop.h"
#include "server.h"

#define STACK_SIZE	((size_t)128 * 1024)
#define GUARD		((size_t)64 * 1024)
#define RESCUE		700	/* ms for all connections together */
#define SETTLE		300	/* ms for threads that end their replies */
#define HANG		1800	/* ms for all of it, beside other handlers */
#define LEADER_HANGS	700	/* ms: then the loop is taken by force */
#define FAULTS		8	/* in here; each takes room on the stack */

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

static struct {
	struct loop		*loop;		/* NULL: not prepared */
	pid_t			 pid, master;
	pid_t			 forker;	/* of a child, in mode fork */
	bool			 is_child;
	atomic_int		 is_taken;	/* a thread is in here */
	atomic_bool		 is_there;	/* the leader shall finish */
	atomic_int		 is_finishing;	/* a thread does */
	atomic_bool		 is_finished;
	atomic_int		 lost;		/* handlers that will not end */
	atomic_int		 answered;	/* of those, let go of */
	pthread_key_t		 key;		/* tells of a thread's end */

	/* What happened, and how far the farewell is: the thread's in here. */
	int			 sig;		/* 0: it was left */
	siginfo_t		 info;
	struct thread		*victim;	/* whose handler is lost */
	enum claim_state	 claimed;	/* what the victim's was */
	struct connection	*driven;	/* lost with no handler */
	const char		*what;		/* of sig 0 */
	unsigned		 step;
	unsigned		 faults;

	/* How far the connections are: the thread's that finishes. */
	uint64_t		 until;		/* ms */
	unsigned		 phase;
	uint32_t		 next;		/* in the table */
} crash;

static _Thread_local void *stack;
static _Thread_local bool is_taker, is_finisher;

bool
crash_is_there(void)
{
	return atomic_load_explicit(&crash.is_there, memory_order_relaxed);
}

/* False in one that the handler has made. */
static bool
is_own_process(void)
{
	return crash.is_child ? getppid() == crash.forker
	    : getpid() == crash.pid;
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
	(void)pthread_setspecific(crash.key, memory);
}

void
crash_stack_close(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (stack == NULL)
		return;
	(void)pthread_setspecific(crash.key, NULL);
	(void)sigaltstack(&none, NULL);
	(void)munmap(stack, GUARD + STACK_SIZE);
	stack = NULL;
}

/* --------------------------------------------------------------- the client */

/* Tells the client of a lost handler, nothing of whose reply is out. */
static bool
answer(const struct loop *loop, struct exchange *exchange, int status)
{
	struct connection *conn = exchange->conn;
	size_t length = 0;
	const char *text = loop->protocol->lost(exchange, status, &length);

	/* An empty socket takes a page without waiting. */
	if (send(conn->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		return false;
	(void)shutdown(conn->fd, SHUT_WR);
	/* What it still sends must not make a reset: another drops it. */
	conn->state = CONNECTION_LINGERING;
	conn->begun = conn->since = clock_ms();
	conn->exchange = NULL;
	return true;
}

/* From now on the connection may be looked at, and moves. */
static void
part_with(struct connection *conn)
{
	atomic_fetch_and(&conn->ready, ~CONNECTION_OWNED);
}

/* Whether nothing of a reply is out; then nothing will be. */
static bool
is_quiet(const struct exchange *exchange)
{
	if (exchange->output.sent == 0)
		return true;
	if (exchange->ends_by_close)
		drive_arm(exchange->conn);
	return false;
}

/* What a handler was at when its claim was taken; NONE: it was not had. */
static enum claim_state
claim(struct claim *claim)
{
	const unsigned word = claim_look(claim);

	return claim_take(claim, word) ? claim_state(word) : CLAIM_NONE;
}

/* The handler of this thread. */
static enum claim_state
claim_own(struct loop *loop, const struct thread *self)
{
	struct claim *own = handler_claim(loop, self);
	const enum claim_state state = own == NULL ? CLAIM_OUT : claim(own);

	return state == CLAIM_OUT && is_quiet(self->exchange) ? CLAIM_QUIET
	    : state;
}

/* That of another one, if there is one. */
static struct thread *
claim_other(struct loop *loop, enum claim_state *state)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		*state = claim(&loop->crew.claims[i]);
		if (*state != CLAIM_NONE)
			return loop->crew.claims[i].exchange->thread;
	}
	return NULL;
}

static void
lose(struct loop *loop, const struct thread *victim,
    enum claim_state claimed, int status)
{
	struct connection *conn;

	/* First: what comes may fault, and nobody shall wait for this one. */
	atomic_fetch_add(&crash.lost, 1);
	if (victim->slot != SLOT_NONE)
		atomic_store(&loop->line->crash_slot, (int)victim->slot);
	if (claimed != CLAIM_QUIET)
		return;
	conn = victim->exchange->conn;
	if (!answer(loop, victim->exchange, status))
		return;
	atomic_store(&loop->line->crash_status, status);
	atomic_fetch_add(&crash.answered, 1);
	part_with(conn);
}

/* A hook has crashed on the thread that leads, while nothing is handled. */
static void
lose_driven(struct loop *loop, struct connection *conn)
{
	if (conn->exchange != NULL && is_quiet(conn->exchange) &&
	    answer(loop, conn->exchange, 500))
		part_with(conn);
}

/* ------------------------------------------------------------------ the log */

static void
say(const char *text, size_t length)
{
	const int fd = crash.loop->server->log_fds[1];
	struct pollfd wait = { .fd = fd, .events = POLLOUT };

	if (fd == JOURNAL_SYSLOG)
		(void)system_log_send(LOG_ERR, text, length);
	else if (crash.is_child && child_say(text, length))
		return;
	else if (fd != -1 && poll(&wait, 1, 10) == 1)
		(void)!write(fd, text, length);
}

static int
describe(char *what, size_t size, int sig, const siginfo_t *info,
    const char *how)
{
	if (sig == 0)
		return snprintf(what, size, "%s was called", how);
	if (info->si_code == SI_USER || info->si_code == SI_TKILL ||
	    sig == SIGABRT)
		return snprintf(what, size, "signal %d (SIG%s)", sig,
		    sigabbrev_np(sig));
	return snprintf(what, size, "signal %d (SIG%s) at address %p", sig,
	    sigabbrev_np(sig), info->si_addr);
}

static void
report(const struct thread *victim, int sig, const siginfo_t *info,
    const char *how)
{
	char line[1024], client[64] = "", request[256] = "", what[128];
	size_t n = server_log_prefix(line, sizeof(line), TINE_LOG_ERROR);
	const struct loop *loop = crash.loop;

	if (victim != NULL && victim->slot != SLOT_NONE && !crash.is_child)
		(void)handler_line_read(scoreboard_handler(loop->board,
		    loop->index, victim->slot), client, request);
	(void)describe(what, sizeof(what), sig, info, how);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s in a %s", what,
	    victim != NULL ? "handler" : "thread that runs no handler");
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

/*
 * Whether another thread has it, or a handler: then nothing else of it may be
 * looked at.  Requests that wait are the leader's, who does this.
 */
static bool
is_owned(const struct connection *conn)
{
	return (atomic_load(&conn->ready) & CONNECTION_OWNED) != 0 &&
	    conn->list != CONNECTION_PENDING;
}

/* Whether the entry is a connection of someone whose handler does not run. */
static bool
is_movable(const struct connection *conn)
{
	return !is_owned(conn) && conn->fd >= 0 &&
	    conn->state > CONNECTION_FREE && conn->state < CONNECTION_ENDING &&
	    conn->state != CONNECTION_HANDLING;
}

/* Those that were given back, or wait for memory, have no owner any more. */
static void
disown(struct connection *conn)
{
	for (; conn != NULL; conn = conn->returned)
		part_with(conn);
}

static void
disown_all(struct loop *loop)
{
	disown(loop->returning);
	disown(loop->resuming);
	loop->returning = loop->resuming = NULL;
	disown(atomic_exchange(&loop->returned, NULL));
	disown(atomic_exchange(&loop->paused, NULL));
}

/* Threads whose handlers have ended may still be at their replies. */
static void
settle(struct loop *loop)
{
	for (int i = 0; i < SETTLE; i++) {
		int owned = 0;

		disown_all(loop);
		for (uint32_t k = 0; k < loop->table.used; k++)
			owned += is_owned(&loop->table.entries[k]);
		/* Each handler that has not ended has one. */
		if (owned <= atomic_load(&loop->line->busy) -
		    atomic_load(&crash.answered))
			return;
		clock_pause(1);
	}
}

/* Each entry once: after a fault it goes on behind the one that did it. */
static void
rescue_those(struct loop *loop, bool with_exchange)
{
	while (crash.next < loop->table.used) {
		struct connection *conn = &loop->table.entries[crash.next++];

		if (!is_movable(conn) ||
		    (conn->exchange != NULL) != with_exchange)
			continue;
		rescue(loop, conn, crash.until);
		conn->fd = -1;
	}
}

static void
rescue_idle(struct loop *loop)
{
	crash.until = clock_ms() + RESCUE;
	rescue_those(loop, false);
}

static void
rescue_others(struct loop *loop)
{
	rescue_those(loop, true);
}

/* Handlers on other threads have a while to end. */
static void
await_handlers(struct loop *loop)
{
	const uint64_t until = clock_ms() + loop->settings->crash_grace;

	/* Those of children could end, but nobody takes their replies. */
	if (loop->settings->mode == MODE_FORK)
		return;
	while (atomic_load(&loop->line->busy) > atomic_load(&crash.lost) &&
	    clock_ms() < until)
		clock_pause(2);
}

/* Those that could not end are told. */
static void
answer_others(struct loop *loop)
{
	while (crash.next < SLOTS) {
		struct claim *other = &loop->crew.claims[crash.next++];
		struct connection *conn;

		if (claim(other) != CLAIM_QUIET)
			continue;
		conn = other->exchange->conn;
		if (answer(loop, other->exchange, 500))
			part_with(conn);
	}
}

/* The same for those whose handlers run in children: all are the leader's. */
static void
answer_of_children(struct loop *loop)
{
	while (loop->settings->mode == MODE_FORK &&
	    crash.next < loop->table.used) {
		struct connection *conn = &loop->table.entries[crash.next++];

		if (conn->state == CONNECTION_HANDLING &&
		    conn->exchange != NULL && is_quiet(conn->exchange) &&
		    answer(loop, conn->exchange, 500))
			part_with(conn);
	}
}

static void
finish(struct loop *loop)
{
	static void (*const phases[])(struct loop *) = {
		await_handlers, settle, answer_others, answer_of_children,
		rescue_idle, rescue_others
	};
	const size_t count = sizeof(phases) / sizeof(phases[0]);

	for (; crash.phase < count; crash.phase++, crash.next = 0)
		phases[crash.phase](loop);
	atomic_store(&crash.is_finished, true);
}

/*
 * What is done in here may fault: a signal that is blocked then ends the
 * process at once.  A handler may have blocked some, and a checker that stands
 * between the kernel and this one blocks all.
 */
static void
admit_faults(void)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(&mask, signals[i]);
	(void)pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

void
crash_finish(struct loop *loop)
{
	/* The crashed thread may have lost its patience with this one. */
	if (atomic_exchange(&crash.is_finishing, 1) != 0)
		return;
	is_finisher = true;
	admit_faults();
	finish(loop);
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

/*
 * The leader may wait for a lock that this thread holds, of the allocator for
 * instance: then this thread does it all the same.
 */
static void
end_connections(void)
{
	const uint64_t until = clock_ms() + LEADER_HANGS;
	struct loop *loop = crash.loop;

	while (!atomic_load(&crash.is_finished)) {
		if (atomic_load(&crash.is_finishing) == 0 &&
		    (hold(loop, thread_self) || clock_ms() >= until))
			crash_finish(loop);
		else
			clock_pause(1);
	}
}

/* The timer's signal must reach this thread, whatever its handler blocked. */
static void
set_guard(const struct loop *loop)
{
	const bool has_others = atomic_load(&loop->line->busy) >
	    (crash.victim != NULL);
	const long ms = HANG + (has_others
	    ? (long)loop->settings->crash_grace : 0);
	const struct itimerval timer = {
		.it_value = { ms / 1000, ms % 1000 * 1000 }
	};
	sigset_t mask;

	(void)signal(SIGALRM, SIG_DFL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGALRM);
	(void)pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
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
tell_client(void)
{
	struct loop *loop = crash.loop;

	set_guard(loop);
	worker_line_state(loop->line, WORKER_CRASHED, clock_ms());
	/* Nothing new is begun here when the client hears of it. */
	atomic_store(&crash.is_there, true);
	loop_kick(loop);
	if (loop->server->crashing != NULL)
		loop->server->crashing(loop->server);
	if (crash.victim != NULL)
		lose(loop, crash.victim, crash.claimed,
		    is_stuck(crash.sig, &crash.info) ? 504 : 500);
	else if (crash.driven != NULL)
		lose_driven(loop, crash.driven);
}

static void
tell_log(void)
{
	report(crash.victim, crash.sig, &crash.info, crash.what);
}

static void
tell_where(void)
{
	if (crash.sig != 0)
		backtrace_write(say);
}

/* A fault in one of the steps is followed by the next. */
static void
farewell(void)
{
	static void (*const steps[])(void) = {
		tell_client, tell_log, end_connections, tell_where
	};
	const size_t count = sizeof(steps) / sizeof(steps[0]);

	while (crash.step < count) {
		const unsigned step = crash.step++;

		/* A child has no connections, and its worker tells the client. */
		if (!crash.is_child || step % 2 == 1)
			steps[step]();
	}
}

/* What is lost, when this thread dies of sig. */
static void
take_down(int sig, const siginfo_t *info, const char *what)
{
	struct thread *self = thread_self;

	is_taker = true;
	crash.sig = sig;
	crash.what = what;
	if (info != NULL)
		crash.info = *info;
	if (self != NULL && self->exchange != NULL) {
		crash.victim = self;
		if (!crash.is_child)
			crash.claimed = claim_own(crash.loop, self);
	} else if (is_stuck(sig, info)) {
		crash.victim = claim_other(crash.loop, &crash.claimed);
	}
	if (crash.victim == NULL && self != NULL)
		crash.driven = self->driven;
}

/* Another thread is here already, and ends the process for both. */
static noreturn void
wait_for_end(int sig, const siginfo_t *info, const char *how)
{
	const struct thread *self = thread_self;

	if (!crash.is_child && self != NULL && self->exchange != NULL)
		lose(crash.loop, self, claim_own(crash.loop, self), 500);
	report(self != NULL && self->exchange != NULL ? self : NULL, sig,
	    info, how);
	for (;;)
		(void)pause();
}

/* The memory is broken: what was being done is left, what follows is not. */
static void
go_on(void)
{
	if (++crash.faults > FAULTS)
		return;
	if (is_finisher && !atomic_load(&crash.is_finished))
		finish(crash.loop);
	while (!is_taker)
		(void)pause();
	farewell();
}

static void
crashed(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!is_own_process()) {
		die(sig);
		return;
	}
	admit_faults();
	if (is_taker || is_finisher) {
		go_on();
	} else if (atomic_exchange(&crash.is_taken, 1) == 0) {
		take_down(sig, info, NULL);
		farewell();
	} else {
		wait_for_end(sig, info, NULL);
	}
	die(crash.sig != 0 ? crash.sig : sig);
}

/* The process is being left before its time. */
static void
leave(const char *how)
{
	if (crash.loop == NULL || !is_own_process())
		return;
	admit_faults();
	if (atomic_exchange(&crash.is_taken, 1) == 0) {
		take_down(0, NULL, how);
		farewell();
	} else if (!is_taker) {
		wait_for_end(0, NULL, how);
	}
}

/* A handler has called exit(3): its process ends, and nobody else's request. */
static void
left(void)
{
	/* Another thread that calls it too must not find this one gone. */
	if (crash.loop != NULL && is_own_process() && !is_taker)
		(void)atexit(left);
	leave("exit(3)");
}

static void
left_quickly(void)
{
	leave("quick_exit(3)");
}

/* The thread that runs a handler has ended itself. */
static void
thread_left(void *memory)
{
	(void)memory;
	if (crash.loop == NULL || thread_self == NULL ||
	    thread_self->exchange == NULL || !is_own_process())
		return;
	leave("pthread_exit(3)");
	_exit(EX_SOFTWARE);
}

/* --------------------------------------------------------- opening, closing */

static void
catch(void)
{
	struct sigaction action = {
		.sa_sigaction = crashed,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER
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

/* What tells of the ways to leave: once in a process. */
static void
watch_exits(void)
{
	static bool is_registered;

	if (is_registered)
		return;
	is_registered = true;
	(void)pthread_key_create(&crash.key, thread_left);
	(void)atexit(left);
	(void)at_quick_exit(left_quickly);
}

void
crash_open(struct loop *loop)
{
	backtrace_prepare();
	watch_exits();
	crash.loop = loop;
	crash.pid = getpid();
	crash.master = getppid();
	crash_stack_open();
	catch();
}

/* Its stack is no mapping of its own: each fork(2) would copy that. */
void
crash_open_forker(struct loop *loop)
{
	static char memory[STACK_SIZE];
	const stack_t alternate = { .ss_sp = memory, .ss_size = STACK_SIZE };

	backtrace_prepare();
	watch_exits();
	(void)sigaltstack(&alternate, NULL);
	crash.loop = loop;
	crash.forker = getpid();
	crash.is_child = true;
	catch();
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
