/* SPDX-License-Identifier: ISC */
/*
 * multipart/form-data, parsed as the bytes come (RFC 2046, section 5.1, and
 * RFC 7578).  Pure: it sees no request, clock or errno and allocates nothing.
 *
 * Data is handed on where it lies in the caller's piece.  The one exception
 * is the beginning of a delimiter at the end of a piece: if the next piece
 * shows that it was none, it comes from the parser's own copy.
 *
 * The search is linear.  A window of the delimiter's length moves over the
 * data, as Horspool's does: at least one byte further with each look at its
 * last byte.  The window is compared from its start, and the CR there is the
 * delimiter's only one: after k equal bytes no later window that begins among
 * them can be equal in its first byte, so that no byte is found equal twice.
 */
#ifndef FORM_MULTIPART_H
#define FORM_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "../tine.h"

#define MULTIPART_BOUNDARY	200	/* the longest that can be allowed */
#define MULTIPART_FIELDS	64	/* header fields of one part */

enum multipart_result {
	MULTIPART_MORE,
	MULTIPART_DONE,		/* the last delimiter came */
	MULTIPART_BAD,		/* see why */
	MULTIPART_LARGE,	/* a part has more header bytes than allowed */
	MULTIPART_STOPPED	/* an event said no */
};

/* What happens, in this order for each part.  false stops the parser. */
struct multipart_events {
	/* headers ends with a NULL name and is gone after the call. */
	bool	(*begin)(void *argument, const struct tine_field *headers,
		    size_t count);
	bool	(*data)(void *argument, const char *data, size_t length);
	bool	(*end)(void *argument);
};

enum multipart_state {
	MULTIPART_DATA,		/* of a part, or before the first one */
	MULTIPART_DELIMITER,	/* it is there; what follows decides */
	MULTIPART_DASH,		/* and a '-' */
	MULTIPART_CR,		/* and a CR */
	MULTIPART_PADDING,	/* and white space */
	MULTIPART_PADDING_CR,
	MULTIPART_HEADERS,
	MULTIPART_ENDED		/* result says how */
};

struct multipart {
	const struct multipart_events *events;
	void			*argument;
	enum multipart_state	 state;
	enum multipart_result	 result;
	const char		*why;		/* a phrase, if it is bad */
	bool			 in_part;

	/*
	 * How much of the delimiter the bytes before this one were, and how
	 * much of that only stands for the CRLF that a delimiter need not
	 * have where a line begins anyhow.
	 */
	size_t			 matched;
	size_t			 assumed;

	char			 delimiter[4 + MULTIPART_BOUNDARY];
	size_t			 length;
	unsigned char		 skip[256];

	/* The caller's memory, for the headers of one part. */
	char			*headers;
	size_t			 headers_size;
	size_t			 headers_length;
	size_t			 line;		/* where the last line began */
	struct tine_field	 fields[MULTIPART_FIELDS + 1];
};

/*
 * Whether a boundary may be used: printable ASCII, and no space at its end
 * (RFC 2046 has fewer characters, senders have more).
 */
bool	multipart_boundary_is_valid(const char *boundary, size_t length);

/*
 * boundary is valid and not longer than MULTIPART_BOUNDARY.  headers is
 * borrowed; a part may have size - 2 bytes of header lines.
 */
void	multipart_init(struct multipart *parser, const char *boundary,
	    size_t length, char *headers, size_t size);

/* Takes the next piece of the body. */
enum multipart_result multipart_feed(struct multipart *parser,
	    const char *data, size_t length);

/* Says that there is no more: DONE, or BAD where the form was cut short. */
enum multipart_result multipart_finish(struct multipart *parser);

/*
 * The place of the first delimiter in the length bytes at data, or of what
 * may be its beginning at their end, or length: the search alone, for the
 * benchmark.
 */
size_t	multipart_search(const struct multipart *parser, const char *data,
	    size_t length);

#endif
