/* SPDX-License-Identifier: ISC */
/*
 * Connections that come from a proxy, until it has said whose they are: see
 * proxy.h for the header, --proxy-from for who is believed.
 */
#include <stdio.h>

#include "loop.h"
#include "proxy.h"
#include "server.h"

#define QUIET	1000	/* ms between two lines about broken headers */

/*
 * A proxy that sends no header sends none for thousands of connections: one
 * line a second is enough.
 */
void
proxied_complain(struct loop *loop, const struct connection *conn,
    const char *why)
{
	const uint64_t now = loop_now(loop);
	char proxy[64], others[64] = "";

	if (loop->complained != 0 && now - loop->complained < QUIET) {
		loop->complaints++;
		return;
	}
	if (loop->complaints > 0)
		(void)snprintf(others, sizeof(others), ", as are %u others",
		    loop->complaints);
	peer_format(&conn->peer, proxy, sizeof(proxy));
	server_log(loop->server, TINE_LOG_WARNING, "the PROXY header of %s, "
	    "port %u, %s: its connection is closed%s (see --proxy-from)",
	    proxy, peer_port(&conn->peer), why, others);
	loop->complained = now;
	loop->complaints = 0;
}

enum proxied
proxied_read(struct loop *loop, struct connection *conn)
{
	struct input *input = &conn->exchange->input;
	struct proxy_header header;

	switch (proxy_parse(&header, input->data + input->start,
	    input->end - input->start)) {
	case PROXY_MORE:
		return PROXIED_MORE;
	case PROXY_BAD:
		proxied_complain(loop, conn, header.why);
		return PROXIED_BAD;
	case PROXY_DONE:
		break;
	}
	input->start += header.length;
	if (header.address.any.sa_family != AF_UNSPEC)
		peer_set(&conn->peer, &header.address.any, conn->fd);
	return PROXIED_DONE;
}
