/* SPDX-License-Identifier: ISC */
/*
 * The command tine: serves a handler module.
 */
#include <tine.h>

int
main(int argc, char *argv[])
{
	return tine_command(argc, argv);
}
