/* SPDX-License-Identifier: ISC */
/*
 * UDPServer: a server for a handler class.
 */
#ifndef DATAGRAM_DATAGRAM_SERVER_H
#define DATAGRAM_DATAGRAM_SERVER_H

#include <stddef.h>

struct tine_server;
struct tine_datagram_handler;

/*
 * Has server serve datagrams by handler, whose struct and hooks have those
 * sizes.  Returns 0, or -1 with the text of tine_error().
 */
int	datagram_server_set(struct tine_server *server,
	    const struct tine_datagram_handler *handler, size_t size,
	    size_t hooks_size);

#endif
