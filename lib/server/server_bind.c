/* SPDX-License-Identifier: ISC */
/*
 * The addresses of a server, and the listeners that are made of them.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "server.h"
#include "server_parts.h"

/* What its sockets are. */
static int
server_type(const struct tine_server *server)
{
	return server->protocol->receive != NULL ? SOCK_DGRAM : SOCK_STREAM;
}

int
server_check_bind(const struct tine_server *server, const char *text)
{
	const int type = endpoint_says(text);

	if (type == 0 || type == server_type(server))
		return 0;
	return failure_errno(EINVAL, "%s: %s", text, type == SOCK_DGRAM
	    ? "this server does not serve datagrams"
	    : "this server serves datagrams (examples: udp:localhost:5353, "
	    "unixgram:/run/tine.sock)");
}

static int
open_or_adopt(struct tine_server *server, struct listener *listener,
    const struct endpoint *endpoint)
{
	char asked[128];
	bool is_ours = false;
	int fd = -1;

	if (endpoint->inherited != -1)
		(void)snprintf(asked, sizeof(asked), "fd:%d",
		    endpoint->inherited);
	else
		endpoint_name(endpoint, asked, sizeof(asked));
	if (server->adopt != NULL)
		fd = server->adopt(asked, &is_ours);
	if (fd != -1 ? listener_adopt(listener, fd, is_ours) == -1
	    : listener_open(listener, endpoint, server->settings.backlog) ==
	    -1)
		return -1;
	(void)snprintf(listener->asked, sizeof(listener->asked), "%s", asked);
	listener->is_adopted = fd != -1;
	return 0;
}

/* A descriptor that was passed can be of either kind. */
static int
check_type(const struct tine_server *server, struct listener *listener)
{
	if (listener->endpoint.type == server_type(server))
		return 0;
	(void)failure_errno(ENOTSOCK, "descriptor %d is a socket %s",
	    listener->source.fd, server_type(server) == SOCK_DGRAM
	    ? "of connections, and this server serves datagrams"
	    : "of datagrams, which this server does not serve");
	return -1;
}

static int
add_listener(struct tine_server *server, const struct endpoint *endpoint)
{
	struct listener *listeners;

	listeners = reallocarray(server->listeners, server->listener_count + 1,
	    sizeof(*listeners));
	if (listeners == NULL)
		return failure("no memory for a listener");
	server->listeners = listeners;
	if (open_or_adopt(server, &listeners[server->listener_count],
	    endpoint) == -1 ||
	    check_type(server, &listeners[server->listener_count]) == -1)
		return -1;
	server->listener_count++;
	return 0;
}

int
server_adopt(struct tine_server *server, int fd, const char *asked,
    bool is_ours)
{
	struct listener *listeners, *listener;

	listeners = reallocarray(server->listeners, server->listener_count + 1,
	    sizeof(*listeners));
	if (listeners == NULL)
		return failure("no memory for a listener");
	server->listeners = listeners;
	listener = &listeners[server->listener_count];
	if (listener_adopt(listener, fd, is_ours) == -1)
		return -1;
	(void)snprintf(listener->asked, sizeof(listener->asked), "%s", asked);
	listener->is_adopted = true;
	server->listener_count++;
	return 0;
}

/* The machine does not have this address, or none of its family. */
static bool
is_absent(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/*
 * A name such as localhost may have several addresses.  With port 0 all of
 * them get the port that the first one got.  Those that the machine does not
 * have (::1 in many a container) are left out, if there is another.
 */
TINE_PUBLIC int
tine_server_bind(struct tine_server *server, const char *text)
{
	struct endpoint endpoints[8];
	const size_t before = server->listener_count;
	size_t count, absent = 0;

	if (server_check_bind(server, text) == -1 ||
	    endpoint_parse(text, endpoints, 8, &count) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		endpoints[i].type = server_type(server);
		if (server->listener_count > before)
			endpoint_copy_port(&endpoints[i],
			    &server->listeners[before].endpoint);
		if (add_listener(server, &endpoints[i]) == 0)
			continue;
		if (!is_absent(errno) || ++absent == count)
			goto fail;
	}
	return 0;

fail:
	while (server->listener_count > before) {
		struct listener *listener =
		    &server->listeners[--server->listener_count];

		/* One that was there before is still its owner's. */
		if (!listener->is_adopted)
			listener_close(listener, true);
	}
	return -1;
}

TINE_PUBLIC const char *
tine_server_address(struct tine_server *server, size_t n)
{
	return n < server->listener_count ? server->listeners[n].text : NULL;
}

TINE_PUBLIC int
tine_server_fileno(const struct tine_server *server)
{
	return server->listener_count > 0 ? server->listeners[0].source.fd
	    : -1;
}

/* For the protocol, which a module may change; else nothing is written. */
void
server_prepare_listeners(struct tine_server *server)
{
	const struct protocol *protocol = server->protocol;
	void (*ready)(struct loop *, struct source *, unsigned) =
	    protocol->receive != NULL ? packets_ready : accept_ready;

	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];

		if (listener->source.ready != ready)
			listener->source.ready = ready;
		listener_defer(listener, !protocol->speaks_first);
	}
}
