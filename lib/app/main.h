/* SPDX-License-Identifier: ISC */
/*
 * What main() of every program does, tine's own too.
 */
#ifndef APP_MAIN_H
#define APP_MAIN_H

#include "../server/server.h"

/*
 * Reads the options, binds, says where, and serves in the way that they say.
 * Takes server, which may be NULL: then the text of tine_error() says why.
 * prepare gets the operand, or NULL, and returns an exit status.  Returns the
 * exit status; what is wrong was said on standard error.
 */
int	main_run(struct tine_server *server, int argc, char *argv[],
	    const char *operand_name, int (*prepare)(struct tine_server *,
	    const char *operand));

#endif
