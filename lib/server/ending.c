/* SPDX-License-Identifier: ISC */
/*
 * How a loop ends: what is in hand may end in its time, and the connections
 * that wait are told, moved or closed.
 */
#include <limits.h>

#include "handover.h"
#include "loop.h"
#include "loop_parts.h"
#include "server.h"

#define LAST_TURNS	32	/* of accepting, in a worker that leaves */

void
loop_end(struct loop *loop, enum loop_end how)
{
	int before = atomic_load(&loop->end_wanted);

	while (before < (int)how && !atomic_compare_exchange_weak(
	    &loop->end_wanted, &before, (int)how))
		;
	loop_kick(loop);
}

/* Has each connection of a list looked at, as if its time had come. */
static void
end_list(struct loop *loop, enum connection_state list)
{
	struct connection_list *idle = &loop->lists[list];
	struct connection *conn, *last = TAILQ_LAST(idle, connection_list);

	while ((conn = TAILQ_FIRST(idle)) != NULL) {
		const bool is_taken = connection_take(conn, 0);

		TAILQ_REMOVE(idle, conn, entry);
		TAILQ_INSERT_TAIL(idle, conn, entry);
		conn->placed = loop_now(loop);
		if (is_taken)
			drive_expired(loop, conn);
		if (conn == last || !thread_self->leads)
			break;
	}
}

/* Their patience has changed, and begins now. */
static void
place_anew(struct loop *loop, enum connection_state list)
{
	struct connection *conn;

	TAILQ_FOREACH(conn, &loop->lists[list], entry)
		conn->placed = loop_now(loop);
}

int
ending_grace(const struct loop *loop)
{
	const unsigned grace = loop->settings->graceful_timeout;
	const uint64_t past = loop_now(loop) - loop->end_since;

	if (loop->end_seen == LOOP_RUNS || loop->end_seen == LOOP_QUITS ||
	    grace == 0)
		return -1;
	return past < grace ? (int)(grace - past) : 0;
}

/* What is in hand when the time is over.  A master says it itself. */
static void
log_cut(const struct loop *loop)
{
	char client[64], request[256];

	for (unsigned i = 0; i < loop->board->handlers; i++) {
		const uint64_t since = handler_line_read(scoreboard_handler(
		    loop->board, loop->index, i), client, request);

		if (since != 0)
			server_log(loop->server, TINE_LOG_WARNING, "cut off: "
			    "client %s, request \"%s\", for %llu ms", client,
			    request, (unsigned long long)(loop_now(loop) -
			    since));
	}
}

void
ending_note(struct loop *loop)
{
	enum loop_end wanted = (enum loop_end)atomic_load(&loop->end_wanted);

	if (wanted == LOOP_RUNS)
		return;
	if (ending_grace(loop) == 0) {
		wanted = LOOP_QUITS;
		if (loop->server->control == -1)
			log_cut(loop);
	}
	if (wanted == loop->end_seen)
		return;
	if (loop->end_seen == LOOP_RUNS)
		worker_line_state(loop->line, WORKER_LEAVING,
		    loop_now(loop));
	loop->end_since = loop_now(loop);
	/*
	 * The wake-up for a client may have come to this worker alone, so one
	 * that leaves others behind takes some, too.
	 */
	accept_end(loop, wanted == LOOP_DRAINS ? UINT_MAX
	    : wanted == LOOP_MOVES ? LAST_TURNS : 0);
	loop->end_seen = wanted;
	loop->due = 0;			/* patience is another one now */
	if (wanted == LOOP_MOVES)
		return;
	atomic_store(&loop->line->is_closing, 1);
	place_anew(loop, CONNECTION_LINGERING);
	if (wanted >= LOOP_SHUTS) {
		end_list(loop, CONNECTION_PROXY);
		end_list(loop, CONNECTION_IDLE);
	} else {
		place_anew(loop, CONNECTION_PROXY);
		place_anew(loop, CONNECTION_IDLE);
	}
}

bool
ending_is_over(const struct loop *loop)
{
	if (loop->accept_limit == 0 && loop->table.count == 0)
		return true;
	if (loop->accept_until != 0 && loop->accept_limit > 0 &&
	    loop_now(loop) >= loop->accept_until)
		return true;
	return loop->end_seen != LOOP_RUNS &&
	    ((loop->table.count == loop->written_off && !loop->is_emptying) ||
	    loop->end_seen == LOOP_QUITS);
}
