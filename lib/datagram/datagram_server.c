/* SPDX-License-Identifier: ISC */
/*
 * See datagram_server.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../server/server.h"
#include "datagram.h"
#include "datagram_server.h"

#define PACKET		((size_t)8192)		/* Python's max_packet_size */
#define PACKET_MOST	((size_t)1024 * 1024)

/* What an older program's struct does not have is zero. */
static struct datagram_class *
class_make(const struct tine_datagram_handler *handler, size_t size)
{
	struct tine_datagram_handler own = { 0 };
	struct datagram_class *class;

	memcpy(&own, handler, size < sizeof(own) ? size : sizeof(own));
	if (own.max_packet_size == 0)
		own.max_packet_size = PACKET;
	if (own.max_packet_size > PACKET_MOST)
		own.max_packet_size = PACKET_MOST;
	class = malloc(sizeof(*class) + own.max_packet_size);
	if (class == NULL)
		return NULL;
	class->handler = own;
	class->size = own.max_packet_size;
	return class;
}

int
datagram_server_set(struct tine_server *server,
    const struct tine_datagram_handler *handler, size_t size, size_t hooks_size)
{
	struct datagram_class *class = class_make(handler, size);

	if (class == NULL)
		return failure("no memory for a handler class");
	server_use(server, &protocol_datagram, class, free);
	server_hook(server, class->handler.hooks, hooks_size);
	return 0;
}

TINE_PUBLIC struct tine_server *
tine_datagram_server_sized(const struct tine_datagram_handler *handler,
    size_t size, size_t hooks_size)
{
	struct tine_server *server = server_new(&protocol_datagram, free);

	if (server == NULL) {
		(void)failure("no memory for a server");
		return NULL;
	}
	if (datagram_server_set(server, handler, size, hooks_size) == -1) {
		tine_server_free(server);
		return NULL;
	}
	return server;
}
