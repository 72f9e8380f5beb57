/* SPDX-License-Identifier: ISC */
/*
 * The sentence behind tine_error(): thing, reason, remedy.
 */
#ifndef BASE_FAILURE_H
#define BASE_FAILURE_H

/* Sets the text; keeps errno; returns -1, so that callers can return it. */
int	failure(const char *format, ...)
	    __attribute__((__format__(__printf__, 1, 2)));

/* The same, and sets errno to error. */
int	failure_errno(int error, const char *format, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

#endif
