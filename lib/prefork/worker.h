/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of its master: what happens between fork(2) and exit(3).
 */
#ifndef PREFORK_WORKER_H
#define PREFORK_WORKER_H

#include <stdnoreturn.h>

#include "../server/server.h"

/*
 * One byte each on the control socket.  They outlive an upgrade: the old
 * workers are told by the new master.
 */
enum command {
	COMMAND_READY	= 'R',	/* from the worker: it can answer */
	COMMAND_RECYCLE	= 'X',	/* from it: it wants to be replaced */
	COMMAND_FULL	= 'B',	/* from it: no room, and few have any */
	COMMAND_SHUT	= 'S',	/* from it, as it leaves: it accepts no more */
	COMMAND_FAILED	= 'F',	/* from it, as it ends: the reason follows */
	COMMAND_LEAVE	= 'L',	/* to it: give the connections to others */
	COMMAND_DRAIN	= 'D',	/* to it: leave gracefully */
	COMMAND_QUIT	= 'Q',	/* to it: leave now */
	COMMAND_LOG	= 'U',	/* to it: a new request log, a descriptor */
	COMMAND_ERROR_LOG = 'V'	/* the same for the error log */
};

/* Never returns; control is the worker's end of its socket. */
noreturn void worker_main(struct tine_server *server, unsigned index,
	    int control);

#endif
