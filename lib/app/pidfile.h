/* SPDX-License-Identifier: ISC */
/*
 * The file with the master's process id: the lock on it, not the number,
 * says that the server lives (pidfile(3bsd)).
 */
#ifndef APP_PIDFILE_H
#define APP_PIDFILE_H

#include "../server/server.h"

/*
 * Writes the one that --pidfile asks for, or takes it over from the program
 * before.  Returns an exit status, with the text of tine_error().
 */
int	pidfile_take(struct tine_server *server);

/*
 * Removes it, unless someone else has put another in its place meanwhile.
 * Async-signal-safe.
 */
void	pidfile_drop(const struct tine_server *server);

#endif
