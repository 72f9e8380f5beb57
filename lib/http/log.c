/* SPDX-License-Identifier: ISC */
/*
 * The request log, in Python's format, and what handlers say to the logs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/cold.h"
#include "../base/date.h"
#include "../base/public.h"
#include "../base/text.h"
#include "../server/connection.h"
#include "../server/loop.h"
#include "../server/server.h"
#include "http.h"

#define LINE_SIZE	8192

/* Dates change once a second: each thread keeps the last that it made. */
static const char *
log_date(void)
{
	static _Thread_local time_t made = -1;
	static _Thread_local char text[21];
	const time_t now = time(NULL);

	if (now != made) {
		date_log(text, now);
		made = now;
	}
	return text;
}

const char *
log_http_date(void)
{
	static _Thread_local time_t made = -1;
	static _Thread_local char text[30];
	const time_t now = time(NULL);

	if (now != made) {
		date_http(text, now);
		made = now;
	}
	return text;
}

void
log_quote(char *out, size_t size, const char *text, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const char quote = memchr(text, '\'', length) != NULL &&
	    memchr(text, '"', length) == NULL ? '"' : '\'';
	size_t n = 0;

	out[n++] = quote;
	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (n + 9 > size) {	/* an escape, "...", a quote, NUL */
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c == (unsigned char)quote || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c >= 0x20 && c < 0x7f) {
			out[n++] = (char)c;
		} else {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = digits[c >> 4];
			out[n++] = digits[c & 15];
		}
	}
	out[n++] = quote;
	out[n] = '\0';
}

/* A name is one word, whatever it has in it. */
static size_t
put_user(char *out, const char *name)
{
	size_t n = 0;

	for (; *name != '\0'; name++) {
		if (*name != ' ' && *name != '"') {
			n += text_escape_log(out + n, 5, name, 1);
			continue;
		}
		memcpy(out + n, *name == ' ' ? "\\x20" : "\\x22", 4);
		n += 4;
	}
	return n;
}

/* "ADDRESS - USER [DATE] "; returns its length.  No user is "-". */
static size_t
prefix(char *out, const char *address, const char *user)
{
	const size_t length = strlen(address);
	size_t n = length;

	memcpy(out, address, length);
	memcpy(out + n, " - ", 3);
	n += 3;
	if (user != NULL)
		n += put_user(out + n, user);
	else
		out[n++] = '-';
	memcpy(out + n, " [", 2);
	n += 2;
	memcpy(out + n, log_date(), 20);
	n += 20;
	memcpy(out + n, "] ", 2);
	return n + 2;
}

static void
emit(struct http *http, const char *text, size_t length)
{
	void (*sink)(struct tine_request *, const char *) =
	    http->class->handler.log_message;
	struct loop *loop = http->exchange->loop;
	char line[LINE_SIZE];
	size_t n;

	if (sink != NULL) {
		sink(&http->request, text);
		return;
	}
	if (loop->requests->fd == -1)
		return;
	n = prefix(line, http->client, http->request.remote_user);
	if (length > sizeof(line) - n)
		length = sizeof(line) - n;
	memcpy(line + n, text, length);
	journal_line(loop->requests, loop_now(loop), line, n + length);
}

static void
log_line(struct http *http)
{
	const struct reply *reply = &http->reply;
	char text[LINE_SIZE - 128];
	const char *line = http->request.requestline;
	size_t n = 0;

	text[n++] = '"';
	n += text_escape_log(text + n, sizeof(text) - 64, line, strlen(line));
	if (n > sizeof(text) - 64)
		n = sizeof(text) - 64;
	text[n++] = '"';
	text[n++] = ' ';
	n += text_unsigned(text + n, (uint64_t)reply->code);
	text[n++] = ' ';
	if (reply->written > 0 && !reply_has_no_body(http))
		n += text_unsigned(text + n, (uint64_t)reply->written);
	else
		text[n++] = '-';
	text[n] = '\0';
	emit(http, text, n);
}

void
log_reply(struct http *http)
{
	if (http->reply.is_logged && (http->exchange->loop->requests->fd !=
	    -1 || http->class->handler.log_message != NULL))
		log_line(http);
}

static void
log_format(struct tine_request *req, const char *format, va_list ap)
{
	char text[2048], escaped[LINE_SIZE - 128];
	const int length = vsnprintf(text, sizeof(text), format, ap);
	size_t n;

	if (length < 0)
		return;
	n = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
	n = text_escape_log(escaped, sizeof(escaped), text, n);
	emit(http_of_request(req), escaped,
	    n < sizeof(escaped) ? n : sizeof(escaped) - 1);
}

TINE_PUBLIC void
tine_log_message(struct tine_request *req, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_format(req, format, ap);
	va_end(ap);
}

TINE_PUBLIC void
tine_log_error(struct tine_request *req, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_format(req, format, ap);
	va_end(ap);
}

TINE_PUBLIC void
tine_log(struct tine_request *req, enum tine_level level, const char *format,
    ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (req != NULL)
		server_log(req->server, level, "%s (client %s, request "
		    "\"%.256s\")", text, req->client_address,
		    req->requestline);
	else if (thread_self != NULL)
		server_log(thread_self->loop->server, level, "%s", text);
	else
		(void)fprintf(stderr, "%s\n", text);
}

void
log_shrunk(struct http *http, off_t missing)
{
	static const char text[] = "a file became shorter while it was sent: "
	    "%jd bytes are missing";

	/* One that moved while it was sent is known to the worker before. */
	if (http->is_built)
		tine_log(&http->request, TINE_LOG_ERROR, text,
		    (intmax_t)missing);
	else
		server_log(http->exchange->loop->server, TINE_LOG_ERROR, text,
		    (intmax_t)missing);
}

COLD void
log_failure(struct http *http, const char *what)
{
	const struct tine_hooks *hooks = &http->exchange->loop->server->hooks;

	if (hooks->handle_error != NULL)
		hooks->handle_error(http->request.server, &http->request,
		    what);
	else
		tine_log(&http->request, TINE_LOG_ERROR, "%s", what);
}

/* ------------------------------------------------------------ dates, names */

TINE_PUBLIC const char *
tine_date_time_string(struct tine_request *req, time_t when)
{
	char *text;

	if (when == (time_t)-1)
		return tine_strdup(req, log_http_date());
	text = tine_alloc(req, 30);
	if (text != NULL)
		date_http(text, when);
	return text;
}

TINE_PUBLIC const char *
tine_log_date_time_string(struct tine_request *req)
{
	return tine_strdup(req, log_date());
}

TINE_PUBLIC const char *
tine_address_string(const struct tine_request *req)
{
	return req->client_address;
}

TINE_PUBLIC const char *
tine_version_string(struct tine_request *req)
{
	const struct http_class *class = http_of_request(req)->class;

	if (class->handler.version_string != NULL)
		return class->handler.version_string(req);
	return class->version;
}
