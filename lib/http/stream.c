/* SPDX-License-Identifier: ISC */
/*
 * A body that its handler reads as it comes: classes with stream_body.  What
 * was received with the head is used first; then the socket is read, and no
 * byte beyond the body, so that the next request stays where it is.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../server/connection.h"
#include "../server/loop.h"
#include "http.h"

#define PIECE	((size_t)4096)

bool
stream_is_wanted(const struct http *http)
{
	return http->class->handler.stream_body &&
	    http->exchange->loop->settings->mode != MODE_FORK;
}

void
stream_begin(struct http *http)
{
	http->is_streamed = true;
	http->stream_left = http->head.is_chunked ? -1 : http->head.length;
	http->body_end = http->request_end = http->head.at;
	framing_begin_chunked(http);
}

static bool
is_done(const struct http *http)
{
	return http->head.is_chunked ? http->chunked.is_done != 0
	    : http->stream_left == 0;
}

bool
stream_has_rest(const struct http *http)
{
	return http->is_streamed && !is_done(http);
}

/* A client that waits to be asked is, when its body is wanted. */
static int
invite(struct http *http)
{
	struct exchange *exchange = http->exchange;
	const struct input *input = &exchange->input;

	if (http->is_invited || !http->head.has_expect ||
	    !http->class->is_11 ||
	    input->end - input->start > http->request_end ||
	    http->reply.code != 0)
		return 0;
	http->is_invited = true;
	if (framing_invite(http) == -1 ||
	    exchange->push(exchange, true) == -1)
		return -1;
	/* It is no part of the reply: a crash may still be answered. */
	exchange->output.sent = 0;
	return 0;
}

/* Decodes length bytes of the body; returns how many were used up. */
static ssize_t
decode(struct http *http, char *out, const char *from, size_t length,
    size_t *made)
{
	const off_t most = http->exchange->loop->settings->max_body;
	size_t used = length;

	if (!http->head.is_chunked) {
		memmove(out, from, length);
		*made = length;
		http->stream_left -= (off_t)length;
	} else if (chunked_decode(&http->chunked, out, from, length, &used,
	    made) == CHUNKED_BAD) {
		errno = EBADMSG;
		return -1;
	}
	http->body_length += (off_t)*made;
	if (http->body_length > most) {
		errno = EFBIG;
		return -1;
	}
	return (ssize_t)used;
}

/* What came with the head.  0 if that is used up. */
static ssize_t
read_input(struct http *http, char *buffer, size_t size)
{
	const struct input *input = &http->exchange->input;
	const char *from = input->data + input->start + http->request_end;
	size_t there = input->end - input->start - http->request_end;
	size_t made = 0;
	ssize_t used;

	if (there > size)
		there = size;
	if (there == 0)
		return 0;
	used = decode(http, buffer, from, there, &made);
	if (used == -1)
		return -1;
	http->request_end += (size_t)used;
	http->body_end = http->request_end;
	/* Sizes of chunks are no data: there may be more behind them. */
	return made > 0 || is_done(http) ? (ssize_t)made
	    : read_input(http, buffer, size);
}

/* A client that ends in the middle of its body is gone. */
static ssize_t
pull(struct http *http, void *data, size_t size, bool look)
{
	struct exchange *exchange = http->exchange;
	const ssize_t n = exchange->pull(exchange, data, size,
	    exchange->loop->settings->body_timeout, look);

	if (n != 0)
		return n;
	errno = ECONNRESET;
	return -1;
}

/* Looks before it takes: what is behind the body is not ours. */
static ssize_t
read_chunked(struct http *http, char *buffer, size_t size)
{
	char raw[PIECE];
	size_t made = 0;
	ssize_t n, used;

	do {
		n = pull(http, raw, size < sizeof(raw) ? size : sizeof(raw),
		    true);
		if (n == -1)
			return -1;
		used = decode(http, buffer, raw, (size_t)n, &made);
		if (used == -1)
			return -1;
		if (pull(http, raw, (size_t)used, false) != used)
			return -1;
	} while (made == 0 && !is_done(http));
	return (ssize_t)made;
}

static ssize_t
read_length(struct http *http, char *buffer, size_t size)
{
	size_t made = 0;
	const ssize_t n = pull(http, buffer, size, false);

	if (n == -1)
		return -1;
	return decode(http, buffer, buffer, (size_t)n, &made);
}

ssize_t
stream_read(struct http *http, void *buffer, size_t size)
{
	ssize_t n;

	if (http->stream_error != 0) {
		errno = http->stream_error;
		return -1;
	}
	if (is_done(http) || size == 0)
		return 0;
	if (size > INT_MAX)
		size = INT_MAX;
	if (!http->head.is_chunked && (off_t)size > http->stream_left)
		size = (size_t)http->stream_left;
	if (invite(http) == -1)
		return -1;
	n = read_input(http, buffer, size);
	if (n == 0 && !is_done(http))
		n = http->head.is_chunked ? read_chunked(http, buffer, size)
		    : read_length(http, buffer, size);
	if (n == -1)
		http->stream_error = errno;
	else
		http->body_read += n;
	return n;
}
