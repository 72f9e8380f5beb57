/* SPDX-License-Identifier: ISC */
/*
 * A serving loop that no client talks to, for targets of what lies between
 * a parser and a socket.
 */
#ifndef FUZZ_SERVING_H
#define FUZZ_SERVING_H

#include "../../lib/server/loop.h"
#include "../../lib/server/server.h"
#include "../../lib/tine.h"

/* Bounds that a small input reaches. */
#define SERVING_HEAD	600
#define SERVING_FIELDS	12
#define SERVING_MEMORY	64		/* of a body; more goes to a file */
#define SERVING_BODY	1000

/*
 * Opens the one loop of the process, which has one thread.  Takes server, or
 * aborts if that is NULL or the loop cannot be had.
 */
struct loop	*serving_open(struct tine_server *server,
		    const struct strategy *strategy);

/* How many descriptors are open: as many again if none was leaked. */
int	serving_descriptors(void);

#endif
