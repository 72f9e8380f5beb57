/* SPDX-License-Identifier: ISC */
/*
 * Datagrams for the serving loop: each is whole when it is there.  Its handler
 * has the packet, and writes what becomes one datagram when it has finished.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/public.h"
#include "../server/loop.h"
#include "../server/plain.h"
#include "../server/server.h"
#include "datagram.h"

static void
begin(struct exchange *exchange)
{
	struct datagram *datagram = datagram_of(exchange);
	const struct datagram_class *class = exchange->loop->server->handler;

	memset(datagram, 0, offsetof(struct datagram, sender));
	datagram->exchange = exchange;
	datagram->handler = &class->handler;
	datagram->sender_length = 0;
	datagram->from_family = 0;
}

static enum framing
frame(struct exchange *exchange)
{
	(void)exchange;
	return FRAMING_WHOLE;
}

/* ---------------------------------------------------------------- handling */

static void
build(struct datagram *datagram)
{
	struct tine_datagram *public = &datagram->public;
	const struct exchange *exchange = datagram->exchange;
	const struct input *input = &exchange->input;
	const struct peer *peer = &exchange->conn->peer;

	peer_format(peer, datagram->client, sizeof(datagram->client));
	input->data[input->end] = '\0';
	public->server = exchange->loop->server;
	public->client_address = datagram->client;
	public->client_port = peer_port(peer);
	public->packet = input->data + input->start;
	public->packet_length = input->end - input->start;
}

static void
handle(struct exchange *exchange)
{
	struct datagram *datagram = datagram_of(exchange);
	const struct tine_datagram_handler *handler = datagram->handler;
	struct tine_datagram *public = &datagram->public;

	build(datagram);
	exchange->is_close = true;
	if (handler->setup != NULL && handler->setup(public) == -1) {
		plain_complain(public->server, public->client_address,
		    public->client_port, "setup refused the datagram");
		return;
	}
	if (handler->handle != NULL)
		handler->handle(public);
	if (handler->finish != NULL)
		handler->finish(public);
}

static const char *
describe(const struct exchange *exchange, size_t *length)
{
	struct datagram *datagram = exchange->protocol;

	*length = (size_t)snprintf(datagram->text, sizeof(datagram->text),
	    "datagram of %zu bytes", plain_used(exchange));
	return datagram->text;
}

/* ------------------------------------------------------------- the reply */

TINE_PUBLIC ssize_t
tine_datagram_write(struct tine_datagram *public, const void *data,
    size_t length)
{
	struct datagram *datagram = (struct datagram *)public;
	struct output *output = &datagram->exchange->output;
	int kept;

	if (length > DATAGRAM_MOST - output->memory) {
		errno = EMSGSIZE;
		return -1;
	}
	kept = output_keep(output, data, length);
	if (kept != 1) {
		errno = ENOMEM;		/* --memory is taken */
		return -1;
	}
	datagram->has_reply = true;
	return (ssize_t)length;
}

TINE_PUBLIC ssize_t
tine_datagram_puts(struct tine_datagram *datagram, const char *text)
{
	return tine_datagram_write(datagram, text, strlen(text));
}

TINE_PUBLIC ssize_t
tine_datagram_vprintf(struct tine_datagram *datagram, const char *format,
    va_list ap)
{
	char *text;
	const int length = vasprintf(&text, format, ap);
	ssize_t written;

	if (length == -1)
		return -1;
	written = tine_datagram_write(datagram, text, (size_t)length);
	free(text);
	return written;
}

TINE_PUBLIC ssize_t
tine_datagram_printf(struct tine_datagram *datagram, const char *format, ...)
{
	va_list ap;
	ssize_t written;

	va_start(ap, format);
	written = tine_datagram_vprintf(datagram, format, ap);
	va_end(ap);
	return written;
}

TINE_PUBLIC void
tine_datagram_log(struct tine_datagram *datagram, enum tine_level level,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	plain_log(datagram->server, datagram->client_address,
	    datagram->client_port, level, format, ap);
	va_end(ap);
}

/* ------------------------------------------- a handler in another process */

static void
rehearse(struct exchange *exchange)
{
	build(datagram_of(exchange));
}

/* No bool: a child whose handler writes wild can send any byte. */
static size_t
save_outcome(struct exchange *exchange, void *out, size_t size)
{
	const unsigned char has_reply = datagram_of(exchange)->has_reply;

	if (size == 0)
		return 0;
	memcpy(out, &has_reply, sizeof(has_reply));
	return sizeof(has_reply);
}

static void
restore_outcome(struct exchange *exchange, const void *from, size_t length)
{
	unsigned char has_reply = 0;

	if (length == sizeof(has_reply))
		memcpy(&has_reply, from, sizeof(has_reply));
	datagram_of(exchange)->has_reply = has_reply != 0;
	exchange->is_close = true;
}

/* ----------------------------------------------------- in another worker */

/* It is taken from its socket only where there is room for its handler. */
static int
pack(struct exchange *exchange, void *out, size_t size, size_t *length)
{
	(void)exchange;
	(void)out;
	(void)size;
	(void)length;
	errno = EINVAL;
	return -1;
}

static int
unpack(struct exchange *exchange, const void *from, size_t length)
{
	(void)exchange;
	(void)from;
	(void)length;
	return -1;
}

const struct protocol protocol_datagram = {
	.name = "datagram",
	.exchange_size = sizeof(struct datagram),
	.receive = datagram_receive,
	.send = datagram_send,
	.begin = begin,
	.frame = frame,
	.spool = plain_spool,
	.handle = handle,
	.late = plain_late,
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
