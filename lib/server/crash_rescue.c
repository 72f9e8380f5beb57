/* SPDX-License-Identifier: ISC */
/*
 * The other clients of a process that dies: their handlers have a while to
 * end, and their connections go to other workers.
 */
#include <errno.h>

#include "../base/clock.h"
#include "crash_parts.h"
#include "handover.h"
#include "loop.h"

#define RESCUE		700	/* ms for all connections together */
#define SETTLE		300	/* ms for threads that end their replies */

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
		crash_part_with(conn);
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
	while (crash.next < loop->claim_count) {
		struct claim *other = &loop->claims[crash.next++];
		struct connection *conn;

		if (crash_claim(other) != CLAIM_QUIET)
			continue;
		conn = other->exchange->conn;
		if (crash_answer(loop, other->exchange, 500))
			crash_part_with(conn);
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
		    conn->exchange != NULL && crash_is_quiet(conn->exchange) &&
		    crash_answer(loop, conn->exchange, 500))
			crash_part_with(conn);
	}
}

void
crash_go_on(struct loop *loop)
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

void
crash_finish(struct loop *loop)
{
	/* The crashed thread may have lost its patience with this one. */
	if (atomic_exchange(&crash.is_finishing, 1) != 0)
		return;
	crash_finishes = true;
	crash_admit_faults();
	crash_go_on(loop);
}
