/* SPDX-License-Identifier: ISC */
/*
 * Who a worker runs as, and where: --user, --group, --chroot, --umask.
 */
#ifndef PREFORK_PRIVILEGES_H
#define PREFORK_PRIVILEGES_H

#include "../server/server.h"

/*
 * Looks the names up, in the master, before anything else: returns 0, or
 * EX_NOUSER or EX_NOPERM with the text of tine_error().
 */
int	privileges_find(struct tine_server *server);

/*
 * In a worker: takes the user's effective identity to load the handler with
 * it, and then drops the rest for ever; what the sandbox is to leave open has
 * to be within its reach then.  Both return -1 with errno and the text of
 * tine_error().
 */
int	privileges_try(void);
int	privileges_drop(const struct tine_server *server);

#endif
