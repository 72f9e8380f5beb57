/* SPDX-License-Identifier: ISC */
/*
 * The options that every program has: one table is the source of what
 * getopt(3) knows, of --help, of tine_server_set(), and of the pages' list.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "../server/server.h"

enum options_result { OPTIONS_SERVE, OPTIONS_DONE, OPTIONS_WRONG };

/*
 * Reads the arguments into server.  *operand is what is left, or NULL.  For
 * --help and --version the text has been printed (DONE); on WRONG the text of
 * tine_error() tells what is.
 */
enum options_result options_read(struct tine_server *server, int argc,
	    char *argv[], const char *operand_name, const char **operand);

/*
 * The same with what --config names read before the arguments, which win.
 * Returns an exit status: 0, or EX_USAGE, EX_NOINPUT or EX_CONFIG with the
 * text of tine_error(); -1: it is done (--help).
 */
int	options_load(struct tine_server *server, int argc, char *argv[],
	    const char *operand_name, const char **operand);

void	options_help(FILE *out, const char *program, const char *operand_name);

#endif
