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
 * Opens the one loop of the process, which has one thread; handler and
 * strategy are borrowed.  Aborts on failure.
 */
struct loop	*serving_open(const struct tine_http_handler *handler,
		    const struct strategy *strategy);

/* How many descriptors are open: as many again if none was leaked. */
int	serving_descriptors(void);

#endif
