/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of the protocol share: the functions of protocol_http, by
 * the room that they are in.  What each has to do stands in protocol.h.
 */
#ifndef HTTP_PROTOCOL_PARTS_H
#define HTTP_PROTOCOL_PARTS_H

#include "http.h"

/* What is there of the input, from the request's first byte. */
static inline size_t
http_there(const struct http *http)
{
	return http->exchange->input.end - http->exchange->input.start;
}

/* --- framing.c */

enum framing framing_frame(struct exchange *exchange);
enum framing framing_spool(struct exchange *exchange);
void	framing_late(struct exchange *exchange);

/* --- handling.c */

typedef void method(struct tine_request *);

/* What the class has for the request's method; NULL: nothing. */
method	*handling_method(const struct http *http);

void	handling_run(struct exchange *exchange);

/* --- request_save.c: its handler runs in a child */

size_t	request_save(struct exchange *exchange, void *out, size_t size,
	    size_t *input_length);
int	request_restore(struct exchange *exchange, const void *from,
	    size_t length);
void	request_rehearse(struct exchange *exchange);
size_t	request_save_outcome(struct exchange *exchange, void *out,
	    size_t size);
void	request_restore_outcome(struct exchange *exchange, const void *from,
	    size_t length);

/* --- request_pack.c: it moves to another worker */

int	request_pack(struct exchange *exchange, void *out, size_t size,
	    size_t *length);
int	request_unpack(struct exchange *exchange, const void *from,
	    size_t length);

#endif
