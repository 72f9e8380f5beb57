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
 * The unwinder and dladdr(3) are not async-signal-safe by the letter, but are
 * linked and need not load anything here.
 */
#include <sys/time.h>

#include <signal.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../base/backtrace.h"
#include "../base/clock.h"
#include "crash_parts.h"
#include "loop.h"
#include "server.h"

#define HANG		1800	/* ms for all of it, beside other handlers */
#define LEADER_HANGS	700	/* ms: then the loop is taken by force */
#define FAULTS		8	/* in here; each takes room on the stack */

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

struct crash crash;
_Thread_local bool crash_finishes;

static _Thread_local bool is_taker;

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

void
crash_admit_faults(void)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(&mask, signals[i]);
	(void)pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
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
		crash_lose(loop, crash.victim, crash.exchange, crash.claimed,
		    is_stuck(crash.sig, &crash.info) ? 504 : 500);
	else if (crash.driven != NULL)
		crash_lose_driven(loop, crash.driven);
}

static void
tell_log(void)
{
	crash_report(crash.victim, crash.sig, &crash.info, crash.what);
}

static void
tell_where(void)
{
	if (crash.sig != 0)
		backtrace_write(crash_say);
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

		/* A child has no connections; its worker tells the client. */
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
		crash.exchange = self->exchange;
		if (!crash.is_child)
			crash.claimed = crash_claim_own(crash.loop, self);
	} else if (is_stuck(sig, info)) {
		crash.exchange = crash_claim_other(crash.loop,
		    &crash.claimed);
		if (crash.exchange != NULL)
			crash.victim = crash.exchange->thread;
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
		crash_lose(crash.loop, self, self->exchange,
		    crash_claim_own(crash.loop, self), 500);
	crash_report(self != NULL && self->exchange != NULL ? self : NULL, sig,
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
	if (crash_finishes && !atomic_load(&crash.is_finished))
		crash_go_on(crash.loop);
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
	crash_admit_faults();
	if (is_taker || crash_finishes) {
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
	crash_admit_faults();
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
	static char memory[CRASH_STACK];
	const stack_t alternate = { .ss_sp = memory, .ss_size = CRASH_STACK };

	watch_exits();
	(void)sigaltstack(&alternate, NULL);
	/* A child's only thread may be left, and another one keep the process. */
	(void)pthread_setspecific(crash.key, memory);
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
