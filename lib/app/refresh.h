/* SPDX-License-Identifier: ISC */
/*
 * What a program reads anew for a reload: its module, its options, the users.
 */
#ifndef APP_REFRESH_H
#define APP_REFRESH_H

struct tine_server;

/*
 * Reads all of it.  Returns -1 with the text of tine_error(); the caller puts
 * back what was there then (see reload.c).
 */
int	refresh(struct tine_server *server);

#endif
