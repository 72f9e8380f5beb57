/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of a reply share: its head, its body, error pages, its end.
 */
#ifndef HTTP_REPLY_PARTS_H
#define HTTP_REPLY_PARTS_H

#include <errno.h>

#include "../base/cold.h"
#include "http.h"

static inline struct output *
output_of(struct http *http)
{
	return &http->exchange->output;
}

/* The first error stays, as with stdio(3); returns -1 with errno. */
COLD int reply_stick(struct http *http, int error);

static inline bool
reply_is_undecided(const struct http *http)
{
	return http->reply.framing == REPLY_UNDECIDED;
}

/*
 * Whether what follows the head is a tunnel, so that no length may be told: a
 * 2xx to CONNECT (RFC 9110, section 9.3.6).
 */
static inline bool
reply_is_tunnel(const struct http *http)
{
	return http->head.form == TARGET_AUTHORITY &&
	    http->reply.code / 100 == 2;
}

/* The reply that is out cannot be completed: its end must show that. */
void	reply_cut(struct http *http);

/* --- reply_head.c: to what there is of the head; -1 with errno. */

int	reply_add(struct http *http, const char *text, size_t length);
int	reply_add_field(struct http *http, const char *name,
	    size_t name_length, const char *value, size_t value_length);

#define ADD_FIELD(http, name, value, length) \
	reply_add_field((http), (name), sizeof(name) - 1, (value), (length))

/* No control character but TAB: it could end the line. */
bool	reply_is_line(const char *text, size_t length);

/* --- reply_body.c */

/* Sends what the client takes now, so that less goes to the spool. */
int	reply_push(struct http *http, bool wait);

/* All of the body is written. */
int	reply_end_body(struct http *http);

#endif
