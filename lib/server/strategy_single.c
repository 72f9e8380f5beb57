/* SPDX-License-Identifier: ISC */
/*
 * Mode single: one handler at a time, always on the main thread.  While it
 * runs, another thread may lead the loop; the requests that become whole then
 * wait in order.
 */
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

static bool
start(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;

	if (self->is_main) {
		handle(loop, self, conn);
		return true;
	}
	loop_pend(loop, conn);
	return false;
}

static void
resume(struct loop *loop)
{
	struct thread *self = thread_self;
	struct connection *conn;

	while (self->is_main && self->leads &&
	    (conn = loop_unpend(loop)) != NULL)
		drive(loop, conn);
}

const struct strategy strategy_single = {
	.name = "single",
	.start = start,
	.resume = resume
};
