/* SPDX-License-Identifier: ISC */
/*
 * The reply: Python's send_response() and its kin.
 *
 * The head is gathered apart from the body, and how the body's end is told
 * is decided as late as can be: a short reply gets its Content-Length, a long
 * one is chunked.  Until then nothing is out, so that a handler may think
 * again, and one that fails can be answered for.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdio.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "../base/text.h"
#include "../server/connection.h"
#include "../server/loop.h"
#include "../server/server.h"
#include "http.h"

#define STAGE	((size_t)4096)		/* small writes make one chunk */

static const char default_page[] =
    "<head>\n"
    "<title>Error response</title>\n"
    "</head>\n"
    "<body>\n"
    "<h1>Error response</h1>\n"
    "<p>Error code %(code)d.\n"
    "<p>Message: %(message)s.\n"
    "<p>Error code explanation: %(code)d = %(explain)s.\n"
    "</body>\n";

static struct output *
output_of(struct http *http)
{
	return &http->exchange->output;
}

static int
stick(struct http *http, int error)
{
	if (http->reply.error == 0)
		http->reply.error = error;
	errno = error;
	return -1;
}

void
reply_init(struct http *http)
{
	struct reply *reply = &http->reply;

	memset(reply, 0, offsetof(struct reply, memory));
	reply->head = reply->memory;
	reply->head_size = sizeof(reply->memory);
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

	if (http->wfile != NULL) {
		(void)fpurge(http->wfile);
	}
	output_reset(output_of(http));
	reply_init(http);
	http->reply.is_logged = is_logged;
}

/* ---------------------------------------------------------------- the head */

static int
grow_head(struct http *http, size_t room)
{
	struct reply *reply = &http->reply;
	size_t size = reply->head_size;
	char *head;

	while (size - reply->head_length < room) {
		if (size > SIZE_MAX / 2)
			return stick(http, ENOMEM);
		size *= 2;
	}
	head = arena_alloc(&http->exchange->arena, size);
	if (head == NULL)
		return stick(http, ENOMEM);
	memcpy(head, reply->head, reply->head_length);
	reply->head = head;
	reply->head_size = size;
	return 0;
}

static int
add(struct http *http, const char *text, size_t length)
{
	struct reply *reply = &http->reply;

	if (reply->head_size - reply->head_length < length &&
	    grow_head(http, length) == -1)
		return -1;
	memcpy(reply->head + reply->head_length, text, length);
	reply->head_length += length;
	return 0;
}

static int
add_field(struct http *http, const char *name, size_t name_length,
    const char *value, size_t value_length)
{
	struct reply *reply = &http->reply;
	const size_t length = name_length + value_length + 4;
	char *to;

	if (reply->head_size - reply->head_length < length &&
	    grow_head(http, length) == -1)
		return -1;
	to = reply->head + reply->head_length;
	memcpy(to, name, name_length);
	to += name_length;
	*to++ = ':';
	*to++ = ' ';
	memcpy(to, value, value_length);
	to += value_length;
	*to++ = '\r';
	*to++ = '\n';
	reply->head_length += length;
	return 0;
}

#define ADD_FIELD(http, name, value, length) \
	add_field((http), (name), sizeof(name) - 1, (value), (length))

/* No control character but TAB: it could end the line. */
static bool
is_line(const char *text, size_t length)
{
	for (size_t i = text_printable(text, length); i < length; i++) {
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') ||
		    text[i] == 0x7f)
			return false;
	}
	return true;
}

static int
add_status(struct http *http, int code, const char *message)
{
	char line[16] = "HTTP/1.1 ";

	if (message == NULL) {
		const struct status *status = status_find(code);

		message = status != NULL ? status->phrase : "";
	}
	if (!http->class->is_11)
		line[7] = '0';
	line[9] = (char)('0' + code / 100);
	line[10] = (char)('0' + code / 10 % 10);
	line[11] = (char)('0' + code % 10);
	line[12] = ' ';
	if (add(http, line, 13) == -1 ||
	    add(http, message, strlen(message)) == -1)
		return -1;
	return add(http, "\r\n", 2);
}

static int
begin_reply(struct http *http, int code, const char *message)
{
	struct reply *reply = &http->reply;

	if (code < 100 || code > 999 ||
	    (message != NULL && !is_line(message, strlen(message)))) {
		errno = EINVAL;
		return -1;
	}
	if (reply->code != 0) {
		errno = EALREADY;
		return -1;
	}
	reply->code = code;
	return 0;
}

TINE_PUBLIC int
tine_send_response_only(struct tine_request *req, int code,
    const char *message)
{
	struct http *http = http_of_request(req);

	if (begin_reply(http, code, message) == -1)
		return -1;
	return add_status(http, code, message);
}

static void
log_request(struct http *http, int code)
{
	void (*hook)(struct tine_request *, int) =
	    http->class->handler.log_request;

	if (code < 200)
		return;
	if (hook == NULL)
		http->reply.is_logged = true;
	else
		hook(&http->request, code);
}

static int
add_opening(struct http *http, int code, const char *message, const char *date)
{
	const char *version = tine_version_string(&http->request);

	if (add_status(http, code, message) == -1)
		return -1;
	if (version != NULL && *version != '\0' &&
	    is_line(version, strlen(version)) &&
	    ADD_FIELD(http, "Server", version, strlen(version)) == -1)
		return -1;
	return ADD_FIELD(http, "Date", date, 29);
}

/*
 * The status line, Server and Date are the same for most replies of a second:
 * each thread keeps the last that it made.
 */
static int
add_usual_opening(struct http *http, int code)
{
	static _Thread_local struct {
		time_t		 made;
		unsigned	 class;
		int		 code;
		size_t		 length;
		char		 text[256];
	} last;
	struct reply *reply = &http->reply;
	const time_t now = time(NULL);
	const size_t before = reply->head_length;

	if (last.made == now && last.code == code &&
	    last.class == http->class->serial)
		return add(http, last.text, last.length);
	if (add_opening(http, code, NULL, log_http_date()) == -1)
		return -1;
	last.code = 0;
	if (reply->head_length - before > sizeof(last.text))
		return 0;
	last.length = reply->head_length - before;
	memcpy(last.text, reply->head + before, last.length);
	last.made = now;
	last.class = http->class->serial;
	last.code = code;
	return 0;
}

TINE_PUBLIC int
tine_send_response(struct tine_request *req, int code, const char *message)
{
	struct http *http = http_of_request(req);

	if (begin_reply(http, code, message) == -1)
		return -1;
	log_request(http, code);
	if (message == NULL && http->class->handler.version_string == NULL)
		return add_usual_opening(http, code);
	return add_opening(http, code, message, log_http_date());
}

/* A field of the handler's that could break the reply. */
static int
refuse_field(struct http *http, const char *name)
{
	if (!http->reply.is_refused)
		tine_log(&http->request, TINE_LOG_ERROR, "the handler sent a "
		    "header field that is not allowed: %.64s", name);
	http->reply.is_refused = true;
	errno = EINVAL;
	return -1;
}

static bool
note_length(struct http *http, const char *value, size_t length)
{
	struct reply *reply = &http->reply;

	if (reply->has_length ||
	    !head_number(value, length, &reply->length))
		return false;
	reply->has_length = true;
	return true;
}

static bool
note_connection(struct http *http, const char *value, size_t length)
{
	http->reply.has_connection = true;
	if (text_equal_case(value, length, "close", 5))
		http->request.close_connection = true;
	else if (http->class->is_11 &&
	    text_equal_case(value, length, "keep-alive", 10))
		http->request.close_connection = false;
	return true;
}

/*
 * Whether the field may be sent, and what it says of framing.  A name that is
 * known is a token.
 */
static bool
note_field(struct http *http, const char *name, size_t name_length,
    const char *value, size_t length)
{
	switch (name_length) {
	case 10:
		if (text_equal_case(name, 10, "Connection", 10))
			return note_connection(http, value, length);
		break;
	case 12:
		if (!text_equal_case(name, 12, "Content-Type", 12))
			break;
		http->reply.has_type = true;
		return true;
	case 14:
		if (text_equal_case(name, 14, "Content-Length", 14))
			return note_length(http, value, length);
		break;
	case 17:
		if (text_equal_case(name, 17, "Transfer-Encoding", 17))
			return false;
		break;
	}
	return text_is_token(name, name_length);
}

/* A length where none may be: RFC 9110, section 8.6. */
static bool
is_needless(const struct http *http, const char *name, size_t length)
{
	const int code = http->reply.code;

	return length == 14 && code != 0 && (code < 200 || code == 204) &&
	    text_equal_case(name, 14, "Content-Length", 14);
}

TINE_PUBLIC int
tine_send_header(struct tine_request *req, const char *name,
    const char *value)
{
	struct http *http = http_of_request(req);
	const size_t name_length = strlen(name), length = strlen(value);

	if (http->reply.is_head_ended) {
		errno = EALREADY;
		return -1;
	}
	if (is_needless(http, name, name_length))
		return 0;
	if (!is_line(value, length) ||
	    !note_field(http, name, name_length, value, length))
		return refuse_field(http, name);
	return add_field(http, name, name_length, value, length);
}

TINE_PUBLIC int
tine_send_headerf(struct tine_request *req, const char *name,
    const char *format, ...)
{
	va_list ap;
	char *value;

	va_start(ap, format);
	value = arena_vprintf(&http_of_request(req)->exchange->arena, format,
	    ap);
	va_end(ap);
	if (value == NULL)
		return stick(http_of_request(req), ENOMEM);
	return tine_send_header(req, name, value);
}

int
reply_add_fields(struct http *http, const char *fields, size_t size,
    off_t length)
{
	struct reply *reply = &http->reply;

	reply->has_type = reply->has_length = true;
	reply->length = length;
	return add(http, fields, size);
}

/* Sends what the client takes now, so that less goes to the spool. */
static int
push(struct http *http, bool wait)
{
	struct exchange *exchange = http->exchange;

	if (exchange->push == NULL)
		return 0;
	if (exchange->push(exchange, wait) == -1)
		return stick(http, errno);
	return 0;
}

int
reply_put_interim(struct http *http)
{
	struct reply *reply = &http->reply;

	if (reply->head_length > 0 && output_append(output_of(http),
	    reply->head, reply->head_length) == -1)
		return stick(http, errno);
	reply->head_length = 0;
	return 0;
}

/*
 * An interim reply goes out at once, so that nothing of the one that follows
 * can come before it.  Where nothing can be sent yet, it is the beginning of
 * the head.
 */
static int
end_interim(struct http *http)
{
	struct reply *reply = &http->reply;

	if (add(http, "\r\n", 2) == -1)
		return -1;
	reply->interim += reply->head_length;
	reply->code = 0;
	if (http->head.minor == 0)
		reply->head_length = 0;
	if (http->exchange->push == NULL)
		return 0;
	if (reply_put_interim(http) == -1 || push(http, true) == -1)
		return -1;
	/* It is no part of the reply: a failure may still be answered. */
	http->exchange->output.sent = 0;
	return 0;
}

TINE_PUBLIC int
tine_end_headers(struct tine_request *req)
{
	struct http *http = http_of_request(req);
	struct reply *reply = &http->reply;

	if (reply->is_head_ended || reply->code == 0) {
		errno = reply->is_head_ended ? EALREADY : EINVAL;
		return -1;
	}
	if (reply->code < 200 && reply->code != 101)
		return end_interim(http);
	reply->is_head_ended = true;
	return 0;
}

TINE_PUBLIC int
tine_flush_headers(struct tine_request *req)
{
	struct http *http = http_of_request(req);
	struct reply *reply = &http->reply;

	if (reply->code == 0 || reply->is_head_ended) {
		errno = EINVAL;
		return -1;
	}
	/* The head goes on in what is written, so its end cannot be known. */
	http->request.close_connection = true;
	reply->is_head_ended = true;
	reply->framing = REPLY_CLOSE;
	if (output_append(output_of(http), reply->head, reply->head_length) ==
	    -1)
		return stick(http, errno);
	return 0;
}

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
static int
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
		return stick(http, errno);
	if (add_framing(http, is_last) == -1 || add_connection(http) == -1 ||
	    add(http, "\r\n", 2) == -1 ||
	    output_prepend(output_of(http), reply->head,
	    reply->head_length) == -1)
		return stick(http, errno);
	return 0;
}

/* ---------------------------------------------------------------- the body */

static bool
reply_is_undecided(const struct http *http)
{
	return http->reply.framing == REPLY_UNDECIDED;
}

static int
put(struct http *http, const void *data, size_t length)
{
	const int kept = output_keep(output_of(http), data, length);

	if (kept == 1)
		return 0;
	if (kept == -1)
		return stick(http, errno);
	if (!output_fits(output_of(http), length) && push(http, false) == -1)
		return -1;
	if (output_append(output_of(http), data, length) == 0)
		return 0;
	/* Past the bound of its spool a reply waits for its client. */
	if (errno != EFBIG && errno != ENOSPC && errno != EDQUOT)
		return stick(http, errno);
	if (http->exchange->push == NULL || reply_is_undecided(http))
		return stick(http, errno);
	if (push(http, true) == -1)
		return -1;
	if (output_append(output_of(http), data, length) == -1)
		return stick(http, errno);
	return 0;
}

static int
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

static int
put_staged(struct http *http, const char *data, size_t length)
{
	struct reply *reply = &http->reply;

	if (reply->staged == NULL)
		reply->staged = arena_alloc(&http->exchange->arena, STAGE);
	if (reply->staged == NULL)
		return stick(http, ENOMEM);
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
		(void)stick(http, EFBIG);
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

TINE_PUBLIC ssize_t
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
		return stick(http, EFBIG);
	if (need_head(http) == -1 || admit(http, length) == -1)
		return -1;
	if (!reply_has_no_body(http) && length > 0 &&
	    write_body(http, data, length) == -1)
		return -1;
	reply->written += (off_t)length;
	return (ssize_t)length;
}

TINE_PUBLIC ssize_t
tine_puts(struct tine_request *req, const char *text)
{
	return tine_write(req, text, strlen(text));
}

TINE_PUBLIC ssize_t
tine_vprintf(struct tine_request *req, const char *format, va_list ap)
{
	char text[512], *larger;
	va_list again;
	ssize_t n;
	int length;

	va_copy(again, ap);
	length = vsnprintf(text, sizeof(text), format, ap);
	if (length >= 0 && (size_t)length < sizeof(text)) {
		n = tine_write(req, text, (size_t)length);
	} else if (vasprintf(&larger, format, again) == -1) {
		n = stick(http_of_request(req), ENOMEM);
	} else {
		n = tine_write(req, larger, strlen(larger));
		free(larger);
	}
	va_end(again);
	return n;
}

TINE_PUBLIC ssize_t
tine_printf(struct tine_request *req, const char *format, ...)
{
	va_list ap;
	ssize_t n;

	va_start(ap, format);
	n = tine_vprintf(req, format, ap);
	va_end(ap);
	return n;
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
		return stick(http, errno);
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
		return stick(http, errno);
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
		return stick(http, errno);
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
		return push(http, true);
	if (need_head(http) == -1 || decide(http, false) == -1 ||
	    flush_stage(http) == -1)
		return -1;
	return push(http, true);
}

static int
write_stream(void *cookie, const char *data, int length)
{
	struct http *http = http_of_request(cookie);
	ssize_t n;

	http->is_flushing = true;
	n = tine_write(cookie, data, (size_t)length);
	http->is_flushing = false;
	return (int)n;
}

TINE_PUBLIC FILE *
tine_wfile(struct tine_request *req)
{
	struct http *http = http_of_request(req);

	if (http->wfile == NULL)
		http->wfile = funopen(req, NULL, write_stream, NULL, NULL);
	return http->wfile;
}

TINE_PUBLIC int
tine_output_error(const struct tine_request *req)
{
	return http_of_request(req)->reply.error;
}

void
reply_flush_files(struct http *http)
{
	if (http->wfile != NULL)
		(void)fflush(http->wfile);
}

/* ------------------------------------------------------------- error pages */

/* Is filled twice: at first out is NULL, and the length is what is sought. */
struct page {
	char	*out;
	size_t	 size, length;
};

static void
page_put(struct page *page, const char *text, size_t length)
{
	if (page->out != NULL)
		memcpy(page->out + page->length, text, length);
	page->length += length;
}

static void
page_text(struct page *page, const char *text)
{
	const size_t length = strlen(text);

	if (page->out == NULL)
		page->length += text_escape_html(NULL, 0, text, length);
	else
		page->length += text_escape_html(page->out + page->length,
		    page->size - page->length, text, length);
}

static bool
takes(const char **at, const char *name)
{
	const size_t length = strlen(name);

	if (strncmp(*at, name, length) != 0)
		return false;
	*at += length;
	return true;
}

/* Python's % operator, for the three names that it has here. */
static void
page_fill(struct page *page, const char *format, int code, const char *message,
    const char *explain)
{
	char digits[20];

	while (*format != '\0') {
		if (takes(&format, "%(code)d") || takes(&format, "%(code)s"))
			page_put(page, digits, text_unsigned(digits,
			    (uint64_t)code));
		else if (takes(&format, "%(message)s"))
			page_text(page, message);
		else if (takes(&format, "%(explain)s"))
			page_text(page, explain);
		else if (takes(&format, "%%"))
			page_put(page, "%", 1);
		else
			page_put(page, format++, 1);
	}
}

static char *
page_make(const struct http_class *class, int code, const char *message,
    const char *explain, size_t *length)
{
	const char *format = class->handler.error_message_format;
	struct page page = { .out = NULL };

	if (format == NULL)
		format = default_page;
	page_fill(&page, format, code, message, explain);
	page.size = page.length + 1;
	page.out = malloc(page.size);
	if (page.out == NULL)
		return NULL;
	*length = page.length;
	page.length = 0;
	page_fill(&page, format, code, message, explain);
	page.out[page.length] = '\0';
	return page.out;
}

char *
reply_prepare(const struct http_class *class, int code, size_t *length,
    size_t *head)
{
	const struct status *status = status_find(code);
	size_t size;
	char *page, *text = NULL;
	int n;

	page = page_make(class, code, status->phrase, status->explain, &size);
	if (page == NULL)
		return NULL;
	n = asprintf(&text, "HTTP/1.%d %d %s\r\nServer: %s\r\n"
	    "Content-Type: %s\r\nContent-Length: %zu\r\n"
	    "%sConnection: close\r\n\r\n%s", class->is_11, code,
	    status->phrase, class->version,
	    class->handler.error_content_type, size,
	    code == 503 ? "Retry-After: 10\r\n" : "", page);
	free(page);
	if (n == -1)
		return NULL;
	*length = (size_t)n;
	*head = (size_t)n - size;
	return text;
}

/* The fields of an error that its caller wants; without any it closes. */
static int
add_error_fields(struct tine_request *req, const struct tine_field *fields)
{
	if (fields == NULL)
		return tine_send_header(req, "Connection", "close");
	for (; fields->name != NULL; fields++) {
		if (tine_send_header(req, fields->name, fields->value) == -1)
			return -1;
	}
	return 0;
}

static int
send_page(struct http *http, const char *message, const char *explain,
    const struct tine_field *fields)
{
	const char *type = http->class->handler.error_content_type;
	struct tine_request *req = &http->request;
	size_t length = 0;
	char *page;
	int result = 0;

	page = page_make(http->class, http->reply.code, message, explain,
	    &length);
	if (page == NULL)
		return stick(http, ENOMEM);
	if (tine_send_header(req, "Content-Type", type) == -1 ||
	    (http->class->is_11 && tine_send_headerf(req, "Content-Length",
	    "%zu", length) == -1) ||
	    add_error_fields(req, fields) == -1 ||
	    tine_end_headers(req) == -1 ||
	    tine_write(req, page, length) == -1)
		result = -1;
	free(page);
	return result;
}

/* The reply that is out cannot be completed: its end must show that. */
static void
cut(struct http *http)
{
	struct exchange *exchange = http->exchange;

	exchange->is_close = true;
	exchange->is_cut = true;
	exchange->is_broken = http->reply.framing == REPLY_CLOSE;
}

/* Without fields the connection ends, as Python's does. */
static int
send_error(struct http *http, int code, const char *message,
    const char *explain, const struct tine_field *fields)
{
	struct tine_request *req = &http->request;
	const struct status *status = status_find(code);

	if (code < 100 || code > 999 ||
	    (message != NULL && !is_line(message, strlen(message)))) {
		errno = EINVAL;
		return -1;
	}
	if (reply_is_out(http)) {
		cut(http);
		errno = EALREADY;
		return -1;
	}
	reply_drop(http);
	if (message == NULL)
		message = status != NULL ? status->phrase : "???";
	if (explain == NULL)
		explain = status != NULL ? status->explain : "???";
	tine_log_error(req, "code %d, message %s", code, message);
	http->reply.is_error = true;
	if (tine_send_response(req, code, message) == -1)
		return -1;
	http->reply.is_error = true;
	if (code >= 200 && code != 204 && code != 205 && code != 304)
		return send_page(http, message, explain, fields);
	if (add_error_fields(req, fields) == -1)
		return -1;
	return tine_end_headers(req);
}

TINE_PUBLIC int
tine_send_error(struct tine_request *req, int code, const char *message,
    const char *explain)
{
	return send_error(http_of_request(req), code, message, explain, NULL);
}

int
reply_send_error(struct http *http, int code, const char *message,
    const struct tine_field *fields)
{
	return send_error(http, code, message, NULL, fields);
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

static void
fail(struct http *http, const char *what, int code)
{
	log_failure(http, what);
	if (reply_is_out(http)) {
		cut(http);
		return;
	}
	if (tine_send_error(&http->request, code, NULL, NULL) == -1)
		cut(http);
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
	    reply->error == ETIMEDOUT)
		cut(http);
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
	/* A client that was not told so may send its next one: see drain_idle. */
	if (reply_is_undecided(http) && loop_is_ending(http->exchange->loop))
		http->request.close_connection = true;
	if (decide(http, true) == -1 || flush_stage(http) == -1 ||
	    (reply->framing == REPLY_CHUNKED &&
	    put(http, "0\r\n\r\n", 5) == -1))
		cut(http);
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
