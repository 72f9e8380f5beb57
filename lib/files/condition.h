/* SPDX-License-Identifier: ISC */
/*
 * Conditional requests (RFC 9110, section 13), and whether a Range is to be
 * looked at.  Pure: the time is passed in.
 */
#ifndef FILES_CONDITION_H
#define FILES_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "../tine.h"

/*
 * What a request's fields say; NULL where they say nothing, "" where they
 * contradict each other.  match and none_match are the first field of their
 * name: further ones continue the list.
 */
struct conditions {
	bool			 is_any;
	const struct tine_field	*match;
	const struct tine_field	*none_match;
	const char		*modified_since;
	const char		*unmodified_since;
	const char		*if_range;
	const char		*range;
};

/* What there is to compare with. */
struct validators {
	const char	*etag;		/* with its quotes, and W/ if weak;
					   "" if there is none */
	time_t		 modified;	/* what Last-Modified says */
	time_t		 now;
};

enum condition {
	CONDITION_TRUE,
	CONDITION_NOT_MODIFIED,		/* 304 */
	CONDITION_FAILED		/* 412 */
};

/* Finds them among the fields, which end with a NULL name. */
void	conditions_read(struct conditions *conditions,
	    const struct tine_field *fields);

/* Decides, in the order of section 13.2.2, for GET and HEAD. */
enum condition conditions_judge(const struct conditions *conditions,
	    const struct validators *validators);

/* Whether there is a Range that If-Range does not forbid. */
bool	conditions_want_range(const struct conditions *conditions,
	    const struct validators *validators);

#endif
