/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: what a child of mode fork says to its worker of the reply to a
 * datagram; the input is as crew.h has it.  One datagram goes out at most, and
 * of what is a reply the whole.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/server/listener.h"
#include "../../lib/server/record.h"
#include "crew.h"
#include "serving.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *serving;
static struct listener listener;
static int sender;

/* A datagram socket with an address of the kernel's choice. */
static int
make_socket(struct sockaddr_un *address, socklen_t *length)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*length = sizeof(*address);
	if (fd == -1 || bind(fd, (struct sockaddr *)address,
	    sizeof(sa_family_t)) == -1 ||
	    getsockname(fd, (struct sockaddr *)address, length) == -1)
		abort();
	return fd;
}

static void
open_all(void)
{
	static const struct tine_datagram_handler handler = { .setup = NULL };
	struct sockaddr_un address;
	socklen_t length;

	serving = serving_open(tine_datagram_server(&handler),
	    &strategy_single);
	sender = make_socket(&address, &length);
	listener.source.fd = make_socket(&address, &length);
	if (connect(sender, (struct sockaddr *)&address, length) == -1)
		abort();
	serving->listeners = &listener;
	serving->listener_count = 1;
}

static struct connection *
receive(void)
{
	struct connection *conn = connection_new(&serving->table, -1);
	struct exchange *exchange = conn == NULL ? NULL
	    : loop_exchange(serving, conn);

	if (exchange == NULL || send(sender, "hello", 5, 0) != 5 ||
	    serving->protocol->receive(exchange, listener.source.fd) != 1 ||
	    serving->protocol->frame(exchange) != FRAMING_WHOLE)
		abort();
	conn->state = CONNECTION_HANDLING;
	return conn;
}

/* How long the reply is, or -1. */
static ssize_t
take_reply(void)
{
	static char text[256 * 1024];
	const ssize_t n = recv(sender, text, sizeof(text), 0);

	if (n != -1 && recv(sender, text, sizeof(text), 0) != -1)
		abort();
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before;

	if (serving == NULL)
		open_all();
	before = serving_descriptors();
	crew_say(serving, receive(), data, size);
	if (take_reply() > (ssize_t)size || serving_descriptors() != before)
		abort();
	return 0;
}
