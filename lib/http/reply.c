/* SPDX-License-Identifier: ISC */
/*
 * The reply, from its beginning to its end: Python's send_response() and its
 * kin, see reply_head.c, reply_body.c and error_page.c.
 *
 * The head is gathered apart from the body.  Until it is decided how the
 * body's end is told nothing is out, so that a handler may think again, and
 * one that fails can be answered for.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <bsd/stdio.h>

#include "../base/cold.h"
#include "../base/public.h"
#include "../server/loop.h"
#include "reply_parts.h"

void
reply_init(struct http *http)
{
	struct reply *reply = &http->reply;

	memset(reply, 0, offsetof(struct reply, memory));
	reply->head = reply->memory;
	reply->head_size = sizeof(reply->memory);
}

COLD int
reply_stick(struct http *http, int error)
{
	if (http->reply.error == 0)
		http->reply.error = error;
	errno = error;
	return -1;
}

bool
reply_is_out(const struct http *http)
{
	return http->exchange->output.sent > 0;
}

void
reply_drop(struct http *http)
{
	const bool is_logged = http->reply.is_logged;

	if (http->wfile != NULL)
		(void)fpurge(http->wfile);
	output_reset(output_of(http));
	reply_init(http);
	http->reply.is_logged = is_logged;
}

/* ------------------------------------------------------------------- ending */

void
reply_set_close(struct http *http)
{
	struct exchange *exchange = http->exchange;

	if (stream_has_rest(http)) {
		http->request.close_connection = true;
		exchange->is_unread = true;
	}
	if (http->request.close_connection)
		exchange->is_close = true;
	exchange->ends_by_close = http->reply.framing == REPLY_CLOSE;
}

APART void
reply_cut(struct http *http)
{
	struct exchange *exchange = http->exchange;

	exchange->is_close = true;
	exchange->is_cut = true;
	exchange->is_broken = http->reply.framing == REPLY_CLOSE;
}

static COLD void
fail(struct http *http, const char *what, int code)
{
	log_failure(http, what);
	if (reply_is_out(http)) {
		reply_cut(http);
		return;
	}
	if (tine_send_error(&http->request, code, NULL, NULL) == -1)
		reply_cut(http);
}

/* What the handler did wrong, seen when it has returned. */
static void
judge(struct http *http)
{
	struct reply *reply = &http->reply;

	if (reply->code != 0 && reply->error == 0 && !reply->is_refused)
		return;
	if (reply->is_refused && !reply->is_error)
		fail(http, "the reply was dropped for a bad header field",
		    500);
	else if (reply->code == 0 && !reply_is_out(http))
		fail(http, "the handler sent no reply", 500);
	else if (reply->error == ENOSPC || reply->error == EDQUOT)
		fail(http, "no space for the reply's spool", 507);
	else if (reply->error == EFBIG && reply->has_length)
		log_failure(http, "the handler wrote more than its "
		    "Content-Length");
	else if (reply->error == EPIPE || reply->error == ECONNRESET ||
	    reply->error == ETIMEDOUT || reply->error == ENODATA)
		reply_cut(http);
	else if (reply->error != 0)
		fail(http, "the reply could not be kept", 500);
}

static bool
is_too_short(const struct http *http)
{
	const struct reply *reply = &http->reply;

	return reply->has_length && !reply_has_no_body(http) &&
	    reply->written < reply->length;
}

void
reply_finish(struct http *http)
{
	struct reply *reply = &http->reply;

	reply_flush_files(http);
	judge(http);
	if (http->exchange->is_cut) {
		reply_set_close(http);
		return;
	}
	if (!reply->is_head_ended)
		(void)tine_end_headers(&http->request);
	if (is_too_short(http)) {
		log_failure(http, "the handler wrote less than its "
		    "Content-Length");
		http->request.close_connection = true;
	}
	/* One that is not told may send its next request: see drain_idle. */
	if (reply_is_undecided(http) && loop_is_ending(http->exchange->loop))
		http->request.close_connection = true;
	if (reply_end_body(http) == -1)
		reply_cut(http);
	reply_set_close(http);
}

void
reply_refuse(struct http *http, int code, const char *message)
{
	if (http->head.line.length > 0 && http->phase != PHASE_HEAD)
		request_build(http);
	else
		request_build_refused(http);
	http->request.close_connection = true;
	reply_drop(http);
	http->reply.error = 0;
	if (tine_send_error(&http->request, code, message, NULL) == -1) {
		http->exchange->is_close = true;
		return;
	}
	http->request.close_connection = true;
	reply_finish(http);
}
