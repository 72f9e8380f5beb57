/* SPDX-License-Identifier: ISC */
/*
 * What a program asks that may have been executed by an older image of
 * itself, in its place: see takeover.c.
 */
#ifndef PREFORK_UPGRADE_H
#define PREFORK_UPGRADE_H

#include <stdbool.h>

struct tine_server;

/*
 * Reads what the image before left, if there is one.  Returns -1 with the
 * text of tine_error() if that cannot be understood.
 */
int	upgrade_begin(void);
bool	upgrade_is_there(void);

/*
 * Whether this is the program before, again: the new one was no good.  Then
 * all is as it was, whatever has become of the files.
 */
bool	upgrade_is_back(void);

/*
 * Its listener for an address as it was asked for, once; or -1.  One that a
 * service manager passed to it is not ours.
 */
int	upgrade_listener(const char *text, bool *is_ours);

/*
 * Takes those of its listeners that were not asked for by an address: those
 * that were passed to it, or all when this is the program before.  Returns
 * how many; -1 with the text of tine_error().
 */
int	upgrade_bind_rest(struct tine_server *server);

/* Its pidfile, locked, and its logs: the caller's.  Or -1. */
int	upgrade_pidfile(void);
int	upgrade_log(unsigned which);

/* The copies of the module and of the files that were in force; or -1. */
int	upgrade_module(void);
int	upgrade_config(void);	/* of --config */
int	upgrade_users(void);	/* of --auth-file */

/*
 * This program cannot serve, before it has become a master: the one before
 * is executed again.  Returns only if that fails.
 */
void	upgrade_give_up(const struct tine_server *server, const char *why);

#endif
