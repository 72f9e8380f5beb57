/* SPDX-License-Identifier: ISC */
/*
 * What a program asks that may have been executed by an older image of
 * itself, in its place: see upgrade.c.
 */
#ifndef PREFORK_UPGRADE_H
#define PREFORK_UPGRADE_H

#include <stdbool.h>

/*
 * Reads what the image before left, if there is one.  Returns -1 with the
 * text of tine_error() if that cannot be understood.
 */
int	upgrade_begin(void);
bool	upgrade_is_there(void);

/*
 * Its listener for an address as it was asked for, once; or -1.  One that a
 * service manager passed to it is not ours.
 */
int	upgrade_listener(const char *text, bool *is_ours);

/* Its pidfile, locked; or -1. */
int	upgrade_pidfile(void);

/*
 * This program cannot serve, before it has become a master: the one before
 * is executed again.  Returns only if that fails.
 */
void	upgrade_give_up(const char *why, char *argv[]);

#endif
