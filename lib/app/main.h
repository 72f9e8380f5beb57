/* SPDX-License-Identifier: ISC */
/*
 * What main() of every program does, tine's own too.
 */
#ifndef APP_MAIN_H
#define APP_MAIN_H

#include "../server/server.h"

/*
 * Binds, says where, and serves in the way that the options say.  Takes
 * server.  Returns the exit status; what is wrong was said on standard error.
 */
int	main_serve(struct tine_server *server);

/* Says why on standard error, frees server and returns status. */
int	main_fail(struct tine_server *server, int status);

#endif
