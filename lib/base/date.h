/* SPDX-License-Identifier: ISC */
/*
 * Dates in the forms of HTTP and of its logs, whatever the locale.
 */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110, section 5.6.7.  Times outside of
 * the years 1970 to 9999 become the nearest one inside.
 */
void	date_http(char out[30], time_t when);

/* "23/Nov/2026 20:21:49", local time. */
void	date_log(char out[21], time_t when);

/*
 * Reads the three forms of RFC 9110, and "-0000" for GMT.  now decides the
 * century of a year of two digits.  False if text is anything else.
 */
bool	date_parse_http(const char *text, size_t length, time_t now,
	    time_t *when);

#endif
