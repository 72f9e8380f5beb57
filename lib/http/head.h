/* SPDX-License-Identifier: ISC */
/*
 * The head of a request: request line and fields, parsed as the bytes come
 * (RFC 9112).  Pure: it sees no socket, clock or errno, allocates nothing and
 * looks at no byte twice.
 *
 * It is strict wherever two servers could disagree: lines end with CRLF, no
 * line is folded, no white space stands before a colon, no control character
 * stands anywhere.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_FIELDS	128	/* the most that --max-fields can ask for */

/* A part of the head, by its place: the memory may move between two calls. */
struct span {
	uint32_t	at;
	uint32_t	length;
};

struct head_field {
	struct span	name;
	struct span	value;
};

enum head_result {
	HEAD_MORE,	/* all there is was looked at; more is needed */
	HEAD_DONE,	/* head.at is where the body begins */
	HEAD_BAD	/* see status and why */
};

enum head_target {
	TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_AUTHORITY, TARGET_ASTERISK
};

/*
 * The last Host that was valid: most requests to a server have the same, and
 * what was looked at needs no second look.  An empty one is valid.
 */
struct head_host {
	size_t	length;
	char	text[64];
};

struct head {
	/* The parser's. */
	size_t			at;		/* next byte to look at */
	size_t			mark;		/* where this part began */
	unsigned		state;
	uint32_t		max_fields;
	size_t			max_head;

	/* The request line. */
	struct span		line;
	struct span		method;
	struct span		target;
	struct span		path;		/* of the target; may be empty */
	struct span		query;		/* what follows its '?' */
	struct span		host;		/* of an absolute target */
	enum head_target	form;
	unsigned		minor;		/* HTTP/1.minor */

	/* What the fields say of framing. */
	bool			has_host;
	bool			has_length;
	bool			is_chunked;
	bool			has_expect;	/* 100-continue */
	bool			says_close;
	bool			says_keep;
	off_t			length;		/* Content-Length; else 0 */

	/* Why it is refused. */
	int			status;
	const char		*why;

	uint32_t		count;
	struct head_host	good_host;	/* outlasts head_init() */
	struct head_field	fields[HEAD_FIELDS];
};

/* Before the first time a head must be zero. */
void	head_init(struct head *head, size_t max_head, size_t max_fields);

/*
 * Goes on with data, the whole of the request's bytes so far; what was looked
 * at before is not looked at again.
 */
enum head_result head_parse(struct head *head, const char *data,
	    size_t length);

/* Whether a field's value is a valid Host (RFC 9110, section 7.2). */
bool	head_host_is_valid(const char *value, size_t length);

/*
 * Reads 1*DIGIT.  Returns false if it is anything else; a number that does
 * not fit becomes the largest one.
 */
bool	head_number(const char *text, size_t length, off_t *number);

#endif
