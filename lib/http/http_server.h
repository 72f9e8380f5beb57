/* SPDX-License-Identifier: ISC */
/*
 * Giving a server a handler class after it was made.
 */
#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include "../tine.h"

/*
 * Sets the handler class and its hooks; what the options set stays.  Returns
 * -1 with errno ENOMEM.
 */
int	http_server_set(struct tine_server *server,
	    const struct tine_http_handler *handler, size_t size,
	    size_t hooks_size);

#endif
