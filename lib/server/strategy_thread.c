/* SPDX-License-Identifier: ISC */
/*
 * Mode thread: up to --max-threads handlers at once.
 *
 * A short handler runs in place, on the thread that leads, and costs no
 * hand-over.  If handlers have been long lately, the leader gives the loop
 * away before it starts one: the classic leader and followers, whose cost is
 * then small beside the handler's.
 */
#include <sys/socket.h>

#include "../base/clock.h"
#include "crash.h"
#include "loop.h"
#include "server.h"

#define LONG		50000	/* ns: worth a hand-over */
#define CLIPPED		1000000	/* ns: one very long handler is no trend */

static bool
has_thread(const struct loop *loop)
{
	return atomic_load_explicit(&loop->line->busy, memory_order_relaxed) <
	    (int)loop->settings->max_threads;
}

static void
note_duration(struct loop *loop, uint64_t duration)
{
	const int64_t average = (int64_t)atomic_load_explicit(&loop->average,
	    memory_order_relaxed);
	int64_t sample = (int64_t)duration;

	if (sample > CLIPPED)
		sample = CLIPPED;
	/* A sample lost to another thread does no harm. */
	atomic_store_explicit(&loop->average,
	    (uint64_t)(average + (sample - average) / 8),
	    memory_order_relaxed);
}

static void
handle(struct loop *loop, struct thread *self, struct connection *conn)
{
	const int busy = 1 + atomic_fetch_add_explicit(&loop->line->busy, 1,
	    memory_order_relaxed);
	const uint64_t begun = clock_ns();
	uint64_t duration;

	if (busy >= (int)loop->settings->max_threads)
		worker_line_state(loop->line, WORKER_FULL, loop_now(loop));
	if (self->leads && atomic_load_explicit(&loop->average,
	    memory_order_relaxed) > LONG &&
	    loop_settle(loop, conn, CONNECTION_IDLE) == 0)
		step_give(loop, self);
	else
		step_begin(loop, self);
	handler_run(loop, self, conn);
	duration = clock_ns() - begun;
	(void)step_end(loop, self);
	note_duration(loop, duration);
	atomic_fetch_sub_explicit(&loop->line->busy, 1, memory_order_relaxed);
	if (busy >= (int)loop->settings->max_threads && !loop_is_ending(loop))
		worker_line_state(loop->line, WORKER_BUSY, loop_now(loop));
	if (!self->leads && atomic_load(&loop->pending) > 0)
		loop_kick(loop);
}

static bool
start(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;

	/* In a process that dies what comes now is for another worker. */
	if (has_thread(loop) && !crash_is_there()) {
		handle(loop, self, conn);
		return true;
	}
	loop_pend(loop, conn);
	return false;
}

static bool
is_free(const struct loop *loop)
{
	return has_thread(loop) && !crash_is_there() &&
	    atomic_load(&loop->pending) == 0;
}

static void
resume(struct loop *loop)
{
	struct thread *self = thread_self;
	struct connection *conn;

	while (self->leads && has_thread(loop) && !crash_is_there() &&
	    (conn = loop_unpend(loop)) != NULL)
		drive(loop, conn);
}

/*
 * A handler that neither returns nor moves a byte: its client is told, and
 * the thread is written off.  The worker is replaced, since what the thread
 * holds is lost.
 */
static void
write_off(struct loop *loop, const struct handler_line *line,
    const struct exchange *exchange, bool is_quiet)
{
	struct connection *conn = exchange->conn;
	const unsigned timeout = loop->settings->timeout;
	char client[64] = "", request[256] = "";
	size_t length = 0;
	const char *text = loop->protocol->lost(exchange, 504, &length);

	(void)handler_line_read(line, client, request);
	conn->is_written_off = true;
	loop->written_off++;
	server_log(loop->server, TINE_LOG_ERROR, "a handler is stuck: client "
	    "%s, request \"%s\", for over %u.%03u s; its thread is "
	    "written off, and the worker is replaced", client, request,
	    timeout / 1000, timeout % 1000);
	if (is_quiet)
		(void)send(conn->fd, text, length,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(conn->fd, SHUT_RDWR);
	atomic_store(&loop->line->is_lame, 1);
}

static bool
is_overdue(const struct loop *loop, const struct handler_line *line)
{
	const uint64_t since = atomic_load_explicit(&line->since,
	    memory_order_relaxed);
	const uint64_t progress = atomic_load_explicit(&line->progress,
	    memory_order_relaxed);

	return since != 0 && loop_now(loop) >= loop->settings->timeout +
	    (progress > since ? progress : since);
}

static void
tick(struct loop *loop)
{
	if (loop->settings->timeout == 0 || loop->settings->workers == 0 ||
	    loop_now(loop) < loop->judge_after ||
	    atomic_load(&loop->line->busy) == 0)
		return;
	for (unsigned i = 0; i < loop->claim_count; i++) {
		const struct handler_line *line = scoreboard_handler(
		    loop->board, loop->index, i);
		struct claim *claim = &loop->claims[i];
		const unsigned word = claim_look(claim);

		if (claim_state(word) == CLAIM_NONE ||
		    !is_overdue(loop, line) || !claim_take(claim, word))
			continue;
		write_off(loop, line, claim->exchange,
		    claim_state(word) == CLAIM_QUIET);
		claim_told(claim);
	}
}

const struct strategy strategy_thread = {
	.name = "thread",
	.start = start,
	.is_free = is_free,
	.resume = resume,
	.tick = tick
};
