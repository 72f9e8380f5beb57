/* SPDX-License-Identifier: ISC */
/*
 * application/x-www-form-urlencoded, parsed as the bytes come (the URL
 * Standard, section 5.1).  Pure: it sees no request, clock or errno and
 * allocates nothing.
 *
 * '+' is a space, %XX a byte, and a '%' without two hexadecimal digits is
 * left as it is.  Only '&' separates: ';' did in HTML 4, and what two servers
 * split in different ways poisons caches.
 */
#ifndef FORM_URLENCODED_H
#define FORM_URLENCODED_H

#include <stdbool.h>
#include <stddef.h>

enum urlencoded_result {
	URLENCODED_MORE,
	URLENCODED_DONE,
	URLENCODED_BAD,		/* strict, and something has no '=' */
	URLENCODED_STOPPED	/* an event said no */
};

/*
 * What happens.  name and value are called for each run of bytes, decoded;
 * not for empty ones.  end closes a field; there is none for nothing between
 * two '&'.  false stops the parser.
 */
struct urlencoded_events {
	bool	(*name)(void *argument, const char *data, size_t length);
	bool	(*value)(void *argument, const char *data, size_t length);
	bool	(*end)(void *argument);
};

struct urlencoded {
	const struct urlencoded_events *events;
	void			*argument;
	enum urlencoded_result	 result;
	bool			 is_strict;
	bool			 has_begun;
	bool			 is_any;	/* the field has a byte */
	bool			 in_value;
	size_t			 pending;	/* of a "%X": how much came */
	char			 escape[2];
	size_t			 used;
	char			 out[256];	/* decoded, not yet handed on */
};

void	urlencoded_init(struct urlencoded *parser, bool is_strict);

/* Takes the next piece. */
enum urlencoded_result urlencoded_feed(struct urlencoded *parser,
	    const char *data, size_t length);

/* Says that there is no more. */
enum urlencoded_result urlencoded_finish(struct urlencoded *parser);

#endif
