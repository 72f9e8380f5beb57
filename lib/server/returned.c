/* SPDX-License-Identifier: ISC */
/*
 * Connections that were given back to the leader: by threads that do not lead,
 * because others shall have a turn first, or for want of memory.
 */
#include "../base/cold.h"
#include "crash.h"
#include "loop.h"
#include "loop_parts.h"

static APART void
push(_Atomic(struct connection *) *list, struct connection *conn)
{
	struct connection *first = atomic_load(list);

	do
		conn->returned = first;
	while (!atomic_compare_exchange_weak(list, &first, conn));
}

void
loop_return(struct loop *loop, struct connection *conn)
{
	push(&loop->returned, conn);
}

void
loop_pause(struct loop *loop, struct connection *conn)
{
	push(&loop->paused, conn);
}

static struct connection *
take_first(struct connection **list)
{
	struct connection *conn = *list;

	if (conn != NULL)
		*list = conn->returned;
	return conn;
}

/*
 * The list is the loop's: if a handler takes the loop away the next leader
 * goes on with it, and if one crashes the others are not lost with it.
 */
bool
returned_take(struct loop *loop, struct thread *self)
{
	struct connection *conn, *next;

	if (!returned_are_there(loop))
		return true;
	if (loop->returning == NULL) {
		conn = atomic_exchange(&loop->returned, NULL);
		for (; conn != NULL; conn = next) {
			next = conn->returned;	/* the last came first */
			conn->returned = loop->returning;
			loop->returning = conn;
		}
	}
	while (self->leads && !crash_is_there() &&
	    (conn = take_first(&loop->returning)) != NULL) {
		if (conn->state == CONNECTION_ENDING)
			loop_forget(loop, conn);
		else
			drive(loop, conn);
	}
	return self->leads;
}

/*
 * What was not read for want of memory is tried again, or is too late by now:
 * nobody else looks at it.
 */
void
paused_resume(struct loop *loop)
{
	struct connection *conn;

	if (!paused_are_there(loop) || (memory_is_short(&loop->memory) &&
	    loop_now(loop) - loop->resumed < PAUSED_LOOK))
		return;
	loop->resumed = loop_now(loop);
	if (loop->resuming == NULL)
		loop->resuming = atomic_exchange(&loop->paused, NULL);
	while (thread_self->leads && !crash_is_there() &&
	    (conn = take_first(&loop->resuming)) != NULL)
		drive_expired(loop, conn);
}
