/* SPDX-License-Identifier: ISC */
/*
 * Serving without a master (--workers=0): one process, its own signals.
 */
#ifndef APP_ALONE_H
#define APP_ALONE_H

#include "../server/server.h"

/*
 * Serves until it is asked to stop; ready is called when a request would be
 * answered.  Returns an exit status, with the text of tine_error().
 */
int	alone_run(struct tine_server *server,
	    void (*ready)(struct tine_server *));

#endif
