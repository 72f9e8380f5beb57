/* SPDX-License-Identifier: ISC */
/*
 * Mode single: one handler at a time, always on the main thread.  While it
 * runs, another thread may lead the loop; the requests that become whole then
 * go to free workers, or wait in order.
 */
#include "crash.h"
#include "handover.h"
#include "loop.h"

static void
handle(struct loop *loop, struct thread *self, struct connection *conn)
{
	worker_line_state(loop->line, WORKER_FULL, loop_now(loop));
	atomic_store_explicit(&loop->line->busy, 1, memory_order_relaxed);
	step_begin(loop, self);
	handler_run(loop, self, conn);
	(void)step_end(loop, self);
	atomic_store_explicit(&loop->line->busy, 0, memory_order_relaxed);
	if (!loop_is_ending(loop))
		worker_line_state(loop->line, WORKER_IDLE, loop_now(loop));
}

/*
 * The handler of this worker takes long: what comes meanwhile goes to a
 * worker that has nothing to do, if there is one.
 */
static bool
relieve(struct loop *loop, struct connection *conn)
{
	return conn->hops < HANDOVER_HOPS && handover_is_wanted(loop) &&
	    handover_send(loop, conn);
}

static bool
start(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;

	/* In a process that dies what comes now is for another worker. */
	if (self->is_main && !crash_is_there()) {
		handle(loop, self, conn);
		return true;
	}
	conn->state = CONNECTION_PENDING;
	if (self->leads && relieve(loop, conn))
		return false;
	loop_pend(loop, conn);
	return false;
}

static void
relieve_pending(struct loop *loop)
{
	struct connection *conn;

	while ((conn = loop_unpend(loop)) != NULL) {
		if (relieve(loop, conn))
			continue;
		loop_pend_first(loop, conn);
		break;
	}
}

static bool
is_free(const struct loop *loop)
{
	return thread_self->is_main && !crash_is_there() &&
	    atomic_load(&loop->pending) == 0;
}

static void
resume(struct loop *loop)
{
	struct thread *self = thread_self;
	struct connection *conn;

	if (self->leads && !self->is_main)
		relieve_pending(loop);
	while (self->is_main && self->leads && !crash_is_there() &&
	    (conn = loop_unpend(loop)) != NULL)
		drive(loop, conn);
}

const struct strategy strategy_single = {
	.name = "single",
	.start = start,
	.is_free = is_free,
	.resume = resume
};
