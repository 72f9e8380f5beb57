/* SPDX-License-Identifier: ISC */
/*
 * The request as its handler sees it: Python's attributes, the fields, the
 * body, and memory that lasts as long as the request.
 */
#include <sys/mman.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdio.h>

#include "../base/clock.h"
#include "../base/cold.h"
#include "../base/public.h"
#include "../base/text.h"
#include "../server/connection.h"
#include "../server/loop.h"
#include "http.h"

/* What the fields of a request end with. */
static const struct tine_field no_field;

/* ------------------------------------------------------------------ making */

/* "" where there is no memory: what follows fails in the same way. */
static const char *
or_empty(const char *text)
{
	return text != NULL ? text : "";
}

/* The methods that come often need no copy. */
static const char *
method_text(struct http *http, const char *text, size_t length)
{
	if (length == 3 && memcmp(text, "GET", 3) == 0)
		return "GET";
	if (length == 4 && memcmp(text, "POST", 4) == 0)
		return "POST";
	return or_empty(arena_strndup(&http->exchange->arena, text, length));
}

/*
 * A path that begins with two slashes would be taken for another host by
 * whoever sends it back in a Location: only one is left.
 */
static const char *
path_text(struct http *http, const char *text, size_t length)
{
	if (length == 0)
		return "/";
	while (length > 1 && text[0] == '/' && text[1] == '/') {
		text++;
		length--;
	}
	return or_empty(arena_strndup(&http->exchange->arena, text, length));
}

/*
 * The target, and its path and query.  Most have the path for all of it; a
 * query is the end of the target, so it needs no copy either.
 */
static void
build_target(struct http *http, const char *start)
{
	const struct head *head = &http->head;
	struct tine_request *req = &http->request;
	const char *target = start + head->target.at;
	const char *path = start + head->path.at;

	req->path = arena_strndup(&http->exchange->arena, target,
	    head->target.length);
	if (req->path == NULL) {
		req->path = req->real_path = req->query = "";
		return;
	}
	req->query = req->path + (head->query.at - head->target.at);
	if (head->path.length == head->target.length &&
	    (path[0] != '/' || path[1] != '/'))
		req->real_path = req->path;
	else
		req->real_path = path_text(http, path, head->path.length);
}

/*
 * The host of an absolute target is the one that counts: what the field says
 * is ignored (RFC 9112, section 3.2.2), lest a handler trust the other.
 */
static COLD void
replace_host(struct http *http, struct tine_field *fields, const char *start)
{
	const struct span host = http->head.host;

	for (uint32_t i = 0; i < http->head.count; i++) {
		struct tine_field *field = &fields[i];

		if (text_equal_case(field->name, strlen(field->name), "Host",
		    4))
			field->value = or_empty(arena_strndup(
			    &http->exchange->arena, start + host.at,
			    host.length));
	}
}

static void
build_fields(struct http *http, char *start)
{
	const struct head *head = &http->head;
	struct tine_field *fields = arena_alloc(&http->exchange->arena,
	    (head->count + 1) * sizeof(*fields));

	http->request.headers = &no_field;
	http->request.header_count = 0;
	if (fields == NULL) {
		http->reply.error = ENOMEM;	/* it is answered with 500 */
		return;
	}
	for (uint32_t i = 0; i < head->count; i++) {
		const struct head_field *field = &head->fields[i];

		/* The colon and the byte after the value make room for NUL. */
		start[field->name.at + field->name.length] = '\0';
		start[field->value.at + field->value.length] = '\0';
		fields[i].name = start + field->name.at;
		fields[i].value = start + field->value.at;
	}
	fields[head->count] = no_field;
	http->request.headers = fields;
	http->request.header_count = head->count;
	if (head->form == TARGET_ABSOLUTE)
		replace_host(http, fields, start);
}

static void
build_common(struct http *http)
{
	struct tine_request *req = &http->request;
	const struct peer *peer = &http->exchange->conn->peer;

	if (!peer_has_host_of(peer, &http->shown)) {
		peer_format(peer, http->client, sizeof(http->client));
		http->shown = *peer;
	}
	req->server = http->exchange->loop->server;
	req->client_address = http->client;
	req->client_port = peer_port(peer);
	req->data = NULL;
	req->remote_user = NULL;
	http->is_built = true;
}

static bool
wants_close(const struct http *http)
{
	const struct head *head = &http->head;
	const struct loop *loop = http->exchange->loop;

	if (!http->class->is_11 || loop_is_ending(loop) ||
	    loop_is_single_shot(loop) || head->says_close)
		return true;
	return head->minor == 0 && !head->says_keep;
}

void
request_build(struct http *http)
{
	const struct head *head = &http->head;
	const struct input *input = &http->exchange->input;
	char *start = input->data + input->start;
	struct tine_request *req = &http->request;

	build_common(http);
	req->command = method_text(http, start + head->method.at,
	    head->method.length);
	http->is_head = head->method.length == 4 &&
	    memcmp(start + head->method.at, "HEAD", 4) == 0;
	build_target(http, start);
	req->request_version = head->minor > 0 ? "HTTP/1.1" : "HTTP/1.0";
	start[head->line.at + head->line.length] = '\0';
	req->requestline = start + head->line.at;
	build_fields(http, start);
	req->content_length = !http->is_streamed ? http->body_length
	    : head->is_chunked ? -1 : head->length;
	req->close_connection = wants_close(http);
}

void
request_build_refused(struct http *http)
{
	struct tine_request *req = &http->request;
	const struct input *input = &http->exchange->input;
	const char *line = input->data + input->start;
	const size_t length = input->end - input->start;
	size_t n = 0;

	while (n < length && n < 256 && line[n] != '\r' && line[n] != '\n')
		n++;
	build_common(http);
	req->command = req->path = req->real_path = req->query = "";
	if (http->head.method.length == 4 &&
	    memcmp(line + http->head.method.at, "HEAD", 4) == 0)
		req->command = "HEAD";
	http->is_head = *req->command != '\0';
	req->request_version = "HTTP/1.0";
	req->requestline = or_empty(arena_strndup(&http->exchange->arena,
	    line, n));
	req->headers = &no_field;
	req->header_count = 0;
	req->content_length = 0;
	req->close_connection = true;
}

void
request_end(struct http *http)
{
	struct cleanup *cleanup;

	while ((cleanup = http->cleanups) != NULL) {
		http->cleanups = cleanup->next;
		cleanup->function(cleanup->argument);
	}
	if (http->rfile != NULL)
		(void)fclose(http->rfile);
	if (http->wfile != NULL)
		(void)fclose(http->wfile);
	http->rfile = http->wfile = NULL;
	if (http->mapped != NULL)
		(void)munmap(http->mapped, http->mapped_size);
	http->mapped = NULL;
}

/* ------------------------------------------------------------------ fields */

TINE_PUBLIC const char *
tine_header_nth(const struct tine_request *req, const char *name, size_t n)
{
	const size_t length = strlen(name);

	for (size_t i = 0; i < req->header_count; i++) {
		const char *there = req->headers[i].name;

		if (text_equal_case(there, strlen(there), name, length) &&
		    n-- == 0)
			return req->headers[i].value;
	}
	return NULL;
}

TINE_PUBLIC const char *
tine_header(const struct tine_request *req, const char *name)
{
	return tine_header_nth(req, name, 0);
}

/* -------------------------------------------------------------------- body */

static const char *
body_in_memory(const struct http *http)
{
	const struct input *input = &http->exchange->input;

	return input->data + input->start + http->head.at;
}

TINE_PUBLIC ssize_t
tine_read(struct tine_request *req, void *buffer, size_t size)
{
	struct http *http = http_of_request(req);
	const off_t left = http->body_length - http->body_read;
	ssize_t n;

	if (http->is_streamed)
		return stream_read(http, buffer, size);
	if ((off_t)size > left || size > SSIZE_MAX)
		size = (size_t)left;
	if (http->exchange->body.fd == -1) {
		memcpy(buffer, body_in_memory(http) + http->body_read, size);
		n = (ssize_t)size;
	} else {
		do
			n = pread(http->exchange->body.fd, buffer, size,
			    http->body_read);
		while (n == -1 && errno == EINTR);
		if (n == 0 && size > 0) {
			errno = EIO;
			n = -1;
		}
	}
	if (n > 0)
		http->body_read += n;
	return n;
}

/* A mapping ends with zero bytes unless the file ends with its last page. */
static const char *
map_body(struct http *http)
{
	const size_t length = (size_t)http->body_length;
	void *memory;

	memory = mmap(NULL, length + 1, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	http->mapped = memory;
	http->mapped_size = length + 1;
	for (size_t done = 0; done < length;) {
		const ssize_t n = pread(http->exchange->body.fd,
		    (char *)memory + done, length - done, (off_t)done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = EIO;
			return NULL;
		}
		done += (size_t)n;
	}
	return memory;
}

TINE_PUBLIC const char *
tine_body(struct tine_request *req, size_t *length)
{
	struct http *http = http_of_request(req);
	struct input *input = &http->exchange->input;

	if (http->is_streamed) {
		errno = ENOTSUP;
		return NULL;
	}
	if (length != NULL)
		*length = (size_t)http->body_length;
	if (http->body_length == 0)
		return "";
	if (http->mapped != NULL)
		return http->mapped;
	if (http->exchange->body.fd != -1)
		return map_body(http);
	/* The next request may stand right behind it. */
	if (input->start + http->body_end == input->end &&
	    input->end < input->size) {
		input->data[input->end] = '\0';
		return body_in_memory(http);
	}
	return arena_strndup(&http->exchange->arena, body_in_memory(http),
	    (size_t)http->body_length);
}

static int
read_stream(void *cookie, char *buffer, int size)
{
	return (int)tine_read(cookie, buffer, (size_t)size);
}

TINE_PUBLIC FILE *
tine_rfile(struct tine_request *req)
{
	struct http *http = http_of_request(req);

	if (http->rfile == NULL)
		http->rfile = funopen(req, read_stream, NULL, NULL, NULL);
	return http->rfile;
}

/* --------------------------------------------------------------- resources */

TINE_PUBLIC void *
tine_alloc(struct tine_request *req, size_t size)
{
	return arena_alloc(&http_of_request(req)->exchange->arena, size);
}

TINE_PUBLIC char *
tine_strdup(struct tine_request *req, const char *text)
{
	return arena_strndup(&http_of_request(req)->exchange->arena, text,
	    strlen(text));
}

TINE_PUBLIC char *
tine_asprintf(struct tine_request *req, const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = arena_vprintf(&http_of_request(req)->exchange->arena, format,
	    ap);
	va_end(ap);
	return text;
}

TINE_PUBLIC int
tine_on_finish(struct tine_request *req, void (*function)(void *),
    void *argument)
{
	struct http *http = http_of_request(req);
	struct cleanup *cleanup = tine_alloc(req, sizeof(*cleanup));

	if (cleanup == NULL)
		return -1;
	cleanup->function = function;
	cleanup->argument = argument;
	cleanup->next = http->cleanups;
	http->cleanups = cleanup;
	return 0;
}

TINE_PUBLIC long
tine_request_deadline(const struct tine_request *req)
{
	const struct http *http = http_of_request(req);
	const struct loop *loop = http->exchange->loop;
	const unsigned timeout = loop->settings->timeout;
	uint64_t past;

	if (timeout == 0 || loop->settings->workers == 0)
		return -1;
	past = clock_ms() - http->exchange->begun;
	return past < timeout ? (long)(timeout - past) : 0;
}

TINE_PUBLIC const char *
tine_thread_name(struct tine_request *req)
{
	const struct exchange *exchange = http_of_request(req)->exchange;

	switch (exchange->loop->settings->mode) {
	case MODE_THREAD:
		return tine_asprintf(req, "Thread-%llu",
		    (unsigned long long)exchange->ordinal);
	case MODE_FORK:
		return tine_asprintf(req, "%ld", (long)getpid());
	case MODE_SINGLE:
		break;
	}
	return "MainThread";
}
