/* SPDX-License-Identifier: ISC */
/*
 * What a client sends, until its request is whole.
 */
#include <sys/socket.h>

#include <errno.h>

#include "../base/bare.h"
#include "../base/cold.h"
#include "drive_parts.h"

enum next
drive_run(struct loop *loop, struct connection *conn)
{
	drive_enter(loop, conn, CONNECTION_HANDLING);
	if (!loop->strategy->start(loop, conn))
		return NEXT_LEFT;
	drive_enter(loop, conn, CONNECTION_DRAINING);
	return drive_send(loop, conn);
}

static COLD enum framing
spool(struct loop *loop, struct exchange *exchange)
{
	struct thread *self = thread_self;
	enum framing framing;

	step_begin(loop, self);
	framing = loop->protocol->spool(exchange);
	(void)step_end(loop, self);
	return framing;
}

/*
 * An interim reply is short, and nothing is before it in the socket.  It is no
 * part of the reply: that may still be any, an error too.
 */
static COLD bool
send_interim(struct connection *conn)
{
	struct output *output = &conn->exchange->output;

	if (output_is_empty(output))
		return true;
	if (output_send(output, conn->fd) != SENT_ALL)
		return false;
	output->sent = 0;
	return true;
}

/* It is answered without its handler. */
static APART enum next
reply_instead(struct loop *loop, struct connection *conn)
{
	drive_enter(loop, conn, CONNECTION_DRAINING);
	return drive_send(loop, conn);
}

enum next
drive_frame(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;
	enum framing framing = loop->protocol->frame(exchange);

	while (framing == FRAMING_SPOOL)
		framing = spool(loop, exchange);
	switch (framing) {
	case FRAMING_HEAD:
		if (exchange->input.end > exchange->input.start)
			drive_enter(loop, conn, CONNECTION_HEAD);
		return NEXT_GO;
	case FRAMING_BODY:
	case FRAMING_SPOOL:
		drive_enter(loop, conn, CONNECTION_BODY);
		if (!send_interim(conn))
			return drive_over(loop, conn);
		return NEXT_GO;
	case FRAMING_WHOLE:
		return drive_run(loop, conn);
	case FRAMING_REPLY:
		return reply_instead(loop, conn);
	case FRAMING_END:
		break;
	}
	return drive_over(loop, conn);
}

/* Behind the header of a proxy its client is as any other. */
static COLD enum next
frame_proxy(struct loop *loop, struct connection *conn)
{
	const struct input *input = &conn->exchange->input;

	switch (proxied_read(loop, conn)) {
	case PROXIED_MORE:
		return NEXT_GO;
	case PROXIED_BAD:
		return drive_over(loop, conn);
	case PROXIED_DONE:
		break;
	}
	if (!accept_admit(loop, conn))
		return NEXT_LEFT;
	drive_enter(loop, conn, CONNECTION_IDLE);
	if (input->start < input->end || loop->protocol->speaks_first)
		return drive_frame(loop, conn);
	loop_exchange_end(loop, conn);
	return NEXT_GO;
}

/* The client will send no more: what it began is no request. */
static COLD enum next
half_closed(struct loop *loop, struct connection *conn)
{
	/* Without a byte it is a look at whether the port is open. */
	if (conn->state == CONNECTION_PROXY && conn->exchange->input.end > 0)
		proxied_complain(loop, conn, "is cut off");
	conn->is_eof = true;
	return drive_over(loop, conn);
}

static enum next
nothing_there(struct loop *loop, struct connection *conn)
{
	if (conn->state == CONNECTION_IDLE ||
	    (conn->state == CONNECTION_PROXY &&
	    conn->exchange->input.end == 0))
		loop_exchange_end(loop, conn);
	return NEXT_WAIT;
}

/* Whether reading has to wait for memory that other clients have. */
static bool
has_to_pause(const struct loop *loop, const struct exchange *exchange)
{
	if (!memory_is_short(&loop->memory))
		return false;
	return exchange == NULL || !input_has_room(&exchange->input,
	    exchange->input.wanted > 0 ? exchange->input.wanted : 1);
}

WHOLE enum next
drive_receive(struct loop *loop, struct connection *conn)
{
	unsigned ready = atomic_load_explicit(&conn->ready,
	    memory_order_relaxed);
	struct exchange *exchange = conn->exchange;
	struct input *input;
	size_t room;
	ssize_t n;

	if ((ready & (POLLER_READ | POLLER_HANGUP)) == 0)
		return NEXT_WAIT;
	if (has_to_pause(loop, exchange)) {
		loop_pause(loop, conn);
		return NEXT_LEFT;
	}
	if (exchange == NULL && (exchange = loop_exchange(loop, conn)) == NULL)
		return drive_over(loop, conn);
	input = &exchange->input;
	room = input->wanted > 0 ? input->wanted : 1;
	if (!input_is_ready(input, room) && input_reserve(input, room) == -1)
		return drive_over(loop, conn);
	room = input->size - input->end;
	/* Cleared before the call: what comes after it sets it again. */
	connection_clear(conn, POLLER_READ, thread_self->leads);
	do
		n = bare_recv(conn->fd, input->data + input->end, room, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return nothing_there(loop, conn);
	if (n == -1)
		return drive_over(loop, conn);
	if (n == 0)
		return half_closed(loop, conn);
	input->end += (size_t)n;
	conn->bytes += (uint64_t)n;
	conn->since = loop_now(loop);
	if ((size_t)n == room)		/* else the socket is empty */
		atomic_fetch_or(&conn->ready, POLLER_READ);
	if (conn->state == CONNECTION_PROXY)
		return frame_proxy(loop, conn);
	return drive_frame(loop, conn);
}
