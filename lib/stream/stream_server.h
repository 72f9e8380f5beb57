/* SPDX-License-Identifier: ISC */
/*
 * TCPServer: a server for a handler class.
 */
#ifndef STREAM_STREAM_SERVER_H
#define STREAM_STREAM_SERVER_H

#include <stddef.h>

struct tine_server;
struct tine_stream_handler;

/*
 * Has server speak what handler speaks, whose struct and hooks have those
 * sizes.  Returns 0, or -1 with the text of tine_error().
 */
int	stream_server_set(struct tine_server *server,
	    const struct tine_stream_handler *handler, size_t size,
	    size_t hooks_size);

#endif
