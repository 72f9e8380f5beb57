/* SPDX-License-Identifier: ISC */
/*
 * What ps(1) shows of a worker: setproctitle(3bsd) from the scoreboard.
 */
#ifndef PREFORK_TITLE_H
#define PREFORK_TITLE_H

#include "../server/server.h"

/* Room for a title with its path cut. */
#define TITLE_SIZE	256

/*
 * Shows what the worker has in hand: "worker 3 busy GET /path 2s", of several
 * requests the oldest.  Called in each turn of its loop, by the thread that
 * leads it.
 */
void	title_turn(struct tine_server *server);

/*
 * Writes a request line as a title may have it: the method and the path,
 * escaped and cut, without the query, since ps shows titles to everybody.
 */
void	title_request(char *out, size_t size, const char *request);

#endif
