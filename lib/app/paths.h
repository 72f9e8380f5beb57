/* SPDX-License-Identifier: ISC */
/*
 * The paths among the options: whose directory they start from, and whether
 * what they name is there.
 */
#ifndef APP_PATHS_H
#define APP_PATHS_H

#include "../server/server.h"

/* Makes one of them absolute.  -1 with the text of tine_error(). */
int	paths_absolute(struct tine_server *server, const char **path);

/*
 * Makes all of them absolute: they are those of the directory in which the program
 * was started, whatever --chdir makes of it.  -1 with the text of
 * tine_error().
 */
int	paths_resolve(struct tine_server *server);

/*
 * Whether what workers are to have of the file system is there.  Returns an
 * exit status, with the text of tine_error().
 */
int	paths_check(const struct tine_server *server);

#endif
