/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: what a handler of a stream reads, in pieces that come as they
 * like.  The input: how many steps there are; so many steps, each two bytes:
 * how much comes when the client is waited for (0: it is silent, and asked
 * again), and how the handler reads (the highest bit: a line; the others: how
 * much, at most); then what the client says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/server/settings.h"
#include "../../lib/stream/stream.h"
#include "serving.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE	0x80u

struct said {
	const uint8_t	*data;
	size_t		 length, taken;		/* by the library */
	size_t		 piece;			/* that comes next */
};

static struct said said;

static ssize_t
pull(struct exchange *exchange, void *data, size_t size, unsigned limit,
    bool look)
{
	const size_t left = said.length - said.taken;
	size_t n = said.piece;

	(void)exchange;
	(void)limit;
	if (size == 0 || look)
		abort();
	if (n == 0) {
		said.piece = 1;
		errno = ETIMEDOUT;
		return -1;
	}
	n = n < size ? n : size;
	n = n < left ? n : left;
	memcpy(data, said.data + said.taken, n);
	said.taken += n;
	return (ssize_t)n;
}

static struct stream *
make_stream(struct exchange_pool *pool)
{
	static struct settings settings;
	static struct loop loop = { .settings = &settings };
	struct exchange *exchange = exchange_get(pool);
	struct stream *stream;

	if (exchange == NULL)
		abort();
	stream = stream_of(exchange);
	memset(stream, 0, sizeof(*stream));
	stream->exchange = exchange;
	exchange->loop = &loop;
	exchange->pull = pull;
	return stream;
}

/* A line ends at its newline, where it is full, or where all ends. */
static void
check_line(const char *line, size_t length, size_t size, const uint8_t *from,
    bool is_last)
{
	const uint8_t *end = memchr(from, '\n', length);

	if (length >= size || line[length] != '\0')
		abort();
	if (end != NULL ? end != from + length - 1
	    : length != size - 1 && !is_last)
		abort();
}

/* Returns how much was read, which is what the client said, in order. */
static size_t
read_step(struct stream *stream, uint8_t how, size_t at)
{
	const size_t size = (how & ~LINE) + 2u;
	char *buffer = malloc(size);	/* a byte behind its end is seen */
	const bool is_line = (how & LINE) != 0;
	ssize_t n;

	if (buffer == NULL)
		abort();
	n = is_line ? tine_stream_getline(&stream->public, buffer, size)
	    : tine_stream_read(&stream->public, buffer, size);
	if (n == -1 && errno != ETIMEDOUT)
		abort();
	if (n == -1)
		n = 0;
	else if ((size_t)n > said.length - at || (n == 0 && at < said.length))
		abort();
	else if (n > 0 && is_line)
		check_line(buffer, (size_t)n, size, said.data + at,
		    at + (size_t)n == said.length);
	if (n > 0 && memcmp(buffer, said.data + at, (size_t)n) != 0)
		abort();
	free(buffer);
	if (tine_stream_pending(&stream->public) != said.taken - at -
	    (size_t)n)
		abort();
	return (size_t)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exchange_pool pool = {
		.protocol_size = sizeof(struct stream)
	};
	const size_t steps = size == 0 ? 0 : data[0] < (size - 1) / 2
	    ? data[0] : (size - 1) / 2;
	struct stream *stream;
	size_t at = 0;

	if (size == 0)
		return 0;
	said = (struct said){ .data = data + 1 + 2 * steps,
	    .length = size - 1 - 2 * steps };
	stream = make_stream(&pool);
	for (size_t i = 0; i < steps; i++) {
		said.piece = data[1 + 2 * i];
		at += read_step(stream, data[2 + 2 * i], at);
	}
	said.piece = SIZE_MAX;
	while (at < said.length)
		at += read_step(stream, (uint8_t)LINE, at);
	if (tine_stream_pending(&stream->public) != 0)
		abort();
	exchange_put(&pool, stream->exchange);
	return 0;
}
