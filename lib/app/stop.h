/* SPDX-License-Identifier: ISC */
/*
 * A request to stop that comes before the server serves: SIGTERM, SIGQUIT,
 * SIGINT.
 */
#ifndef APP_STOP_H
#define APP_STOP_H

#include <stdbool.h>

/* It ends the process at once: nothing is there that has to be removed. */
void	stop_at_once(void);

/* It does what it does to any program. */
void	stop_by_default(void);

/*
 * It waits until someone looks for it, since now there are files to remove;
 * so do other signals of a server.  A second one may come when the master has
 * done with signals: the end that the first one asked for is an orderly one
 * all the same.
 */
void	stop_hold(void);

/* Waits so long for one, ms; it is taken, for stop_is_wanted(). */
bool	stop_comes_within(unsigned ms);

/* Whether one was taken. */
bool	stop_is_taken(void);

/* Whether one was taken or waits. */
bool	stop_is_wanted(void);

#endif
