/* SPDX-License-Identifier: ISC */
/*
 * What a handler reads from its client and writes to it.  The input that the
 * loop has read comes first; the same memory holds what is read ahead for a
 * line.  Nothing that is written waits here.
 */
#include <sys/types.h>
#include <bsd/stdio.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../base/descriptor.h"
#include "../base/public.h"
#include "../server/loop.h"
#include "../server/plain.h"
#include "../server/server.h"
#include "stream.h"

/* ----------------------------------------------------------------- reading */

static size_t
pending(const struct input *input)
{
	return input->end - input->start;
}

/* Waits for the client.  0 at its end. */
static ssize_t
pull(struct stream *stream, void *buffer, size_t size)
{
	struct exchange *exchange = stream->exchange;
	ssize_t n;

	if (stream->is_eof)
		return 0;
	n = exchange->pull(exchange, buffer, size,
	    exchange->loop->settings->keep_alive, false);
	stream->is_eof = n == 0;
	return n;
}

static size_t
take(struct input *input, char *buffer, size_t size)
{
	const size_t length = pending(input) < size ? pending(input) : size;

	memcpy(buffer, input->data + input->start, length);
	input->start += length;
	return length;
}

TINE_PUBLIC ssize_t
tine_stream_read(struct tine_stream *public, void *buffer, size_t size)
{
	struct stream *stream = stream_of_public(public);
	struct input *input = &stream->exchange->input;

	if (size > INT_MAX)
		size = INT_MAX;
	if (size == 0)
		return 0;
	return pending(input) > 0 ? (ssize_t)take(input, buffer, size)
	    : pull(stream, buffer, size);
}

/* Reads more of a line behind what there is of it. */
static ssize_t
fill(struct stream *stream)
{
	struct input *input = &stream->exchange->input;
	ssize_t n;

	if (input_reserve(input, 1) == -1)
		return -1;
	n = pull(stream, input->data + input->end, input->size - input->end);
	if (n > 0)
		input->end += (size_t)n;
	return n;
}

/*
 * How much of the input is the line, of size bytes at most; 0: more has to
 * come.  What has been looked at is not looked at again.
 */
static size_t
line_length(const struct input *input, size_t looked, size_t size)
{
	const char *start = input->data + input->start;
	const size_t there = pending(input) < size ? pending(input) : size;
	const char *end = memchr(start + looked, '\n', there - looked);

	if (end != NULL)
		return (size_t)(end - start) + 1;
	return there == size ? size : 0;
}

TINE_PUBLIC ssize_t
tine_stream_getline(struct tine_stream *public, char *buffer, size_t size)
{
	struct stream *stream = stream_of_public(public);
	struct input *input = &stream->exchange->input;
	size_t length, looked = 0;

	if (size < 2 || size > INT_MAX) {
		errno = EINVAL;
		return -1;
	}
	while ((length = line_length(input, looked, size - 1)) == 0) {
		const ssize_t n = fill(stream);

		if (n == -1)
			return -1;
		looked = pending(input) - (size_t)n;
		if (n == 0) {
			length = pending(input);
			break;
		}
	}
	(void)take(input, buffer, length);
	buffer[length] = '\0';
	return (ssize_t)length;
}

TINE_PUBLIC size_t
tine_stream_pending(const struct tine_stream *public)
{
	return pending(&stream_of_public(public)->exchange->input);
}

TINE_PUBLIC bool
tine_stream_is_ending(const struct tine_stream *public)
{
	return loop_is_leaving(stream_of_public(public)->exchange->loop);
}

/* ----------------------------------------------------------------- writing */

static void
keep(void *lender)
{
	(void)lender;
}

/* The output only borrows data: it is empty again when this returns. */
static int
push(struct stream *stream, const void *data, size_t length)
{
	static const struct loan loan = { .release = keep };
	struct exchange *exchange = stream->exchange;

	if (output_lend(&exchange->output, data, length, loan) == 0 &&
	    exchange->push(exchange, true) == 0)
		return 0;
	stream->error = errno;
	output_drop(&exchange->output);
	return -1;
}

TINE_PUBLIC ssize_t
tine_stream_write(struct tine_stream *public, const void *data, size_t length)
{
	struct stream *stream = stream_of_public(public);

	if (stream->error != 0) {
		errno = stream->error;
		return -1;
	}
	if (length > SSIZE_MAX) {
		errno = EINVAL;
		return -1;
	}
	return length == 0 || push(stream, data, length) == 0
	    ? (ssize_t)length : -1;
}

TINE_PUBLIC ssize_t
tine_stream_puts(struct tine_stream *stream, const char *text)
{
	return tine_stream_write(stream, text, strlen(text));
}

TINE_PUBLIC ssize_t
tine_stream_vprintf(struct tine_stream *stream, const char *format,
    va_list ap)
{
	char *text;
	const int length = vasprintf(&text, format, ap);
	ssize_t written;

	if (length == -1)
		return -1;
	written = tine_stream_write(stream, text, (size_t)length);
	free(text);
	return written;
}

TINE_PUBLIC ssize_t
tine_stream_printf(struct tine_stream *stream, const char *format, ...)
{
	va_list ap;
	ssize_t written;

	va_start(ap, format);
	written = tine_stream_vprintf(stream, format, ap);
	va_end(ap);
	return written;
}

/* ------------------------------------------------------------------- files */

static int
read_file(void *cookie, char *buffer, int size)
{
	return (int)tine_stream_read(cookie, buffer, (size_t)size);
}

static int
write_file(void *cookie, const char *data, int length)
{
	return (int)tine_stream_write(cookie, data, (size_t)length);
}

TINE_PUBLIC FILE *
tine_stream_rfile(struct tine_stream *public)
{
	struct stream *stream = stream_of_public(public);

	if (stream->rfile == NULL)
		stream->rfile = funopen(public, read_file, NULL, NULL, NULL);
	return stream->rfile;
}

TINE_PUBLIC FILE *
tine_stream_wfile(struct tine_stream *public)
{
	struct stream *stream = stream_of_public(public);

	if (stream->wfile == NULL)
		stream->wfile = funopen(public, NULL, write_file, NULL, NULL);
	if (stream->wfile != NULL)
		(void)setvbuf(stream->wfile, NULL, _IONBF, 0);
	return stream->wfile;
}

TINE_PUBLIC int
tine_stream_fileno(struct tine_stream *public)
{
	struct stream *stream = stream_of_public(public);
	const int fd = stream->exchange->conn->fd;

	if (!stream->is_given)
		(void)descriptor_nonblocking(fd, false);
	stream->is_given = true;
	return fd;
}

void
stream_close_files(struct stream *stream)
{
	if (stream->wfile != NULL)
		(void)fclose(stream->wfile);
	if (stream->rfile != NULL)
		(void)fclose(stream->rfile);
	stream->rfile = stream->wfile = NULL;
	if (stream->is_given)
		(void)descriptor_nonblocking(stream->exchange->conn->fd,
		    true);
	stream->is_given = false;
}

TINE_PUBLIC void
tine_stream_log(struct tine_stream *stream, enum tine_level level,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	plain_log(stream->server, stream->client_address,
	    stream->client_port, level, format, ap);
	va_end(ap);
}
