/* SPDX-License-Identifier: ISC */
/*
 * A request that moves to another worker before its handler has seen it.
 * The other parses its head anew, and believes none of the numbers.
 */
#include <errno.h>
#include <string.h>

#include "protocol_parts.h"

/* Beside the bytes, whose head is parsed anew.  Part of hand-over's format. */
struct packed {
	uint32_t	phase, reserved;
	uint64_t	body_end, request_end, body_length;
	uint64_t	chunk_state, chunk_digits, chunk_left, chunk_extra;
	uint64_t	chunk_trailers, chunk_done;
};

int
request_pack(struct exchange *exchange, void *out, size_t size, size_t *length)
{
	const struct http *http = http_of(exchange);
	const struct input *input = &exchange->input;
	const struct packed packed = {
		.phase = http->phase, .body_end = http->body_end,
		.request_end = http->request_end,
		.body_length = (uint64_t)http->body_length,
		.chunk_state = http->chunked.state,
		.chunk_digits = http->chunked.digits,
		.chunk_left = http->chunked.left,
		.chunk_extra = http->chunked.extra,
		.chunk_trailers = http->chunked.trailers,
		.chunk_done = http->chunked.is_done
	};

	/* A handler has seen it: its texts have been made of the bytes. */
	if (http->is_built || http->phase == PHASE_HEAD ||
	    size < sizeof(packed)) {
		errno = EINVAL;
		return -1;
	}
	input->data[input->start + http->head.line.at +
	    http->head.line.length] = '\r';	/* see describe() in protocol.c */
	memcpy(out, &packed, sizeof(packed));
	*length = sizeof(packed);
	return 0;
}

static void
unpack_chunked(struct http *http, const struct packed *packed)
{
	struct chunked *chunked = &http->chunked;

	framing_begin_chunked(http);
	chunked->state = (unsigned)packed->chunk_state;
	chunked->digits = (unsigned)packed->chunk_digits;
	chunked->left = packed->chunk_left;
	chunked->extra = packed->chunk_extra;
	chunked->trailers = (unsigned)packed->chunk_trailers;
	chunked->is_done = (unsigned)packed->chunk_done;
}

/* Whether the places agree with the head, the input and the spool. */
static bool
is_sound(const struct http *http, const struct packed *packed)
{
	const struct head *head = &http->head;
	const off_t spooled = http->exchange->body.length;

	if (packed->body_end < head->at || packed->body_end > http_there(http))
		return false;
	if (packed->phase == PHASE_CHUNKED)
		return head->is_chunked &&
		    chunked_is_sound(&http->chunked) &&
		    packed->body_length == (uint64_t)spooled +
		    packed->body_end - head->at;
	if (packed->phase != PHASE_WHOLE)
		return !head->is_chunked && spooled <= head->length;
	return packed->request_end >= packed->body_end &&
	    packed->request_end <= http_there(http) && packed->body_length ==
	    (uint64_t)spooled + packed->body_end - head->at &&
	    (head->is_chunked ||
	    packed->body_length == (uint64_t)head->length);
}

int
request_unpack(struct exchange *exchange, const void *from, size_t length)
{
	struct http *http = http_of(exchange);
	const struct input *input = &exchange->input;
	struct packed packed;

	if (length != sizeof(packed))
		return -1;
	memcpy(&packed, from, sizeof(packed));
	if (packed.phase < PHASE_MEMORY || packed.phase > PHASE_WHOLE ||
	    head_parse(&http->head, input->data + input->start,
	    http_there(http)) != HEAD_DONE)
		return -1;
	unpack_chunked(http, &packed);
	if (!is_sound(http, &packed))
		return -1;
	http->phase = (enum http_phase)packed.phase;
	http->body_end = packed.body_end;
	http->request_end = packed.request_end;
	http->body_length = (off_t)packed.body_length;
	return 0;
}
