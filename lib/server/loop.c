/* SPDX-License-Identifier: ISC */
/*
 * The turn of the loop: wait, look at what is ready, look at what is late.
 * What a connection does next is drive.c's affair, who may lead is step.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/clock.h"
#include "crash.h"
#include "handover.h"
#include "loop.h"
#include "loop_parts.h"
#include "server.h"

#define LATE		1000	/* ms: the process itself was held up */

_Thread_local struct thread *thread_self;

static void
dispatch(struct loop *loop, const struct poller_event *event)
{
	struct connection *conn;

	if ((event->tag & 1) == 0) {
		struct source *source = (struct source *)(uintptr_t)event->tag;

		if (event->ready != 0)
			source->ready(loop, source, event->ready);
		return;
	}
	conn = connection_of_tag(&loop->table, event->tag);
	if (conn != NULL && connection_take(conn, event->ready))
		drive(loop, conn);
}

void
loop_set_now(struct loop *loop)
{
	const uint64_t now = clock_ms();

	atomic_store_explicit(&loop->now, now, memory_order_relaxed);
	atomic_store_explicit(&loop->line->turn, now, memory_order_relaxed);
}

/*
 * Waits for events.  A process that was stopped itself, or frozen, must judge
 * nobody by the time that went by: clients and handlers have their say first.
 */
static int
wait_for_events(struct loop *loop, int timeout)
{
	const uint64_t before = loop_now(loop);
	const int count = poller_wait(loop->poller, loop->events, LOOP_BATCH,
	    timeout);

	loop_set_now(loop);
	if (timeout >= 0 &&
	    loop_now(loop) > before + (unsigned)timeout + LATE) {
		loop->judge_after = loop_now(loop) + LATE;
		if (loop->due < loop->judge_after)
			loop->due = loop->judge_after;
	}
	return count;
}

static bool
is_closed(int fd)
{
	return fd != -1 && fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

/*
 * A handler may have closed what is not its own.  A loop that hears nothing
 * any more serves nobody: it crashes, and its connections go to others.
 */
static void
check_descriptors(struct loop *loop, bool is_broken)
{
	if (!is_broken && (!loop->server->is_program ||
	    loop_now(loop) - loop->checked < TICK))
		return;
	loop->checked = loop_now(loop);
	for (size_t i = 0; i < loop->listener_count; i++)
		is_broken |= is_closed(loop->listeners[i].source.fd);
	if (!is_broken && !is_closed(loop->kick.fd) &&
	    !is_closed(loop->server->control))
		return;
	server_log(loop->server, TINE_LOG_ERROR, "a handler has closed "
	    "descriptors that are not its own: this process cannot go on");
	abort();
}

static void
tick(struct loop *loop)
{
	if (loop->strategy->tick == NULL || !thread_self->leads ||
	    loop_now(loop) - loop->ticked < (loop->held > 0 ? HELD_LOOK
	    : TICK / 4))
		return;
	loop->ticked = loop_now(loop);
	loop->strategy->tick(loop);
}

/*
 * Requests that wait may go on: also when this thread has just been given
 * the loop, so this is looked at before waiting, too.
 */
static bool
resume(struct loop *loop, const struct thread *self)
{
	if (!crash_is_there() && atomic_load_explicit(&loop->pending,
	    memory_order_relaxed) > 0)
		loop->strategy->resume(loop);
	return self->leads;
}

bool
loop_turn(struct loop *loop, struct thread *self, int timeout)
{
	if (loop->event_next == loop->event_count) {
		if (!resume(loop, self))
			return false;
		loop->event_next = loop->event_count = 0;
		loop->event_count = wait_for_events(loop,
		    loop_patience(loop, timeout));
		atomic_store_explicit(&loop->turns, loop_turns(loop) + 1,
		    memory_order_relaxed);
		check_descriptors(loop, loop->event_count == -1);
	}
	while (loop->event_next < loop->event_count) {
		if (crash_is_there())
			return false;
		dispatch(loop, &loop->events[loop->event_next++]);
		if (!self->leads || crew_yield(loop, self))
			return false;
	}
	if (crash_is_there() || !resume(loop, self) || !returned_take(loop, self))
		return false;
	if (loop->strategy->settle != NULL)
		loop->strategy->settle(loop);
	ending_note(loop);
	lists_expire(loop);
	paused_resume(loop);
	tick(loop);
	if (!self->leads)
		return false;
	if (loop->end_seen == LOOP_MOVES)
		handover_all(loop);
	if (!self->leads)
		return false;
	accept_balance(loop);
	handover_balance(loop);
	if (loop->is_emptying)
		accept_rest(loop);
	if (!self->leads)
		return false;
	if (loop->turned != NULL)
		loop->turned(loop->server);
	return !crew_yield(loop, self);
}

/* Leads until the loop has ended or is led by another thread. */
void
loop_lead(struct loop *loop, struct thread *self)
{
	loop_set_now(loop);
	/* Another thread's step has stalled: that may be news before a turn. */
	if (!self->is_main && loop->server->turned != NULL)
		loop->server->turned(loop->server);
	while (!ending_is_over(loop) || handover_take_last(loop)) {
		if (crash_is_there()) {
			crash_finish(loop);
			for (;;)	/* the process ends soon */
				(void)pause();
		}
		/* The last one taken may have taken the loop away. */
		if (!self->leads || (!loop_turn(loop, self, -1) &&
		    !(self->leads && crash_is_there())))
			return;
	}
	if (loop->written_off > 0 && loop->server->control != -1)
		server_abandon(loop->server);
}

void
loop_run(struct loop *loop)
{
	struct thread *self = thread_self;

	for (;;) {
		if (self->leads)
			loop_lead(loop, self);
		if (self->leads || !crew_wait(loop, self))
			break;
	}
	journal_flush(loop->requests);
	journal_flush(loop->errors);
}
