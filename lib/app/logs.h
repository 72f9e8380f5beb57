/* SPDX-License-Identifier: ISC */
/*
 * The logs of a program: by name, or as they were before an upgrade.
 */
#ifndef APP_LOGS_H
#define APP_LOGS_H

struct tine_server;

/*
 * Opens both, and tells server how they are opened anew.  Returns -1 with the
 * text of tine_error().
 */
int	logs_open(struct tine_server *server);

#endif
