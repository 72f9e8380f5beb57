/* SPDX-License-Identifier: ISC */
/*
 * The head of a reply: Python's send_response(), send_header() and
 * end_headers().  A field that could break the reply does not get into it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "../base/cold.h"
#include "../base/public.h"
#include "../base/text.h"
#include "reply_parts.h"

static COLD int
grow_head(struct http *http, size_t room)
{
	struct reply *reply = &http->reply;
	size_t size = reply->head_size;
	char *head;

	while (size - reply->head_length < room) {
		if (size > SIZE_MAX / 2)
			return reply_stick(http, ENOMEM);
		size *= 2;
	}
	head = arena_alloc(&http->exchange->arena, size);
	if (head == NULL)
		return reply_stick(http, ENOMEM);
	memcpy(head, reply->head, reply->head_length);
	reply->head = head;
	reply->head_size = size;
	return 0;
}

int
reply_add(struct http *http, const char *text, size_t length)
{
	struct reply *reply = &http->reply;

	if (reply->head_size - reply->head_length < length &&
	    grow_head(http, length) == -1)
		return -1;
	memcpy(reply->head + reply->head_length, text, length);
	reply->head_length += length;
	return 0;
}

int
reply_add_field(struct http *http, const char *name, size_t name_length,
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

bool
reply_is_line(const char *text, size_t length)
{
	size_t i = text_printable(text, length);

	/* The last eight bytes at once, though some were looked at before. */
	if (length - i < 8 && length >= 8 &&
	    text_printable(text + length - 8, 8) == 8)
		return true;
	for (; i < length; i++) {
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') ||
		    text[i] == 0x7f)
			return false;
	}
	return true;
}

static APART int
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
	if (reply_add(http, line, 13) == -1 ||
	    reply_add(http, message, strlen(message)) == -1)
		return -1;
	return reply_add(http, "\r\n", 2);
}

static int
begin_reply(struct http *http, int code, const char *message)
{
	struct reply *reply = &http->reply;

	if (code < 100 || code > 999 ||
	    (message != NULL && !reply_is_line(message, strlen(message)))) {
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

static COLD int
add_opening(struct http *http, int code, const char *message, const char *date)
{
	const char *version = tine_version_string(&http->request);

	if (add_status(http, code, message) == -1)
		return -1;
	if (version != NULL && *version != '\0' &&
	    reply_is_line(version, strlen(version)) &&
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
		return reply_add(http, last.text, last.length);
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

TINE_PUBLIC WHOLE int
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
static COLD int
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

/* A length where none may be: RFC 9110, sections 8.6 and 9.3.6. */
static bool
is_needless(const struct http *http, const char *name, size_t length)
{
	const int code = http->reply.code;

	return length == 14 && code != 0 &&
	    (code < 200 || code == 204 || reply_is_tunnel(http)) &&
	    text_equal_case(name, 14, "Content-Length", 14);
}

TINE_PUBLIC WHOLE int
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
	if (!reply_is_line(value, length) ||
	    !note_field(http, name, name_length, value, length))
		return refuse_field(http, name);
	return reply_add_field(http, name, name_length, value, length);
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
		return reply_stick(http_of_request(req), ENOMEM);
	return tine_send_header(req, name, value);
}

int
reply_add_fields(struct http *http, const char *fields, size_t size,
    off_t length)
{
	struct reply *reply = &http->reply;

	reply->has_type = reply->has_length = true;
	reply->length = length;
	return reply_add(http, fields, size);
}

int
reply_put_interim(struct http *http)
{
	struct reply *reply = &http->reply;

	if (reply->head_length > 0 && output_append(output_of(http),
	    reply->head, reply->head_length) == -1)
		return reply_stick(http, errno);
	reply->head_length = 0;
	return 0;
}

/*
 * An interim reply goes out at once, so that nothing of the one that follows
 * can come before it.  Where nothing can be sent yet, it is the beginning of
 * the head.
 */
static APART int
end_interim(struct http *http)
{
	struct reply *reply = &http->reply;

	if (reply_add(http, "\r\n", 2) == -1)
		return -1;
	reply->interim += reply->head_length;
	reply->code = 0;
	if (http->head.minor == 0)
		reply->head_length = 0;
	if (http->exchange->push == NULL)
		return 0;
	if (reply_put_interim(http) == -1 || reply_push(http, true) == -1)
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
		return reply_stick(http, errno);
	return 0;
}
