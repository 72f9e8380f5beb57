/* SPDX-License-Identifier: ISC */
/*
 * Sockets that listen before this program does: those of a service manager
 * (sd_listen_fds(3)), and those of the image before an upgrade.
 */
#ifndef APP_INHERITED_H
#define APP_INHERITED_H

#include "../server/server.h"

/*
 * Reads the environment.  Returns 0, or EX_CONFIG with the text of
 * tine_error(): a descriptor that was passed is no listening socket.
 */
int	inherited_read(struct tine_server *server);

/* Takes those that no --bind has asked for.  Returns how many, or -1. */
int	inherited_bind_rest(struct tine_server *server);

/* Closes those that no --bind has asked for, and says so. */
void	inherited_drop_rest(struct tine_server *server);

#endif
