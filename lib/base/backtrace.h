/* SPDX-License-Identifier: ISC */
/*
 * Where a process is: the functions that have been called, by name.
 */
#ifndef BASE_BACKTRACE_H
#define BASE_BACKTRACE_H

#include <stddef.h>

/*
 * Gives a line for each function to say, in a signal handler too.  Names of
 * static functions come from the symbol table of their file, if it has one.
 */
void	backtrace_write(void (*say)(const char *, size_t));

#endif
