/* SPDX-License-Identifier: ISC */
/*
 * The field Range (RFC 9110, section 14).  Pure.
 */
#ifndef FILES_RANGE_H
#define FILES_RANGE_H

#include <sys/types.h>

#include <stddef.h>

#define RANGES_MOST	16	/* more are no download, but an attack */

struct range {
	off_t	offset;
	off_t	length;		/* 1 at least */
};

enum range_result {
	RANGE_IGNORED,		/* not understood, or too many: send it all */
	RANGE_FOUND,
	RANGE_UNSATISFIABLE	/* 416 */
};

/*
 * Reads value for a representation of size bytes.  What is found lies inside
 * it, in the order asked for; ranges that overlap, or are nearer than a
 * part's head is long, are one, so that no byte is sent twice.
 */
enum range_result range_parse(const char *value, size_t length, off_t size,
	    struct range ranges[RANGES_MOST], size_t *count);

#endif
