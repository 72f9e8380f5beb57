/* SPDX-License-Identifier: ISC */
/*
 * Text in the body of a reply, as with stdio(3), and by way of it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdio.h>

#include "../base/public.h"
#include "reply_parts.h"

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
	} else if ((length = vasprintf(&larger, format, again)) == -1) {
		n = reply_stick(http_of_request(req), ENOMEM);
	} else {
		/* A NUL in it is no end. */
		n = tine_write(req, larger, (size_t)length);
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

void
reply_flush_files(struct http *http)
{
	if (http->wfile != NULL)
		(void)fflush(http->wfile);
}
