/* SPDX-License-Identifier: ISC */
/*
 * Long steps, and who leads the loop.
 *
 * Whatever may block is a long step: a handler, a file that is not in memory,
 * a spool.  The leader runs it in place, with no hand-over and no wake-up; it
 * only marks the loop as takable before, by one store, and takes the mark
 * back after, by one compare-and-swap.  A watcher looks every so often: a
 * step that is still the same has stalled, so it takes the loop and gives it
 * to a spare thread.  When the stalled step ends, its thread finds the loop
 * gone, finishes its own connection, and becomes a spare.
 *
 * A sequence number makes one mark differ from the next, so that the watcher
 * cannot take a loop that was marked, taken back and marked again.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/futex.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/cold.h"
#include "../base/failure.h"
#include "crash.h"
#include "loop.h"
#include "server.h"

#define LOOK_SHORTEST	1		/* ms between two looks */
#define LOOK_LONGEST	10
#define LOOKS_QUIET	50		/* then the pause is doubled */
#define LOOKS_IDLE	5		/* then the watcher sleeps */
#define SPARE_STAYS	10		/* s that a spare waits for work */
#define GUARD		((size_t)64 * 1024)
#define RELIEF_STACK	((size_t)128 * 1024)	/* runs no handler */

static int
futex(atomic_uint *word, int operation, unsigned value)
{
	return (int)syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG,
	    value, NULL, NULL, 0);
}

/* ------------------------------------------------------------ the mark */

static void make_watcher(struct loop *loop);

void
step_begin(struct loop *loop, struct thread *self)
{
	if (!self->leads || !loop->is_threaded)
		return;
	if (!loop->crew.has_watcher)
		make_watcher(loop);
	self->step = atomic_load_explicit(&loop->word,
	    memory_order_relaxed) + 1;
	/*
	 * Sequentially consistent: either the watcher, about to sleep, sees
	 * this mark, or we see that it sleeps.
	 */
	atomic_store(&loop->word, self->step);
	if (atomic_load(&loop->crew.watcher_sleeps) != 0) {
		atomic_store(&loop->crew.watcher_sleeps, 0);
		(void)futex(&loop->crew.watcher_sleeps, FUTEX_WAKE, 1);
	}
}

/* Takes the loop if it is still marked with step. */
static bool
take(struct loop *loop, unsigned step)
{
	return atomic_compare_exchange_strong(&loop->word, &step, step + 1);
}

bool
step_end(struct loop *loop, struct thread *self)
{
	if (self->step != 0) {
		if (!take(loop, self->step))
			self->leads = false;
		self->step = 0;
	}
	return self->leads;
}

/* ------------------------------------------------------------- the threads */

static void *spare_main(void *argument);

static bool
make_thread(size_t stack, void *(*function)(void *),
    void *argument, pthread_t *id)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	bool made;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	(void)pthread_attr_setguardsize(&attributes, GUARD);
	(void)pthread_attr_setstacksize(&attributes, stack);
	(void)sigfillset(&all);
	/* Signals are for the main thread; a crash is its thread's own. */
	(void)sigdelset(&all, SIGSEGV);
	(void)sigdelset(&all, SIGBUS);
	(void)sigdelset(&all, SIGFPE);
	(void)sigdelset(&all, SIGILL);
	(void)sigdelset(&all, SIGABRT);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	made = pthread_create(id, &attributes, function, argument) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return made;
}

/* The lock of the crew is held. */
static void
join_left(struct crew *crew)
{
	struct thread *thread;

	while ((thread = LIST_FIRST(&crew->left)) != NULL) {
		LIST_REMOVE(thread, entry);
		(void)pthread_join(thread->id, NULL);
		free(thread);
	}
}

/* The lock of the crew is held. */
static void
add_thread(struct loop *loop)
{
	const size_t stack = loop->settings->mode == MODE_THREAD
	    ? loop->settings->stack_size : RELIEF_STACK;
	struct thread *thread = calloc(1, sizeof(*thread));

	if (thread == NULL)
		return;
	join_left(&loop->crew);
	thread->loop = loop;
	thread->slot = SLOT_NONE;
	if (!make_thread(stack, spare_main, thread, &thread->id)) {
		free(thread);
		return;
	}
	LIST_INSERT_HEAD(&loop->crew.threads, thread, entry);
	loop->crew.count++;
}

/*
 * The loop has no leader: a spare takes it.  If there is none and no thread
 * can be made, the next that becomes a spare does.
 */
static void
give(struct loop *loop)
{
	struct crew *crew = &loop->crew;

	(void)pthread_mutex_lock(&crew->lock);
	crew->tokens++;
	if (crew->spares < crew->tokens)
		add_thread(loop);
	(void)pthread_cond_signal(&crew->spare);
	(void)pthread_mutex_unlock(&crew->lock);
}

void
step_give(struct loop *loop, struct thread *self)
{
	self->leads = false;
	give(loop);
}

/* The lock of the crew is held. */
static bool
wait_token(struct crew *crew)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SPARE_STAYS;
	while (crew->tokens == 0 && !crew->is_ending) {
		if (pthread_cond_timedwait(&crew->spare, &crew->lock,
		    &until) == ETIMEDOUT)
			break;
	}
	if (crew->tokens == 0)
		return false;
	crew->tokens--;
	return true;
}

static void *
spare_main(void *argument)
{
	struct thread *self = argument;
	struct loop *loop = self->loop;
	struct crew *crew = &loop->crew;

	thread_self = self;
	if (loop->settings->mode == MODE_THREAD)
		crash_stack_open();
	(void)pthread_mutex_lock(&crew->lock);
	for (;;) {
		/* Its line of the scoreboard is for those that have work. */
		crew_slot_end(loop, self->slot);
		self->slot = SLOT_NONE;
		crew->spares++;
		self->leads = wait_token(crew);
		crew->spares--;
		if (!self->leads)
			break;
		(void)pthread_mutex_unlock(&crew->lock);
		loop_lead(loop, self);
		if (self->leads) {	/* the loop has ended */
			self->leads = false;
			(void)pthread_mutex_lock(&crew->lock);
			crew->is_ending = true;
			crew->tokens++;
			(void)pthread_cond_broadcast(&crew->spare);
			(void)pthread_cond_broadcast(&crew->back);
			break;
		}
		(void)pthread_mutex_lock(&crew->lock);
	}
	if (self->kept != NULL) {
		(void)pthread_mutex_lock(&loop->pool_lock);
		exchange_put(&loop->pool, self->kept);
		(void)pthread_mutex_unlock(&loop->pool_lock);
	}
	crew_slot_end(loop, self->slot);
	crash_stack_close();
	LIST_REMOVE(self, entry);
	LIST_INSERT_HEAD(&crew->left, self, entry);
	crew->count--;
	(void)pthread_cond_broadcast(&crew->ended);
	(void)pthread_mutex_unlock(&crew->lock);
	return NULL;
}

/* ---------------------------------------------------------- the main thread */

/*
 * The main thread of mode single runs all handlers, so it leads whenever it
 * runs none.  The thread that leads meanwhile looks between two events, and
 * its long steps can be taken like any other.
 */
void
crew_take_back(struct loop *loop, struct thread *self)
{
	struct crew *crew = &loop->crew;
	struct timespec until;

	(void)pthread_mutex_lock(&crew->lock);
	atomic_store(&crew->back_wanted, true);
	(void)pthread_cond_broadcast(&crew->spare);
	loop_kick(loop);
	while (!self->leads) {
		const unsigned word = atomic_load(&loop->word);

		if (crew->tokens > 0) {
			crew->tokens--;
			self->leads = true;
		} else if (((word & 1) != 0 && take(loop, word)) ||
		    !atomic_load(&crew->back_wanted)) {
			self->leads = true;
		} else {
			(void)clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_nsec += 1000000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_nsec -= 1000000000;
				until.tv_sec++;
			}
			(void)pthread_cond_timedwait(&crew->back, &crew->lock,
			    &until);
		}
	}
	atomic_store(&crew->back_wanted, false);
	(void)pthread_mutex_unlock(&crew->lock);
}

bool
crew_yield_now(struct loop *loop, struct thread *self)
{
	struct crew *crew = &loop->crew;

	(void)pthread_mutex_lock(&crew->lock);
	if (atomic_load(&crew->back_wanted)) {
		self->leads = false;
		atomic_store(&crew->back_wanted, false);
		(void)pthread_cond_broadcast(&crew->back);
	}
	(void)pthread_mutex_unlock(&crew->lock);
	return !self->leads;
}

bool
crew_wait(struct loop *loop, struct thread *self)
{
	struct crew *crew = &loop->crew;

	if (loop->settings->mode != MODE_THREAD) {
		crew_take_back(loop, self);
		return true;
	}
	(void)pthread_mutex_lock(&crew->lock);
	crew->spares++;
	while (crew->tokens == 0)
		(void)pthread_cond_wait(&crew->spare, &crew->lock);
	crew->tokens--;
	crew->spares--;
	self->leads = true;
	(void)pthread_mutex_unlock(&crew->lock);
	return true;
}

/* ------------------------------------------------------------- the watcher */

/* Sleeps until the next long step begins. */
static void
sleep_until_step(struct loop *loop, unsigned word)
{
	struct crew *crew = &loop->crew;

	atomic_store(&crew->watcher_sleeps, 1);
	while (atomic_load(&loop->word) == word &&
	    atomic_load(&crew->watcher_sleeps) == 1)
		(void)futex(&crew->watcher_sleeps, FUTEX_WAIT, 1);
	atomic_store(&crew->watcher_sleeps, 0);
}

static void *
watch(void *argument)
{
	struct loop *loop = argument;
	unsigned look = LOOK_SHORTEST, quiet = 0, idle = 0, last = 0;

	while (!atomic_load(&loop->crew.watcher_ends)) {
		unsigned word;

		clock_pause(look);
		word = atomic_load(&loop->word);
		if (word == last && (word & 1) != 0 && take(loop, word)) {
			give(loop);
			look = LOOK_SHORTEST;
			quiet = idle = 0;
		} else if (word == last && (word & 1) == 0 &&
		    ++idle >= LOOKS_IDLE) {
			sleep_until_step(loop, word);
			idle = 0;
		} else if (word != last) {
			idle = 0;
		}
		if (++quiet >= LOOKS_QUIET && look < LOOK_LONGEST) {
			look = look * 2 < LOOK_LONGEST ? look * 2
			    : LOOK_LONGEST;
			quiet = 0;
		}
		last = word;
	}
	return NULL;
}

/*
 * The watcher is made when there is something to watch: a worker that has had
 * no request has no thread.  Where none can be made the next step tries again.
 * Leader only, before the loop is marked, so that the next leader knows of it.
 */
static COLD void
make_watcher(struct loop *loop)
{
	struct crew *crew = &loop->crew;

	crew->has_watcher = make_thread(RELIEF_STACK, watch, loop,
	    &crew->watcher);
	if (crew->has_watcher || crew->is_told)
		return;
	crew->is_told = true;
	server_log(loop->server, TINE_LOG_ERROR, "no thread can be made: a "
	    "handler that takes long holds up other clients (raise the limit "
	    "of processes, ulimit -u)");
}

/* --------------------------------------------------------- opening, closing */

void
crew_open(struct loop *loop, struct thread *main_thread)
{
	struct crew *crew = &loop->crew;
	pthread_condattr_t attributes;

	LIST_INIT(&crew->threads);
	LIST_INIT(&crew->left);
	(void)pthread_mutex_init(&crew->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&crew->spare, &attributes);
	(void)pthread_cond_init(&crew->back, &attributes);
	(void)pthread_cond_init(&crew->ended, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	main_thread->id = pthread_self();
	main_thread->slot = SLOT_NONE;
	crew->is_open = true;
}

static void
end_watcher(struct loop *loop)
{
	struct crew *crew = &loop->crew;

	atomic_store(&crew->watcher_ends, true);
	atomic_fetch_add(&loop->word, 2);
	atomic_store(&crew->watcher_sleeps, 0);
	(void)futex(&crew->watcher_sleeps, FUTEX_WAKE, 1);
	(void)pthread_join(crew->watcher, NULL);
}

void
crew_close(struct loop *loop, struct thread *main_thread)
{
	struct crew *crew = &loop->crew;

	(void)main_thread;
	if (!crew->is_open)
		return;
	if (crew->has_watcher)
		end_watcher(loop);
	(void)pthread_mutex_lock(&crew->lock);
	crew->is_ending = true;
	(void)pthread_cond_broadcast(&crew->spare);
	while (crew->count > 0)
		(void)pthread_cond_wait(&crew->ended, &crew->lock);
	join_left(crew);
	(void)pthread_mutex_unlock(&crew->lock);
	crew->is_open = false;
}
