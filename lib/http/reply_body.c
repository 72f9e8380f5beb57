/* SPDX-License-Identifier: ISC */
/*
 * The body of a reply.  How its end is told is decided as late as can be: a
 * short reply gets its Content-Length, a long one is chunked.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../base/descriptor.h"
#include "../base/public.h"
#include "../base/text.h"
#include "reply_parts.h"

#define STAGE	((size_t)4096)		/* small writes make one chunk */

/* ------------------------------------------------------- how the body ends */

/*
 * A 205 has no content either, but has to say so by a length (RFC 9110,
 * section 15.3.6); what its handler says of one is the handler's.
 */
static bool
is_reset(const struct http *http)
{
	return http->reply.code == 205 && !http->reply.has_length &&
	    !http->is_head;
}

bool
reply_has_no_body(const struct http *http)
{
	const int code = http->reply.code;

	return code < 200 || code == 204 || code == 304 || http->is_head ||
	    is_reset(http);
}

static int
add_length(struct http *http, off_t length)
{
	char digits[20];
	const size_t n = text_unsigned(digits, (uint64_t)length);

	return ADD_FIELD(http, "Content-Length", digits, n);
}

static int
add_connection(struct http *http)
{
	/* What is left of a body must not be taken for the next request. */
	const bool is_close = http->request.close_connection ||
	    stream_has_rest(http);

	if (!http->class->is_11 || http->reply.has_connection)
		return 0;
	if (is_close)
		return ADD_FIELD(http, "Connection", "close", 5);
	if (http->head.minor == 0)
		return ADD_FIELD(http, "Connection", "keep-alive", 10);
	return 0;
}

/* Which of the ways it is; is_last tells that all of the body is there. */
static enum reply_framing
choose(const struct http *http, bool is_last)
{
	const struct reply *reply = &http->reply;

	if (reply_is_tunnel(http))
		return REPLY_CLOSE;
	if (reply_has_no_body(http))
		return REPLY_EMPTY;
	if (reply->has_length)
		return REPLY_LENGTH;
	if (!http->class->is_11)
		return REPLY_CLOSE;
	if (is_last)
		return REPLY_LENGTH;
	return http->head.minor > 0 ? REPLY_CHUNKED : REPLY_CLOSE;
}

static int
add_framing(struct http *http, bool is_last)
{
	struct reply *reply = &http->reply;
	const bool is_head = reply->code >= 200 && reply->code != 204 &&
	    reply->code != 304;

	switch (reply->framing) {
	case REPLY_LENGTH:
		if (!reply->has_length)
			return add_length(http, reply->written);
		return 0;
	case REPLY_EMPTY:
		if (is_reset(http) && http->class->is_11)
			return add_length(http, 0);
		/* What GET would have sent, if the handler told us. */
		if (is_head && is_last && !reply->has_length &&
		    http->class->is_11 && reply->written > 0)
			return add_length(http, reply->written);
		return 0;
	case REPLY_CHUNKED:
		return ADD_FIELD(http, "Transfer-Encoding", "chunked", 7);
	case REPLY_CLOSE:
		http->request.close_connection = true;
		return 0;
	case REPLY_UNDECIDED:
		break;
	}
	return 0;
}

/* "1f40\r\n" */
static size_t
chunk_head(char out[20], size_t length)
{
	return (size_t)snprintf(out, 20, "%zx\r\n", length);
}

/* What was written so far becomes the first chunk. */
static APART int
chunk_written(struct http *http, size_t length)
{
	char head[20];

	if (length == 0)
		return 0;
	if (output_append(output_of(http), "\r\n", 2) == -1)
		return -1;
	return output_prepend(output_of(http), head,
	    chunk_head(head, length));
}

/*
 * Decides how the body ends and puts the head before what there is of it.
 */
static int
decide(struct http *http, bool is_last)
{
	struct reply *reply = &http->reply;

	if (reply->framing != REPLY_UNDECIDED)
		return 0;
	reply->framing = choose(http, is_last);
	http->exchange->ends_by_close = reply->framing == REPLY_CLOSE;
	if (reply->framing == REPLY_CHUNKED &&
	    chunk_written(http, (size_t)reply->written) == -1)
		return reply_stick(http, errno);
	if (add_framing(http, is_last) == -1 || add_connection(http) == -1 ||
	    reply_add(http, "\r\n", 2) == -1 ||
	    output_prepend(output_of(http), reply->head,
	    reply->head_length) == -1)
		return reply_stick(http, errno);
	return 0;
}

/* ---------------------------------------------------------------- the body */

APART int
reply_push(struct http *http, bool wait)
{
	struct exchange *exchange = http->exchange;

	if (exchange->push == NULL)
		return 0;
	if (exchange->push(exchange, wait) == -1)
		return reply_stick(http, errno);
	return 0;
}

static int
put(struct http *http, const void *data, size_t length)
{
	int kept;

	if (output_keep_short(output_of(http), data, length))
		return 0;
	kept = output_keep(output_of(http), data, length);
	if (kept == 1)
		return 0;
	if (kept == -1)
		return reply_stick(http, errno);
	if (!output_fits(output_of(http), length) &&
	    reply_push(http, false) == -1)
		return -1;
	if (output_append(output_of(http), data, length) == 0)
		return 0;
	/* Past the bound of its spool a reply waits for its client. */
	if (errno != EFBIG && errno != ENOSPC && errno != EDQUOT)
		return reply_stick(http, errno);
	if (http->exchange->push == NULL || reply_is_undecided(http))
		return reply_stick(http, errno);
	if (reply_push(http, true) == -1)
		return -1;
	if (output_append(output_of(http), data, length) == -1)
		return reply_stick(http, errno);
	return 0;
}

static APART int
put_chunk(struct http *http, const char *data, size_t length)
{
	char head[20];

	if (length == 0)
		return 0;
	if (put(http, head, chunk_head(head, length)) == -1 ||
	    put(http, data, length) == -1)
		return -1;
	return put(http, "\r\n", 2);
}

static int
flush_stage(struct http *http)
{
	struct reply *reply = &http->reply;
	const size_t length = reply->staged_length;

	if (length == 0)
		return 0;
	reply->staged_length = 0;
	return put_chunk(http, reply->staged, length);
}

static APART int
put_staged(struct http *http, const char *data, size_t length)
{
	struct reply *reply = &http->reply;

	if (reply->staged == NULL)
		reply->staged = arena_alloc(&http->exchange->arena, STAGE);
	if (reply->staged == NULL)
		return reply_stick(http, ENOMEM);
	if (length > STAGE - reply->staged_length && flush_stage(http) == -1)
		return -1;
	if (length >= STAGE)
		return put_chunk(http, data, length);
	memcpy(reply->staged + reply->staged_length, data, length);
	reply->staged_length += length;
	return 0;
}

/* A handler that writes first is taken to have meant 200. */
static int
need_head(struct http *http)
{
	struct tine_request *req = &http->request;

	if (http->reply.is_head_ended)
		return 0;
	if (http->reply.code == 0 && tine_send_response(req, 200, NULL) == -1)
		return -1;
	return tine_end_headers(req);
}

static bool
is_short(const struct http *http, size_t length)
{
	const struct output *output = &http->exchange->output;

	return output->memory + length <=
	    output->first.size - output->headroom;
}

/* Counts length bytes against what the handler announced. */
static ssize_t
admit(struct http *http, size_t length)
{
	const struct reply *reply = &http->reply;
	const off_t most = reply->has_length && !reply_has_no_body(http)
	    ? reply->length : INT64_MAX;

	if ((off_t)length > most - reply->written) {
		(void)reply_stick(http, EFBIG);
		return -1;
	}
	return (ssize_t)length;
}

static int
write_body(struct http *http, const void *data, size_t length)
{
	struct reply *reply = &http->reply;

	if (reply->framing == REPLY_UNDECIDED && !is_short(http, length) &&
	    decide(http, false) == -1)
		return -1;
	if (reply->framing == REPLY_CHUNKED)
		return put_staged(http, data, length);
	return put(http, data, length);
}

TINE_PUBLIC WHOLE ssize_t
tine_write(struct tine_request *req, const void *data, size_t length)
{
	struct http *http = http_of_request(req);
	struct reply *reply = &http->reply;

	if (http->wfile != NULL && !http->is_flushing)
		(void)fflush(http->wfile);
	if (reply->error != 0) {
		errno = reply->error;
		return -1;
	}
	if (length > SSIZE_MAX)
		return reply_stick(http, EFBIG);
	if (need_head(http) == -1 || admit(http, length) == -1)
		return -1;
	if (!reply_has_no_body(http) && length > 0 &&
	    write_body(http, data, length) == -1)
		return -1;
	reply->written += (off_t)length;
	return (ssize_t)length;
}

static int
put_file(struct http *http, int fd, off_t offset, off_t length)
{
	char head[20];
	const bool is_chunked = http->reply.framing == REPLY_CHUNKED;

	if (is_chunked && (flush_stage(http) == -1 ||
	    put(http, head, chunk_head(head, (size_t)length)) == -1)) {
		descriptor_close(fd);
		return -1;
	}
	if (output_append_file(output_of(http), fd, offset, length, true) ==
	    -1)
		return reply_stick(http, errno);
	return is_chunked ? put(http, "\r\n", 2) : 0;
}

/*
 * Whether length bytes that are not copied are to go into the output: 1, 0 if
 * they are only counted, or -1 with errno.
 */
static int
admit_whole(struct http *http, off_t length)
{
	struct reply *reply = &http->reply;

	if (http->wfile != NULL)
		(void)fflush(http->wfile);
	if (reply->error != 0) {
		errno = reply->error;
		return -1;
	}
	if (need_head(http) == -1 || admit(http, (size_t)length) == -1)
		return -1;
	if (length == 0 || reply_has_no_body(http)) {
		reply->written += length;
		return 0;
	}
	if (decide(http, !http->class->is_11 || reply->has_length) == -1)
		return -1;
	return 1;
}

TINE_PUBLIC int
tine_send_file(struct tine_request *req, int fd, off_t offset, off_t length)
{
	struct http *http = http_of_request(req);
	int admitted = -1;

	if (offset < 0 || length < 0 || length > INT64_MAX - offset)
		errno = EINVAL;
	else
		admitted = admit_whole(http, length);
	if (admitted != 1) {
		descriptor_close(fd);
		return admitted;
	}
	if (put_file(http, fd, offset, length) == -1)
		return -1;
	http->reply.written += length;
	return 0;
}

int
reply_lend(struct http *http, const void *data, size_t length,
    struct loan loan)
{
	const int admitted = admit_whole(http, (off_t)length);

	if (admitted != 1) {
		loan.release(loan.lender);
		return admitted;
	}
	if (output_lend(output_of(http), data, length, loan) == -1)
		return reply_stick(http, errno);
	http->reply.written += (off_t)length;
	return 0;
}

int
reply_lend_file(struct http *http, int fd, off_t offset, off_t length,
    struct loan loan)
{
	const int admitted = admit_whole(http, length);

	if (admitted != 1) {
		loan.release(loan.lender);
		return admitted;
	}
	if (output_lend_file(output_of(http), fd, offset, length, loan) == -1)
		return reply_stick(http, errno);
	http->reply.written += length;
	return 0;
}

TINE_PUBLIC int
tine_flush(struct tine_request *req)
{
	struct http *http = http_of_request(req);

	if (http->wfile != NULL)
		(void)fflush(http->wfile);
	if (http->reply.error != 0) {
		errno = http->reply.error;
		return -1;
	}
	if (http->reply.interim > 0 && http->reply.code == 0)
		return reply_push(http, true);
	if (need_head(http) == -1 || decide(http, false) == -1 ||
	    flush_stage(http) == -1)
		return -1;
	return reply_push(http, true);
}

TINE_PUBLIC int
tine_output_error(const struct tine_request *req)
{
	return http_of_request(req)->reply.error;
}

int
reply_end_body(struct http *http)
{
	if (decide(http, true) == -1 || flush_stage(http) == -1)
		return -1;
	if (http->reply.framing == REPLY_CHUNKED)
		return put(http, "0\r\n\r\n", 5);
	return 0;
}
