/* SPDX-License-Identifier: ISC */
/*
 * The file of --config: options, one a line, as on the command line but
 * without the dashes; see tine.conf(5).
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "../server/server.h"

/*
 * Sets what the file says.  Returns 0, EX_NOINPUT or EX_CONFIG with the text
 * of tine_error(), which names file and line.
 */
int	config_read(struct tine_server *server, const char *path);

/* The same from the bytes that fd has, of which path is the name. */
int	config_read_from(struct tine_server *server, const char *path,
	    int fd);

#endif
