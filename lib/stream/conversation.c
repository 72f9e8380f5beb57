/* SPDX-License-Identifier: ISC */
/*
 * Streams for the serving loop: when a conversation begins, its handler, and
 * how it ends.  What is said in it only the handler knows.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string.h>

#include "../server/loop.h"
#include "../server/plain.h"
#include "../server/server.h"
#include "stream.h"

static void
begin(struct exchange *exchange)
{
	struct stream *stream = stream_of(exchange);
	const struct stream_class *class = exchange->loop->server->handler;

	memset(stream, 0, sizeof(*stream));
	stream->exchange = exchange;
	stream->handler = &class->handler;
}

static enum framing
frame(struct exchange *exchange)
{
	const struct input *input = &exchange->input;

	return stream_of(exchange)->handler->speaks_first ||
	    input->start < input->end ? FRAMING_WHOLE : FRAMING_HEAD;
}

/* There is no word for it that every protocol has. */
static const char *
full(const struct loop *loop, size_t *length)
{
	(void)loop;
	*length = 0;
	return NULL;
}

/* ---------------------------------------------------------------- handling */

static void
build(struct stream *stream)
{
	struct tine_stream *public = &stream->public;
	const struct peer *peer = &stream->exchange->conn->peer;

	peer_format(peer, stream->client, sizeof(stream->client));
	public->server = stream->exchange->loop->server;
	public->client_address = stream->client;
	public->client_port = peer_port(peer);
}

/* Listeners have TCP_NODELAY, and one that was passed may have it or not. */
static void
set_delay(const struct stream *stream)
{
	const struct connection *conn = stream->exchange->conn;
	const int on = stream->handler->disable_nagle_algorithm;

	if (conn->peer.family != AF_UNIX)
		(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
}

static void
converse(struct stream *stream)
{
	const struct tine_stream_handler *handler = stream->handler;
	struct tine_stream *public = &stream->public;

	if (handler->setup != NULL && handler->setup(public) == -1) {
		plain_complain(public->server, public->client_address,
		    public->client_port, "setup refused the connection");
		return;
	}
	if (handler->handle != NULL)
		handler->handle(public);
	if (handler->finish != NULL)
		handler->finish(public);
}

/*
 * All that was written has been sent, or never will be: then the connection
 * is reset, as for a handler that is lost in the middle of it.
 */
static void
handle(struct exchange *exchange)
{
	struct stream *stream = stream_of(exchange);

	build(stream);
	set_delay(stream);
	exchange->ends_by_close = true;
	converse(stream);
	stream_close_files(stream);
	exchange->is_close = true;
	exchange->is_cut = stream->error != 0;
	exchange->is_unread = !stream->is_eof;
	exchange->conn->is_eof = stream->is_eof;
}

static const char *
describe(const struct exchange *exchange, size_t *length)
{
	static const char text[] = "conversation";

	(void)exchange;
	*length = sizeof(text) - 1;
	return text;
}

/* ------------------------------------------- a handler in another process */

static void
rehearse(struct exchange *exchange)
{
	build(stream_of(exchange));
}

/* No bool: a child whose handler writes wild can send any byte. */
struct outcome_saved {
	unsigned char	is_cut, is_eof;
};

static size_t
save_outcome(struct exchange *exchange, void *out, size_t size)
{
	const struct outcome_saved saved = {
		.is_cut = exchange->is_cut, .is_eof = !exchange->is_unread
	};

	if (sizeof(saved) > size)
		return 0;
	memcpy(out, &saved, sizeof(saved));
	return sizeof(saved);
}

static void
restore_outcome(struct exchange *exchange, const void *from, size_t length)
{
	struct outcome_saved saved = { .is_cut = 1 };

	if (length == sizeof(saved))
		memcpy(&saved, from, sizeof(saved));
	exchange->is_close = true;
	exchange->is_cut = saved.is_cut != 0;
	exchange->is_unread = saved.is_eof == 0;
	exchange->conn->is_eof = saved.is_eof != 0;
}

/* ----------------------------------------------------- in another worker */

/* The bytes that have come are all that there is of it. */
static int
pack(struct exchange *exchange, void *out, size_t size, size_t *length)
{
	(void)exchange;
	(void)out;
	(void)size;
	*length = 0;
	return 0;
}

static int
unpack(struct exchange *exchange, const void *from, size_t length)
{
	return plain_restore(exchange, from, length);
}

const struct protocol protocol_stream = {
	.name = "stream",
	.exchange_size = sizeof(struct stream),
	.is_conversation = true,
	.begin = begin,
	.frame = frame,
	.spool = plain_spool,
	.handle = handle,
	.late = plain_late,
	.full = full,
	.done = plain_done,
	.used = plain_used,
	.save = plain_save,
	.restore = plain_restore,
	.rehearse = rehearse,
	.save_outcome = save_outcome,
	.restore_outcome = restore_outcome,
	.pack = pack,
	.unpack = unpack,
	.failed = plain_failed,
	.lost = plain_lost,
	.describe = describe
};
