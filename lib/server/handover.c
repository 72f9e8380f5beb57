/* SPDX-License-Identifier: ISC */
/*
 * See handover.h.  Here is decided who gives and who takes, and when; what
 * goes over is made in handover_pack.c and read in handover_unpack.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "../base/failure.h"
#include "handover.h"
#include "handover_message.h"
#include "loop.h"

#define QUEUE		(4 * 1024 * 1024)	/* bytes */

int
handover_pair(int pair[2])
{
	const int size = QUEUE;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) == -1)
		return failure("no pair of sockets for hand-over: %s",
		    strerror(errno));
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof(size)) == -1)
		(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	return 0;
}

/* ------------------------------------------------------------------ giving */

bool
handover_send(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;

	if (handover_rescue(loop, conn) == -1)
		return false;
	if (exchange != NULL && conn->state == CONNECTION_DRAINING) {
		/* The log's line is ours: the other knows no request. */
		loop->protocol->done(exchange, OUTCOME_SENT);
		exchange->is_done = true;
	}
	/* The socket lives on elsewhere, so closing it would not do. */
	loop_unpoll(loop, conn);
	loop_forget(loop, conn);
	return true;
}

bool
handover_is_wanted(const struct loop *loop)
{
	const struct scoreboard *board = loop->board;

	if (loop->handover.out == -1)
		return false;
	for (unsigned i = 0; i < board->workers; i++) {
		if (i != loop->index && atomic_load_explicit(
		    &board->lines[i].state, memory_order_relaxed) ==
		    WORKER_IDLE)
			return true;
	}
	return false;
}

void
handover_all(struct loop *loop)
{
	static const enum connection_state movable[] = {
		CONNECTION_PENDING, CONNECTION_PROXY, CONNECTION_IDLE,
		CONNECTION_HEAD,
		CONNECTION_BODY, CONNECTION_DRAINING, CONNECTION_LINGERING
	};

	for (size_t i = 0; i < sizeof(movable) / sizeof(movable[0]); i++) {
		struct connection_list *list = &loop->lists[movable[i]];
		struct connection *conn, *next;

		for (conn = TAILQ_FIRST(list); conn != NULL; conn = next) {
			next = TAILQ_NEXT(conn, entry);
			if (movable[i] == CONNECTION_PENDING)
				loop_unpend(loop);
			else if (!connection_take(conn, 0))
				continue;
			if (handover_send(loop, conn))
				continue;
			/* Later, then: the queue is full. */
			if (movable[i] == CONNECTION_PENDING) {
				loop_pend_first(loop, conn);
				break;
			}
			drive(loop, conn);
			if (!thread_self->leads || errno == EAGAIN)
				return;
		}
	}
}

/* ------------------------------------------------------------------ taking */

static bool
is_taking(const struct loop *loop)
{
	const struct thread *self = thread_self;

	if (loop->end_seen == LOOP_MOVES || loop->end_seen >= LOOP_SHUTS ||
	    loop->table.count >= loop->table.size)
		return false;
	if (loop->settings->mode == MODE_SINGLE)
		return self->is_main;	/* no handler runs */
	return loop->settings->mode == MODE_FORK || atomic_load_explicit(
	    &loop->line->busy, memory_order_relaxed) <
	    (int)loop->settings->max_threads;
}

/* False when there was none, or it is for others. */
static bool
take(struct loop *loop)
{
	return loop->handover.source.fd != -1 && is_taking(loop) &&
	    handover_unpack(loop);
}

static void
arrived(struct loop *loop, struct source *source, unsigned events)
{
	(void)source;
	(void)events;
	(void)take(loop);
}

bool
handover_take_last(struct loop *loop)
{
	return loop->end_seen == LOOP_DRAINS && thread_self->leads &&
	    take(loop);
}

void
handover_balance(struct loop *loop)
{
	struct handover *handover = &loop->handover;
	const bool on = handover->source.fd != -1 && is_taking(loop);

	if (on == handover->is_watched)
		return;
	handover->is_watched = on;
	/*
	 * All are woken: if only one were, and could not take it after all,
	 * the message would lie there.
	 */
	if (on)
		(void)loop_watch(loop, &handover->source);
	else
		loop_unwatch(loop, &handover->source);
}

void
handover_open(struct loop *loop, const int pair[2])
{
	loop->handover.out = pair[0];
	loop->handover.source.fd = pair[1];
	loop->handover.source.ready = arrived;
}
