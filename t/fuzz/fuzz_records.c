/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: what a child of mode fork and its forker say to their worker; the
 * input is as crew.h has it.
 */
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "serving.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
static struct loop *serving;

/* A connection whose request is whole. */
static struct connection *
make_connection(int fd)
{
	struct connection *conn = connection_new(&serving->table, fd);
	struct exchange *exchange = conn == NULL ? NULL
	    : loop_exchange(serving, conn);

	if (exchange == NULL)
		abort();
	memcpy(exchange->input.data, request, sizeof(request) - 1);
	exchange->input.end = sizeof(request) - 1;
	if (serving->protocol->frame(exchange) != FRAMING_WHOLE)
		abort();
	conn->state = CONNECTION_HANDLING;
	return conn;
}

static void
take_reply(int client)
{
	char waste[4096];

	while (recv(client, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tine_http_handler handler = { .do_GET = NULL };
	int client[2], before;

	if (serving == NULL)
		serving = serving_open(tine_http_server(&handler),
		    &strategy_single);
	before = serving_descriptors();
	crew_pair(SOCK_STREAM, client);
	crew_say(serving, make_connection(client[0]), data, size);
	take_reply(client[1]);
	(void)close(client[1]);
	if (serving_descriptors() != before)
		abort();
	return 0;
}
