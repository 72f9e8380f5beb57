/* SPDX-License-Identifier: ISC */
/*
 * See plain.h.
 */
#include <stdio.h>

#include "plain.h"
#include "server.h"

/* There are no bodies. */
enum framing
plain_spool(struct exchange *exchange)
{
	(void)exchange;
	return FRAMING_END;
}

/* Nothing is half a request. */
void
plain_late(struct exchange *exchange)
{
	(void)exchange;
}

size_t
plain_used(const struct exchange *exchange)
{
	return exchange->input.end - exchange->input.start;
}

void
plain_done(struct exchange *exchange, enum outcome outcome)
{
	(void)outcome;
	exchange->input.start = exchange->input.end;
}

/* The bytes that have come are all that there is of it. */
size_t
plain_save(struct exchange *exchange, void *out, size_t size,
    size_t *input_length)
{
	(void)out;
	(void)size;
	*input_length = plain_used(exchange);
	return 0;
}

int
plain_restore(struct exchange *exchange, const void *from, size_t length)
{
	(void)exchange;
	(void)from;
	return length == 0 ? 0 : -1;
}

void
plain_failed(struct exchange *exchange, int status)
{
	(void)status;
	exchange->is_close = true;
	exchange->is_cut = true;
}

const char *
plain_lost(const struct exchange *exchange, int status, size_t *length)
{
	(void)exchange;
	(void)status;
	*length = 0;
	return "";
}

void
plain_log(struct tine_server *server, const char *address, unsigned port,
    enum tine_level level, const char *format, va_list ap)
{
	char text[1024];

	(void)vsnprintf(text, sizeof(text), format, ap);
	server_log(server, level, "%s (client %s, port %u)", text, address,
	    port);
}

void
plain_complain(struct tine_server *server, const char *address, unsigned port,
    const char *what)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s (client %s, port %u)", what,
	    address, port);
	if (server->hooks.handle_error != NULL)
		server->hooks.handle_error(server, NULL, text);
	else
		server_log(server, TINE_LOG_ERROR, "%s", text);
}
