/* SPDX-License-Identifier: ISC */
/*
 * See stream_server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../server/server.h"
#include "stream.h"
#include "stream_server.h"

/*
 * The class as this library knows it: what an older program's struct does
 * not have is zero, what a newer one's has is not looked at.
 */
static struct stream_class *
class_make(const struct tine_stream_handler *handler, size_t size)
{
	struct stream_class *class = calloc(1, sizeof(*class));

	if (class == NULL)
		return NULL;
	memcpy(&class->handler, handler, size < sizeof(class->handler) ? size
	    : sizeof(class->handler));
	class->protocol = protocol_stream;
	class->protocol.speaks_first = class->handler.speaks_first;
	return class;
}

int
stream_server_set(struct tine_server *server,
    const struct tine_stream_handler *handler, size_t size, size_t hooks_size)
{
	struct stream_class *class = class_make(handler, size);

	if (class == NULL)
		return failure("no memory for a handler class");
	server_use(server, &class->protocol, class, free);
	server_hook(server, class->handler.hooks, hooks_size);
	if (class->handler.timeout != 0) {
		server->settings.keep_alive = class->handler.timeout;
		server->settings.send_timeout = class->handler.timeout;
	}
	return 0;
}

TINE_PUBLIC struct tine_server *
tine_stream_server_sized(const struct tine_stream_handler *handler,
    size_t size, size_t hooks_size)
{
	struct tine_server *server = server_new(&protocol_stream, free);

	if (server == NULL) {
		(void)failure("no memory for a server");
		return NULL;
	}
	if (stream_server_set(server, handler, size, hooks_size) == -1) {
		tine_server_free(server);
		return NULL;
	}
	return server;
}
