/* SPDX-License-Identifier: ISC */
/*
 * The master: binds, forks workers, watches them, and answers signals.  It
 * runs *a* serving loop in its children and knows no protocol.  It never
 * reads a client's byte and never runs a handler.
 */
#ifndef PREFORK_MASTER_H
#define PREFORK_MASTER_H

#include "../server/server.h"

/*
 * Serves until a signal ends it.  ready is called once, when the workers can
 * answer.  Returns an exit status of sysexits(3); the text of tine_error()
 * tells the reason of every one but 0.
 */
int	master_run(struct tine_server *server,
	    void (*ready)(struct tine_server *));

#endif
