/* SPDX-License-Identifier: ISC */
/*
 * Numbers that people write in options.  Each returns 0, or -1 with *why the
 * end of a sentence that begins with the value.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <sys/types.h>

/*
 * "30", "1.5s", "500ms", "2m", "1h"; plain numbers are seconds.  A time below
 * one millisecond is refused, unless it is 0, since 0 is no limit.
 */
int	number_milliseconds(const char *text, unsigned *ms, const char **why);

/* "512", "64K", "1G": expand_number(3), powers of 1024. */
int	number_bytes(const char *text, off_t *bytes, const char **why);

int	number_integer(const char *text, long long low, long long high,
	    long long *value, const char **why);

#endif
