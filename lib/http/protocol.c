/* SPDX-License-Identifier: ISC */
/*
 * HTTP as the serving loop knows it: the beginning and the end of a request,
 * and what is said of one from outside.  The rest of what the loop asks is in
 * framing.c, handling.c, request_save.c and request_pack.c.
 */
#include <string.h>

#include "../server/loop.h"
#include "../server/server.h"
#include "protocol_parts.h"
#include "users.h"

static void
begin(struct exchange *exchange)
{
	struct http *http = http_of(exchange);
	const struct settings *settings = exchange->loop->settings;

	http->exchange = exchange;
	http->class = exchange->loop->server->handler;
	http->phase = PHASE_HEAD;
	http->is_built = false;
	http->user = NULL;
	http->body_end = 0;
	http->request_end = 0;
	http->body_length = 0;
	http->body_read = 0;
	http->cleanups = NULL;
	http->is_streamed = http->is_invited = false;
	http->stream_error = 0;
	head_init(&http->head, settings->max_head, settings->max_fields);
	reply_init(http);
}

static const char *
full(const struct loop *loop, size_t *length)
{
	const struct http_class *class = loop->server->handler;

	*length = class->lost[2].length;
	return class->lost[2].text;
}

static size_t
used(const struct exchange *exchange)
{
	const struct http *http = exchange->protocol;
	const size_t there = exchange->input.end - exchange->input.start;

	return http->request_end < there ? http->request_end : there;
}

static void
done(struct exchange *exchange, enum outcome outcome)
{
	struct http *http = http_of(exchange);

	if (exchange->output.missing > 0)
		log_shrunk(http, exchange->output.missing);
	if (http->reply.code != 0 && outcome != OUTCOME_GIVEN)
		log_reply(http);
	request_end(http);
	exchange->input.start += used(exchange);
}

static const char *
describe(const struct exchange *exchange, size_t *length)
{
	const struct http *http = exchange->protocol;
	const struct input *input = &exchange->input;
	char *line = input->data + input->start + http->head.line.at;

	/* Not built yet: the line still ends with CR in the input. */
	*length = http->head.line.length;
	line[*length] = '\0';
	return line;
}

static void
failed(struct exchange *exchange, int status)
{
	struct http *http = http_of(exchange);

	if (exchange->output.sent == 0) {
		reply_refuse(http, status, NULL);
		return;
	}
	/* How the reply was to end is not known here: so it is a reset. */
	request_build(http);
	exchange->is_close = true;
	exchange->is_cut = true;
	exchange->is_broken = true;
}

static const char *
lost(const struct exchange *exchange, int status, size_t *length)
{
	const struct http *http = exchange->protocol;
	const struct input *input = &exchange->input;
	const char *line = input->data + input->start + http->head.line.at;
	const size_t which = status == 504;
	const bool is_head = memcmp(line, "HEAD ", 5) == 0;

	*length = is_head ? http->class->lost[which].head
	    : http->class->lost[which].length;
	return http->class->lost[which].text;
}

const struct protocol protocol_http = {
	.name = "http",
	.exchange_size = sizeof(struct http),
	.prepare = users_prepare,
	.begin = begin,
	.frame = framing_frame,
	.spool = framing_spool,
	.handle = handling_run,
	.late = framing_late,
	.full = full,
	.done = done,
	.used = used,
	.save = request_save,
	.restore = request_restore,
	.rehearse = request_rehearse,
	.save_outcome = request_save_outcome,
	.restore_outcome = request_restore_outcome,
	.pack = request_pack,
	.unpack = request_unpack,
	.failed = failed,
	.lost = lost,
	.describe = describe
};
