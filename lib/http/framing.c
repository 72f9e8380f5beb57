/* SPDX-License-Identifier: ISC */
/*
 * Where a request ends, and what is answered when it cannot be one.  A
 * request whose head and body are there is handed to its handler; until then
 * the handler knows nothing of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/cold.h"
#include "../server/loop.h"
#include "../server/server.h"
#include "auth.h"
#include "protocol_parts.h"

#define SPOOL_PIECE	((size_t)64 * 1024)

static const struct settings *
settings_of(const struct http *http)
{
	return http->exchange->loop->settings;
}

/*
 * Answers instead of a handler.  What the client may still send is not read
 * as a request: the connection ends.
 */
static COLD enum framing
refuse(struct http *http, int code, const char *message)
{
	http->exchange->is_unread = true;
	reply_refuse(http, code, message);
	return FRAMING_REPLY;
}

static COLD enum framing
refuse_head(struct http *http)
{
	const struct head *head = &http->head;
	const struct input *input = &http->exchange->input;
	const char *line = input->data + input->start;
	const size_t length = input->end - input->start;
	size_t n = 0;
	char quoted[128], message[256];

	while (n < length && line[n] != '\r' && line[n] != '\n')
		n++;
	if (head->status != 400 && head->status != 505) {
		(void)snprintf(message, sizeof(message), "%s", head->why);
	} else {
		log_quote(quoted, sizeof(quoted), line, n);
		(void)snprintf(message, sizeof(message), "%s (%s)", head->why,
		    quoted);
	}
	return refuse(http, head->status, message);
}

/* The request is whole, and ends at that place of the input. */
static enum framing
whole(struct http *http, size_t end)
{
	http->phase = PHASE_WHOLE;
	http->request_end = end;
	http->exchange->input.wanted = 0;
	return FRAMING_WHOLE;
}

/* ------------------------------------------------------------------ bodies */

static enum framing
frame_memory(struct http *http)
{
	const size_t end = http->head.at + (size_t)http->head.length;

	if (http_there(http) < end) {
		http->exchange->input.wanted = end - http_there(http);
		return FRAMING_BODY;
	}
	http->body_end = end;
	http->body_length = http->head.length;
	return whole(http, end);
}

/* What is read at once: a little where memory is short. */
static size_t
piece(const struct http *http, size_t most)
{
	return memory_is_short(&http->exchange->loop->memory) ? 1 : most;
}

/* How much of a body stays in memory. */
static size_t
body_memory(const struct http *http)
{
	return memory_is_short(&http->exchange->loop->memory) ? 0
	    : settings_of(http)->body_memory;
}

static enum framing
frame_spool(struct http *http)
{
	if (http_there(http) > http->head.at)
		return FRAMING_SPOOL;
	http->exchange->input.wanted = piece(http, SPOOL_PIECE);
	return FRAMING_BODY;
}

/* Decodes what is new behind what was decoded before. */
static enum framing
frame_chunked(struct http *http)
{
	struct input *input = &http->exchange->input;
	char *start = input->data + input->start;
	const size_t raw = http_there(http) - http->body_end;
	size_t used, made;
	enum chunked_result result;

	result = chunked_decode(&http->chunked, start + http->body_end,
	    start + http->body_end, raw, &used, &made);
	if (result == CHUNKED_BAD)
		return refuse(http, http->chunked.status, http->chunked.why);
	http->body_length += (off_t)made;
	if (http->body_length > settings_of(http)->max_body ||
	    (http->chunked.left > 0 && http->chunked.left >
	    (uint64_t)(settings_of(http)->max_body - http->body_length)))
		return refuse(http, 413, NULL);
	/* What follows the body moves up to it: the next request. */
	memmove(start + http->body_end + made, start + http->body_end + used,
	    raw - used);
	input->end -= used - made;
	http->body_end += made;
	if (result == CHUNKED_DONE) {
		if (http->exchange->body.fd != -1 &&
		    http->body_end > http->head.at)
			return FRAMING_SPOOL;
		return whole(http, http->body_end);
	}
	if (http->body_end - http->head.at > body_memory(http))
		return FRAMING_SPOOL;
	input->wanted = piece(http, 4096);
	return FRAMING_BODY;
}

static COLD enum framing
disk_failed(struct http *http)
{
	const int error = errno;

	server_log(http->exchange->loop->server, TINE_LOG_ERROR,
	    "cannot spool a request's body in %s: %s",
	    http->exchange->loop->space.dir, strerror(error));
	return refuse(http, error == ENOSPC || error == EDQUOT ? 507 : 500,
	    NULL);
}

/*
 * Moves the body from the input to the file.  The input keeps the head, and
 * what follows the body.
 */
enum framing
framing_spool(struct exchange *exchange)
{
	struct http *http = http_of(exchange);
	struct input *input = &exchange->input;
	char *body = input->data + input->start + http->head.at;
	size_t n;

	if (http->phase == PHASE_CHUNKED) {
		n = http->body_end - http->head.at;
	} else {
		const off_t left = http->head.length - exchange->body.length;

		n = http_there(http) - http->head.at;
		if ((off_t)n > left)
			n = (size_t)left;
	}
	if (spool_append(&exchange->body, body, n) == -1)
		return disk_failed(http);
	memmove(body, body + n, http_there(http) - http->head.at - n);
	input->end -= n;
	if (http->phase == PHASE_CHUNKED) {
		http->body_end -= n;
		if (http->chunked.is_done)
			return whole(http, http->body_end);
		return frame_chunked(http);
	}
	http->body_length = exchange->body.length;
	if (http->body_length == http->head.length)
		return whole(http, http->head.at);
	return frame_spool(http);
}

/* ------------------------------------------------------------- after a head */

/* Whether the method shall be called: a class may look at the head first. */
static COLD bool
is_invited(struct http *http)
{
	bool (*ask)(struct tine_request *) =
	    http->class->handler.handle_expect_100;

	if (ask == NULL)
		return true;
	request_build(http);
	return ask(&http->request);
}

/* The handler has answered instead of inviting the body. */
static COLD enum framing
uninvited(struct http *http)
{
	http->exchange->is_unread = true;
	http->request.close_connection = true;
	reply_finish(http);
	return FRAMING_REPLY;
}

int
framing_invite(struct http *http)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	return output_append(&http->exchange->output, text, sizeof(text) - 1);
}

static APART enum framing
frame_body(struct http *http)
{
	switch (http->phase) {
	case PHASE_MEMORY:
		return frame_memory(http);
	case PHASE_SPOOL:
		return frame_spool(http);
	case PHASE_CHUNKED:
		return frame_chunked(http);
	case PHASE_HEAD:
	case PHASE_WHOLE:
		break;
	}
	return FRAMING_WHOLE;
}

/* Trailers are fields: the bounds of a head are theirs, once more. */
void
framing_begin_chunked(struct http *http)
{
	const struct settings *settings = settings_of(http);
	const struct chunked_bounds bounds = {
		.extensions = settings->max_extensions,
		.trailers = settings->max_head,
		.trailer_count = settings->max_fields
	};

	chunked_init(&http->chunked, &bounds);
}

static APART enum framing
choose_body(struct http *http)
{
	const struct head *head = &http->head;
	const struct settings *settings = settings_of(http);

	http->body_end = head->at;
	if (head->length > settings->max_body)
		return refuse(http, 413, NULL);
	if (head->is_chunked) {
		http->phase = PHASE_CHUNKED;
		framing_begin_chunked(http);
	} else if ((uint64_t)head->length <= body_memory(http)) {
		http->phase = PHASE_MEMORY;
	} else {
		http->phase = PHASE_SPOOL;
	}
	return FRAMING_BODY;
}

/* The handler starts now, and reads the body itself. */
static COLD enum framing
stream(struct http *http)
{
	stream_begin(http);
	return whole(http, http->head.at);
}

/*
 * Who would have to log in, and does not try, need not send a long body first.
 * Whether a password is right is found out where handlers run.
 */
static COLD bool
is_strange(const struct http *http, bool expects)
{
	return http->exchange->loop->server->users != NULL &&
	    (expects || http->phase != PHASE_MEMORY) && !auth_is_tried(http);
}

static COLD enum framing
refuse_stranger(struct http *http)
{
	http->exchange->is_unread = true;
	request_build(http);
	auth_refuse(http);
	http->request.close_connection = true;
	reply_finish(http);
	return FRAMING_REPLY;
}

/*
 * The head is there.  Whoever expects 100 may be refused; it is asked for its
 * body only if it has not begun to send it (RFC 9110, section 10.1.1).
 */
static enum framing
frame_after_head(struct http *http)
{
	const struct head *head = &http->head;
	const bool has_body = head->is_chunked || head->length > 0;
	const bool expects = head->has_expect && http->class->is_11;

	if (!has_body && !expects)
		return whole(http, http->body_end = head->at);
	if (choose_body(http) != FRAMING_BODY)
		return FRAMING_REPLY;
	if (is_strange(http, expects))
		return refuse_stranger(http);
	if (expects && !is_invited(http))
		return uninvited(http);
	if (expects && reply_put_interim(http) == -1)
		return FRAMING_END;
	if (!has_body)
		return whole(http, head->at);
	if (stream_is_wanted(http))
		return stream(http);
	if (expects && http_there(http) == head->at &&
	    framing_invite(http) == -1)
		return FRAMING_END;
	return frame_body(http);
}

WHOLE enum framing
framing_frame(struct exchange *exchange)
{
	struct http *http = http_of(exchange);
	const struct input *input = &exchange->input;

	if (http->phase != PHASE_HEAD)
		return frame_body(http);
	switch (head_parse(&http->head, input->data + input->start,
	    input->end - input->start)) {
	case HEAD_MORE:
		return FRAMING_HEAD;
	case HEAD_BAD:
		return refuse_head(http);
	case HEAD_DONE:
		break;
	}
	return frame_after_head(http);
}

void
framing_late(struct exchange *exchange)
{
	(void)refuse(http_of(exchange), 408, NULL);
}
