/* SPDX-License-Identifier: ISC */
/*
 * What a client is sent, and what follows when it has all of it.
 */
#include <errno.h>

#include "../base/cold.h"
#include "drive_parts.h"

/* The next request, or a part of it, has come with the last one. */
static APART enum next
next_is_there(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;

	exchange_reset(exchange);
	input_compact(&exchange->input);
	loop->protocol->begin(exchange);
	drive_enter(loop, conn, CONNECTION_IDLE);
	if (conn->requests % TURN == 0) {
		loop_return(loop, conn);
		if (!thread_self->leads)
			loop_kick(loop);
		return NEXT_LEFT;
	}
	return drive_frame(loop, conn);
}

static enum next
next_request(struct loop *loop, struct connection *conn)
{
	const struct input *input = &conn->exchange->input;

	if (input->start < input->end)
		return next_is_there(loop, conn);
	loop_exchange_end(loop, conn);
	drive_enter(loop, conn, CONNECTION_IDLE);
	return NEXT_WAIT;
}

static bool
has_input(const struct connection *conn)
{
	const struct input *input = &conn->exchange->input;

	return input->start < input->end || (atomic_load_explicit(
	    &conn->ready, memory_order_relaxed) & POLLER_READ) != 0;
}

static enum next
sent_all(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;

	if (exchange->is_cut)
		return drive_over(loop, conn);
	drive_disarm(conn);
	conn->requests++;
	conn->hops = 0;
	loop->protocol->done(exchange, OUTCOME_SENT);
	exchange->is_done = true;
	if (!exchange->is_close && !loop_is_shut(loop))
		return next_request(loop, conn);
	if ((exchange->is_unread || has_input(conn)) && !conn->is_eof)
		return drive_linger(loop, conn);
	return drive_over(loop, conn);
}

static enum sent
send_some(struct loop *loop, struct connection *conn)
{
	struct output *output = &conn->exchange->output;
	struct thread *self = thread_self;
	enum sent sent;

	if (loop->protocol->send != NULL)
		return packets_send(loop, conn);
	if (!output_has_file(output))
		return output_send(output, conn->fd);
	step_begin(loop, self);		/* the file may not be in memory */
	sent = output_send(output, conn->fd);
	(void)step_end(loop, self);
	return sent;
}

/* The bit is cleared before the socket is tried: no edge can get lost. */
static APART enum sent
send_again(struct loop *loop, struct connection *conn)
{
	connection_clear(conn, POLLER_WRITE, thread_self->leads);
	return send_some(loop, conn);
}

enum next
drive_send(struct loop *loop, struct connection *conn)
{
	const uint64_t before = conn->exchange->output.sent;
	enum sent sent = send_some(loop, conn);

	if (sent == SENT_PART)
		sent = send_again(loop, conn);
	if (conn->exchange->output.sent != before)
		conn->since = loop_now(loop);
	switch (sent) {
	case SENT_ALL:
		return sent_all(loop, conn);
	case SENT_PART:
		connection_note_untaken(conn);
		if (conn->exchange->ends_by_close)
			drive_arm(conn);
		return NEXT_WAIT;
	case SENT_FAILED:
		break;
	}
	conn->exchange->is_broken = errno == ENODATA &&
	    conn->exchange->ends_by_close;
	return drive_over(loop, conn);
}
