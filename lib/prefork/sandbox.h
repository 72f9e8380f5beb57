/* SPDX-License-Identifier: ISC */
/*
 * --sandbox: a process that meets clients locks itself in.  Landlock bounds
 * the files, seccomp the system calls, and there is no privilege left nor to
 * be had.  The master, which meets none, never does.
 */
#ifndef PREFORK_SANDBOX_H
#define PREFORK_SANDBOX_H

#include "../server/server.h"

/* Whether the processes of this server lock themselves in. */
bool	sandbox_is_wanted(const struct tine_server *server);

/*
 * For struct tine_server's confine: locks this process in if that is wanted.
 * What the kernel lacks is left out.  Returns -1 with the text of
 * tine_error() if something fails that it has.
 */
int	sandbox_enter(struct tine_server *server, enum confined who);

/*
 * Whether the paths that are named for it can be reached: -1 with the text of
 * tine_error().  Whoever will be locked in asks it with the rights that are
 * left to it then.
 */
int	sandbox_reach(const struct tine_server *server);

/* Says in the log what the kernel lacks, once; a master does it for all. */
void	sandbox_tell(struct tine_server *server);

#endif
