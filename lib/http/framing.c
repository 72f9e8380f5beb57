/* SPDX-License-Identifier: ISC */
/*
 * HTTP for the serving loop: where a request ends, and what is answered when
 * it cannot be one.  A request whose head and body are there is handed to
 * its handler; until then the handler knows nothing of it.
 */
#include <errno.h>
#include <string.h>

#include "../server/connection.h"
#include "../server/loop.h"
#include "../server/server.h"
#include "auth.h"
#include "http.h"

#define SPOOL_PIECE	((size_t)64 * 1024)

static const struct settings *
settings_of(const struct http *http)
{
	return http->exchange->loop->settings;
}

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

/*
 * Answers instead of a handler.  What the client may still send is not read
 * as a request: the connection ends.
 */
static enum framing
refuse(struct http *http, int code, const char *message)
{
	http->exchange->is_unread = true;
	reply_refuse(http, code, message);
	return FRAMING_REPLY;
}

static enum framing
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

/* What is there of the input, from the request's first byte. */
static size_t
there(const struct http *http)
{
	return http->exchange->input.end - http->exchange->input.start;
}

static enum framing
frame_memory(struct http *http)
{
	const size_t end = http->head.at + (size_t)http->head.length;

	if (there(http) < end) {
		http->exchange->input.wanted = end - there(http);
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
	if (there(http) > http->head.at)
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
	const size_t raw = there(http) - http->body_end;
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

static enum framing
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
static enum framing
spool(struct exchange *exchange)
{
	struct http *http = http_of(exchange);
	struct input *input = &exchange->input;
	char *body = input->data + input->start + http->head.at;
	size_t n;

	if (http->phase == PHASE_CHUNKED) {
		n = http->body_end - http->head.at;
	} else {
		const off_t left = http->head.length - exchange->body.length;

		n = there(http) - http->head.at;
		if ((off_t)n > left)
			n = (size_t)left;
	}
	if (spool_append(&exchange->body, body, n) == -1)
		return disk_failed(http);
	memmove(body, body + n, there(http) - http->head.at - n);
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
static bool
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
static enum framing
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

static enum framing
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

static enum framing
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
static enum framing
stream(struct http *http)
{
	stream_begin(http);
	return whole(http, http->head.at);
}

/*
 * Who would have to log in, and does not try, need not send a long body first.
 * Whether a password is right is found out where handlers run.
 */
static bool
is_strange(const struct http *http, bool expects)
{
	return http->exchange->loop->server->users != NULL &&
	    (expects || http->phase != PHASE_MEMORY) && !auth_is_tried(http);
}

static enum framing
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
	if (expects && there(http) == head->at && framing_invite(http) == -1)
		return FRAMING_END;
	return frame_body(http);
}

static enum framing
frame(struct exchange *exchange)
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

static void
late(struct exchange *exchange)
{
	(void)refuse(http_of(exchange), 408, NULL);
}

static const char *
full(const struct loop *loop, size_t *length)
{
	const struct http_class *class = loop->server->handler;

	*length = class->lost[2].length;
	return class->lost[2].text;
}

/* ---------------------------------------------------------------- handling */

typedef void method(struct tine_request *);

static method *
method_named(const struct tine_http_handler *handler, const char *command,
    size_t length)
{
	switch (length) {
	case 3:
		if (memcmp(command, "GET", 3) == 0)
			return handler->do_GET;
		return memcmp(command, "PUT", 3) == 0 ? handler->do_PUT : NULL;
	case 4:
		if (memcmp(command, "POST", 4) == 0)
			return handler->do_POST;
		return memcmp(command, "HEAD", 4) == 0 ? handler->do_HEAD
		    : NULL;
	case 5:
		if (memcmp(command, "PATCH", 5) == 0)
			return handler->do_PATCH;
		return memcmp(command, "TRACE", 5) == 0 ? handler->do_TRACE
		    : NULL;
	case 6:
		return memcmp(command, "DELETE", 6) == 0 ? handler->do_DELETE
		    : NULL;
	case 7:
		if (memcmp(command, "OPTIONS", 7) == 0)
			return handler->do_OPTIONS;
		return memcmp(command, "CONNECT", 7) == 0 ? handler->do_CONNECT
		    : NULL;
	default:
		return NULL;
	}
}

static method *
method_of(const struct http *http)
{
	const struct tine_http_handler *handler = &http->class->handler;
	const char *command = http->request.command;
	/* It is empty if there was no memory for it. */
	const size_t length = *command == '\0' ? 0 : http->head.method.length;
	method *function = method_named(handler, command, length);

	return function != NULL ? function : handler->do_method;
}

static void
refuse_method(struct http *http)
{
	char quoted[80], message[128];

	log_quote(quoted, sizeof(quoted), http->request.command,
	    strlen(http->request.command));
	(void)snprintf(message, sizeof(message), "Unsupported method (%s)",
	    quoted);
	(void)tine_send_error(&http->request, 501, message, NULL);
}

static void
call_handler(struct http *http)
{
	const struct tine_http_handler *handler = &http->class->handler;
	struct tine_request *req = &http->request;
	method *function = method_of(http);

	if (function == NULL) {
		refuse_method(http);
	} else if (handler->setup != NULL && handler->setup(req) == -1) {
		if (http->reply.code == 0)
			log_failure(http, "setup refused the request");
	} else {
		function(req);
		if (handler->finish != NULL)
			handler->finish(req);
	}
}

static void
handle(struct exchange *exchange)
{
	struct http *http = http_of(exchange);

	request_build(http);
	http->is_handling = true;
	if (exchange->loop->server->users == NULL || auth_admit(http))
		call_handler(http);
	reply_finish(http);
	http->is_handling = false;
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

	if (http->reply.code != 0 && outcome != OUTCOME_GIVEN)
		log_reply(http);
	request_end(http);
	exchange->input.start += used(exchange);
}

static const char *
describe(const struct exchange *exchange)
{
	const struct http *http = exchange->protocol;
	const struct input *input = &exchange->input;

	/* Not built yet: the line still ends with CR in the input. */
	input->data[input->start + http->head.line.at +
	    http->head.line.length] = '\0';
	return input->data + input->start + http->head.line.at;
}

/* ------------------------------------------- a handler in another process */

/* What is sent of a request: places, then the head's fields that are there. */
struct saved {
	size_t		 body_end, request_end;
	off_t		 body_length;
	const struct user *user;	/* at the same place in all of them */
};

static size_t
save(struct exchange *exchange, void *out, size_t size, size_t *input_length)
{
	struct http *http = http_of(exchange);
	struct saved saved = {
		.body_end = http->body_end,
		.request_end = http->request_end,
		.body_length = http->body_length
	};
	const size_t head = offsetof(struct head, fields) +
	    http->head.count * sizeof(struct head_field);

	if (sizeof(saved) + head > size)
		return 0;
	if (exchange->loop->server->users != NULL)
		auth_recall(http);
	saved.user = http->user;
	memcpy(out, &saved, sizeof(saved));
	memcpy((char *)out + sizeof(saved), &http->head, head);
	*input_length = http->request_end;
	return sizeof(saved) + head;
}

static int
restore(struct exchange *exchange, const void *from, size_t length)
{
	struct http *http = http_of(exchange);
	struct saved saved;

	if (length < sizeof(saved) + offsetof(struct head, fields) ||
	    length > sizeof(saved) + sizeof(http->head))
		return -1;
	memcpy(&saved, from, sizeof(saved));
	memcpy(&http->head, (const char *)from + sizeof(saved),
	    length - sizeof(saved));
	http->body_end = saved.body_end;
	http->request_end = saved.request_end;
	http->body_length = saved.body_length;
	http->user = saved.user;
	http->phase = PHASE_WHOLE;
	return 0;
}

/*
 * The pages that building a request reads and writes, with those of its
 * answer that are not the same: the clock, and the handler itself.
 */
static void
rehearse(struct exchange *exchange)
{
	static const char text[] = "GET / HTTP/1.1\r\n\r\n";
	struct http *http = http_of(exchange);
	struct input *input = &exchange->input;
	struct head *head = &http->head;
	method *function;

	memcpy(input->data, text, sizeof(text) - 1);
	input->start = 0;
	input->end = sizeof(text) - 1;
	head->method = (struct span){ 0, 3 };
	head->target = head->path = (struct span){ 4, 1 };
	head->line = (struct span){ 0, sizeof(text) - 5 };
	request_build(http);
	(void)tine_date_time_string(&http->request, (time_t)-1);
	function = method_of(http);
	if (function != NULL)
		(void)*(const volatile char *)(uintptr_t)function;
	input->start = input->end = 0;
}

/* ----------------------------------------------------- in another worker */

/* Beside the bytes, whose head is parsed anew.  Part of hand-over's format. */
struct packed {
	uint32_t	phase, reserved;
	uint64_t	body_end, request_end, body_length;
	uint64_t	chunk_state, chunk_digits, chunk_left, chunk_extra;
	uint64_t	chunk_trailers, chunk_done;
};

static int
pack(struct exchange *exchange, void *out, size_t size, size_t *length)
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
	    http->head.line.length] = '\r';	/* see describe() */
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

	if (packed->body_end < head->at || packed->body_end > there(http))
		return false;
	if (packed->phase == PHASE_CHUNKED)
		return head->is_chunked &&
		    chunked_is_sound(&http->chunked) &&
		    packed->body_length == (uint64_t)spooled +
		    packed->body_end - head->at;
	if (packed->phase != PHASE_WHOLE)
		return !head->is_chunked && spooled <= head->length;
	return packed->request_end >= packed->body_end &&
	    packed->request_end <= there(http) && packed->body_length ==
	    (uint64_t)spooled + packed->body_end - head->at &&
	    (head->is_chunked ||
	    packed->body_length == (uint64_t)head->length);
}

static int
unpack(struct exchange *exchange, const void *from, size_t length)
{
	struct http *http = http_of(exchange);
	const struct input *input = &exchange->input;
	struct packed packed;

	if (length != sizeof(packed))
		return -1;
	memcpy(&packed, from, sizeof(packed));
	if (packed.phase < PHASE_MEMORY || packed.phase > PHASE_WHOLE ||
	    head_parse(&http->head, input->data + input->start,
	    there(http)) != HEAD_DONE)
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

/* No bool: a child whose handler writes wild can send any byte. */
struct outcome_saved {
	int		code;
	unsigned char	is_logged, is_close, is_cut, is_broken, ends_by_close;
	unsigned char	is_admitted;	/* name and password were good */
	unsigned char	unused[2];	/* no byte of it is left unset */
	off_t		written;
};

static size_t
save_outcome(struct exchange *exchange, void *out, size_t size)
{
	const struct http *http = http_of(exchange);
	const struct outcome_saved saved = {
		.code = http->reply.code,
		.is_logged = http->reply.is_logged,
		.is_close = exchange->is_close,
		.is_cut = exchange->is_cut,
		.is_broken = exchange->is_broken,
		.ends_by_close = exchange->ends_by_close,
		.is_admitted = http->user != NULL,
		.written = http->reply.written
	};

	if (sizeof(saved) > size)
		return 0;
	memcpy(out, &saved, sizeof(saved));
	return sizeof(saved);
}

static void
restore_outcome(struct exchange *exchange, const void *from, size_t length)
{
	struct http *http = http_of(exchange);
	struct outcome_saved saved = { .is_close = true, .is_cut = true };

	if (length == sizeof(saved))
		memcpy(&saved, from, sizeof(saved));
	request_build(http);
	http->reply.code = saved.code;
	http->reply.is_logged = saved.is_logged != 0;
	http->reply.written = saved.written;
	exchange->is_close = saved.is_close != 0;
	exchange->is_cut = saved.is_cut != 0;
	exchange->is_broken = saved.is_broken != 0;
	exchange->ends_by_close = saved.ends_by_close != 0;
	if (saved.is_admitted != 0 && exchange->loop->server->users != NULL)
		auth_learn(http);
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
	.frame = frame,
	.spool = spool,
	.handle = handle,
	.late = late,
	.full = full,
	.done = done,
	.used = used,
	.save = save,
	.restore = restore,
	.rehearse = rehearse,
	.save_outcome = save_outcome,
	.restore_outcome = restore_outcome,
	.pack = pack,
	.unpack = unpack,
	.failed = failed,
	.lost = lost,
	.describe = describe
};
