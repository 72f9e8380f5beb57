/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of a server share; see server.h.
 */
#ifndef SERVER_SERVER_PARTS_H
#define SERVER_SERVER_PARTS_H

struct loop;
struct tine_server;

/* --- server_bind.c */

/* Has the listeners do what the protocol needs, which a module may change. */
void	server_prepare_listeners(struct tine_server *server);

/* --- server_forked.c */

/* From the first call on a process that a handler forks lets go of loop. */
void	server_guard_forks(void);
void	server_guard(const struct loop *loop);	/* the one it is; NULL: none */

#endif
