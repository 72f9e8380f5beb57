/* SPDX-License-Identifier: ISC */
/*
 * How long the poller may wait: until the first thing that is due.
 */
#include "../base/cold.h"
#include "loop.h"
#include "loop_parts.h"

#define LOG_DELAY	100	/* ms that a line of a log may wait */
#define MOVE_AGAIN	5	/* ms until a hand-over is tried once more */
#define SHARED_LOOK	500	/* ms: a listener may have woken one that died */

/* Whether requests come and go, and nothing else is the case. */
static bool
is_usual(const struct loop *loop)
{
	return loop->end_seen == LOOP_RUNS && loop->held == 0 &&
	    loop->accept_until == 0 && !paused_are_there(loop) &&
	    atomic_load_explicit(&loop->pending, memory_order_relaxed) == 0 &&
	    atomic_load_explicit(&loop->line->busy, memory_order_relaxed) == 0;
}

/* How long the poller may wait for what is else the case. */
static COLD int
unusual_patience(const struct loop *loop, int timeout)
{
	const uint64_t now = loop_now(loop);

	timeout = sooner(timeout, ending_grace(loop));
	if (loop->end_seen == LOOP_MOVES || (!thread_self->is_main &&
	    loop->settings->mode == MODE_SINGLE &&
	    atomic_load_explicit(&loop->pending, memory_order_relaxed) > 0))
		timeout = sooner(timeout, MOVE_AGAIN);
	if (loop->held > 0)
		timeout = sooner(timeout, HELD_LOOK);
	if (paused_are_there(loop))
		timeout = sooner(timeout, PAUSED_LOOK);
	if (loop->accept_until != 0 && loop->accept_limit > 0)
		timeout = sooner(timeout, loop->accept_until > now
		    ? (int)(loop->accept_until - now) : 0);
	if (loop->is_threaded &&
	    atomic_load_explicit(&loop->line->busy, memory_order_relaxed) > 0)
		timeout = sooner(timeout, TICK / 4);
	return timeout;
}

int
loop_patience(struct loop *loop, int timeout)
{
	const uint64_t now = loop_now(loop);

	if (returned_are_there(loop))
		return 0;
	timeout = sooner(timeout, lists_deadline(loop));
	timeout = sooner(timeout, accept_patience(loop));
	if (loop->strategy->patience != NULL)
		timeout = sooner(timeout, loop->strategy->patience(loop));
	timeout = sooner(timeout, journal_tick(loop->requests, now,
	    LOG_DELAY));
	timeout = sooner(timeout, journal_tick(loop->errors, now, LOG_DELAY));
	if (!is_usual(loop))
		timeout = unusual_patience(loop, timeout);
	if (loop->board->workers > 1 && loop->end_seen == LOOP_RUNS)
		timeout = sooner(timeout, SHARED_LOOK);
	return sooner(timeout, loop->turn_within);
}
