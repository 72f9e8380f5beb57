/* SPDX-License-Identifier: ISC */
/*
 * Python's send_error(), and replies with an error page made ahead.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "../base/public.h"
#include "../base/text.h"
#include "reply_parts.h"

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

/* Is filled twice: at first out is NULL, and the length is what is sought. */
struct page {
	char	*out;
	size_t	 size;		/* of out, a NUL's room too */
	size_t	 length;
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

/* The length of a page, or with room in page->out the page itself. */
static size_t
page_make(struct page *page, const struct http_class *class, int code,
    const char *message, const char *explain)
{
	const char *format = class->handler.error_message_format;

	page->length = 0;
	page_fill(page, format != NULL ? format : default_page, code, message,
	    explain);
	return page->length;
}

/* The head of such a reply, into size bytes of text if there are so many. */
static size_t
lost_head(const struct http_class *class, int code, size_t length, char *text,
    size_t size)
{
	/* cppcheck-suppress nullPointer ; there it has no size */
	const int n = snprintf(text, size, "HTTP/1.%d %d %s\r\nServer: %s\r\n"
	    "Content-Type: %s\r\nContent-Length: %zu\r\n"
	    "%sConnection: close\r\n\r\n", class->is_11, code,
	    status_find(code)->phrase, class->version,
	    class->handler.error_content_type, length,
	    code == 503 ? "Retry-After: 10\r\n" : "");

	return n < 0 ? 0 : (size_t)n;
}

/*
 * Measured first, in memory of just that size: what a worker allocates at its
 * start and frees again would leave pages that it has to itself.
 */
char *
reply_prepare(const struct http_class *class, int code, size_t *length,
    size_t *head)
{
	const struct status *status = status_find(code);
	struct page page = { .out = NULL };
	const size_t size = page_make(&page, class, code, status->phrase,
	    status->explain);
	char *text;

	*head = lost_head(class, code, size, NULL, 0);
	*length = *head + size;
	text = malloc(*length + 1);
	if (text == NULL)
		return NULL;
	(void)lost_head(class, code, size, text, *head + 1);
	page.out = text + *head;
	page.size = size + 1;
	(void)page_make(&page, class, code, status->phrase, status->explain);
	return text;
}

/*
 * A 405 has to say which methods there are: those of the class but for the one
 * that it refuses (RFC 9110, section 15.5.6).
 */
static int
add_allow(struct tine_request *req, const struct tine_http_handler *handler)
{
	const struct {
		const char	*name;
		bool		 is_there;
	} methods[] = {
		{ "GET", handler->do_GET != NULL },
		{ "HEAD", handler->do_HEAD != NULL },
		{ "POST", handler->do_POST != NULL },
		{ "PUT", handler->do_PUT != NULL },
		{ "DELETE", handler->do_DELETE != NULL },
		{ "CONNECT", handler->do_CONNECT != NULL },
		{ "OPTIONS", handler->do_OPTIONS != NULL },
		{ "TRACE", handler->do_TRACE != NULL },
		{ "PATCH", handler->do_PATCH != NULL }
	};
	char allow[80] = "";

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (!methods[i].is_there ||
		    strcmp(methods[i].name, req->command) == 0)
			continue;
		(void)strlcat(allow, *allow != '\0' ? ", " : "",
		    sizeof(allow));
		(void)strlcat(allow, methods[i].name, sizeof(allow));
	}
	return tine_send_header(req, "Allow", allow);
}

/* The fields of an error that its caller wants; without any it closes. */
static int
add_error_fields(struct http *http, const struct tine_field *fields)
{
	struct tine_request *req = &http->request;

	if (fields == NULL && http->reply.code == 405 &&
	    add_allow(req, &http->class->handler) == -1)
		return -1;
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
	struct page page = { .out = NULL };
	const size_t length = page_make(&page, http->class, http->reply.code,
	    message, explain);
	int result = 0;

	page.out = malloc(length + 1);
	if (page.out == NULL)
		return reply_stick(http, ENOMEM);
	page.size = length + 1;
	(void)page_make(&page, http->class, http->reply.code, message,
	    explain);
	if (tine_send_header(req, "Content-Type", type) == -1 ||
	    (http->class->is_11 && tine_send_headerf(req, "Content-Length",
	    "%zu", length) == -1) ||
	    add_error_fields(http, fields) == -1 ||
	    tine_end_headers(req) == -1 ||
	    tine_write(req, page.out, length) == -1)
		result = -1;
	free(page.out);
	return result;
}

/* Without fields the connection ends, as Python's does. */
static int
send_error(struct http *http, int code, const char *message,
    const char *explain, const struct tine_field *fields)
{
	struct tine_request *req = &http->request;
	const struct status *status = status_find(code);

	if (code < 100 || code > 999 ||
	    (message != NULL && !reply_is_line(message, strlen(message)))) {
		errno = EINVAL;
		return -1;
	}
	if (reply_is_out(http)) {
		reply_cut(http);
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
	if (add_error_fields(http, fields) == -1)
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
