/* SPDX-License-Identifier: ISC */
/*
 * See form_test.h.
 */
#include <sys/mman.h>

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "form_test.h"

void
trace_add(struct trace *trace, const char *data, size_t length)
{
	ck_assert_uint_le(length, sizeof(trace->text) - trace->length - 1);
	memcpy(trace->text + trace->length, data, length);
	trace->length += length;
	trace->text[trace->length] = '\0';
}

const char *
at_the_edge(const char *data, size_t length)
{
	static char *memory;
	static const size_t size = 1 << 20;

	ck_assert_uint_le(length, size);
	if (memory == NULL) {
		memory = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(memory, MAP_FAILED);
		ck_assert_int_eq(mprotect(memory + size, 4096, PROT_NONE), 0);
	}
	return memcpy(memory + size - length, data, length);
}

void
feed_cut(void (*feed)(void *, const char *, size_t), void *parser,
    const char *data, size_t length, size_t first, size_t second)
{
	feed(parser, at_the_edge(data, first), first);
	feed(parser, at_the_edge(data + first, second - first),
	    second - first);
	feed(parser, at_the_edge(data + second, length - second),
	    length - second);
}

size_t
count_files(const char *dir)
{
	DIR *stream = opendir(dir);
	size_t count = 0;

	ck_assert_ptr_nonnull(stream);
	while (readdir(stream) != NULL)
		count++;
	(void)closedir(stream);
	return count - 2;
}

size_t
count_descriptors(void)
{
	return count_files("/proc/self/fd");
}

/* ------------------------------------------------------------- the request */

void
fake_init(struct fake *fake, const char *type, const char *body,
    size_t length)
{
	memset(fake, 0, sizeof(*fake));
	fake->req.command = "POST";
	fake->req.query = "";
	fake->req.content_length = -1;
	fake->type = type;
	fake->head = body;
	fake->head_length = length;
}

void
fake_get(struct fake *fake, const char *query)
{
	fake_init(fake, NULL, "body=1", 6);
	fake->req.command = "GET";
	fake->req.query = query;
}

void
fake_end(struct fake *fake)
{
	while (fake->finish_count > 0) {
		fake->finish_count--;
		fake->finish[fake->finish_count].function(
		    fake->finish[fake->finish_count].argument);
	}
	while (fake->memory_count > 0)
		free(fake->memory[--fake->memory_count]);
}

static char
body_byte(const struct fake *fake, size_t at)
{
	if (at < fake->head_length)
		return fake->head[at];
	at -= fake->head_length;
	if (at < fake->middle)
		return (char)(at * 31 >> 3);
	return fake->tail[at - fake->middle];
}

ssize_t
tine_read(struct tine_request *req, void *buffer, size_t size)
{
	struct fake *fake = (struct fake *)req;
	const size_t end = fake->head_length + fake->middle +
	    fake->tail_length;
	size_t n = end - fake->at;

	if (fake->fail_at != 0 && fake->at >= fake->fail_at) {
		errno = ECONNRESET;
		return -1;
	}
	if (n > size)
		n = size;
	if (fake->piece != 0 && n > fake->piece)
		n = fake->piece;
	for (size_t i = 0; i < n; i++)
		((char *)buffer)[i] = body_byte(fake, fake->at + i);
	fake->at += n;
	return (ssize_t)n;
}

const char *
tine_header(const struct tine_request *req, const char *name)
{
	const struct fake *fake = (const struct fake *)req;

	return strcasecmp(name, "Content-Type") == 0 ? fake->type : NULL;
}

void *
tine_alloc(struct tine_request *req, size_t size)
{
	struct fake *fake = (struct fake *)req;

	ck_assert_uint_lt(fake->memory_count, 64);
	return fake->memory[fake->memory_count++] = malloc(size);
}

int
tine_on_finish(struct tine_request *req, void (*function)(void *),
    void *argument)
{
	struct fake *fake = (struct fake *)req;

	ck_assert_uint_lt(fake->finish_count, 8);
	fake->finish[fake->finish_count].function = function;
	fake->finish[fake->finish_count++].argument = argument;
	return 0;
}

int
tine_send_error(struct tine_request *req, int code, const char *message,
    const char *explain)
{
	struct fake *fake = (struct fake *)req;

	ck_assert_ptr_null(message);
	fake->status = code;
	(void)snprintf(fake->explain, sizeof(fake->explain), "%s",
	    explain != NULL ? explain : "");
	return 0;
}

void
tine_log(struct tine_request *req, enum tine_level level, const char *format,
    ...)
{
	struct fake *fake = (struct fake *)req;
	va_list ap;

	ck_assert_int_eq(level, TINE_LOG_ERROR);
	va_start(ap, format);
	(void)vsnprintf(fake->log, sizeof(fake->log), format, ap);
	va_end(ap);
}
