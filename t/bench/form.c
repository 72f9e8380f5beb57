/* SPDX-License-Identifier: ISC */
/*
 * The boundary search against memcpy(3) of the same bytes, in pieces of
 * 64 KiB as a body is read: random bytes, text, and bodies that were made to
 * be slow.  Prints a line for each: gigabytes a second of both and of the
 * whole parser, and how often the search takes the time of the copy.
 *
 *	t/bench/form [megabytes]
 *
 * Each figure is the best of five runs.  That the search is linear shows in
 * the last lines: the time a byte of the worst body, for growing bodies.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../lib/form/multipart.h"

#define PIECE	((size_t)65536)
#define RUNS	5

/* As WebKit makes it; and the worst: all of it may be its last byte. */
static const char usual[] = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
static const char worst[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

enum filling {
	RANDOM, TEXT, ZEROS, ALL_CR, ALL_CRLF, PREFIXES, WORST, WORST_CR
};

static const struct {
	const char	*name;
	const char	*boundary;
	enum filling	 filling;
} bodies[] = {
	{ "random bytes", usual, RANDOM },
	{ "text, lines with CR LF", usual, TEXT },
	{ "zeros", usual, ZEROS },
	{ "CR only", usual, ALL_CR },
	{ "CR LF only", usual, ALL_CRLF },
	{ "all but the last byte of the delimiter", usual, PREFIXES },
	{ "the boundary's one letter", worst, WORST },
	{ "CR and that letter", worst, WORST_CR },
};

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static char
make_byte(enum filling filling, const char *boundary, size_t i,
    uint64_t *state)
{
	const size_t prefix = 4 + strlen(boundary) - 1;

	switch (filling) {
	case RANDOM:
		return (char)next_random(state);
	case TEXT:
		return i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' :
		    (char)(' ' + next_random(state) % 95);
	case ZEROS:
		return '\0';
	case ALL_CR:
		return '\r';
	case ALL_CRLF:
		return i % 2 == 0 ? '\r' : '\n';
	case PREFIXES:
		i %= prefix;
		return i < 4 ? "\r\n--"[i] : boundary[i - 4];
	case WORST:
		return boundary[0];
	case WORST_CR:
		return i % 2 == 0 ? '\r' : boundary[0];
	}
	return 0;
}

static void
fill(char *body, size_t size, enum filling filling, const char *boundary)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i < size; i++)
		body[i] = make_byte(filling, boundary, i, &state);
}

static double
now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---------------------------------------------------------- what is timed */

struct work {
	struct multipart	 parser;
	char			 headers[8192];
	const char		*boundary;
	const char		*body;
	size_t			 size;
	char			*copy;		/* one piece */
	uint64_t		 found;		/* so that it is done */
};

static void
copy_body(struct work *work)
{
	for (size_t i = 0; i < work->size; i += PIECE) {
		memcpy(work->copy, work->body + i, PIECE);
		__asm__ volatile("" : : "r"(work->copy) : "memory");
	}
}

static void
search_body(struct work *work)
{
	for (size_t i = 0; i < work->size; i += PIECE)
		work->found += multipart_search(&work->parser, work->body + i,
		    PIECE);
}

static bool
on_begin(void *argument, const struct tine_field *headers, size_t count)
{
	(void)argument;
	(void)headers;
	return count == 0;
}

static bool
on_data(void *argument, const char *data, size_t length)
{
	struct work *work = argument;

	(void)data;
	work->found += length;
	return true;
}

static bool
on_end(void *argument)
{
	(void)argument;
	return true;
}

static const struct multipart_events events = { on_begin, on_data, on_end };

static void
parse_body(struct work *work)
{
	struct multipart *parser = &work->parser;

	multipart_init(parser, work->boundary, strlen(work->boundary),
	    work->headers, sizeof(work->headers));
	parser->events = &events;
	parser->argument = work;
	(void)multipart_feed(parser, "--", 2);
	(void)multipart_feed(parser, work->boundary, strlen(work->boundary));
	(void)multipart_feed(parser, "\r\n\r\n", 4);
	work->found = 0;
	for (size_t i = 0; i < work->size; i += PIECE)
		(void)multipart_feed(parser, work->body + i, PIECE);
	/* All but what may be the beginning of a delimiter has come. */
	if (work->found > work->size || work->size - work->found > 204)
		abort();
}

/* Seconds of the best run. */
static double
measure(void (*run)(struct work *), struct work *work)
{
	double best = 1e9;

	for (int i = 0; i < RUNS; i++) {
		const double from = now();
		double taken;

		run(work);
		taken = now() - from;
		if (taken < best)
			best = taken;
	}
	return best;
}

static void
show_body(struct work *work, const char *name)
{
	const double size = (double)work->size / 1e9;
	const double copy = measure(copy_body, work);
	const double search = measure(search_body, work);
	const double parse = measure(parse_body, work);

	printf("%-40s %7.2f %7.2f %7.2f %7.2f\n", name, size / copy,
	    size / search, size / parse, search / copy);
}

static void
show_growth(struct work *work, size_t size)
{
	for (work->size = PIECE; work->size <= size; work->size *= 4)
		printf("worst body of %9zu KiB: %.3f ns a byte\n",
		    work->size / 1024,
		    measure(parse_body, work) * 1e9 / (double)work->size);
}

int
main(int argc, char *argv[])
{
	static struct work work;
	size_t megabytes = 256;
	char *body;

	if (argc > 1 && (sscanf(argv[1], "%zu", &megabytes) != 1 ||
	    megabytes < 1 || megabytes > 65536)) {
		fprintf(stderr, "usage: form [megabytes]\n");
		return 64;
	}
	work.size = megabytes << 20;
	work.body = body = malloc(work.size);
	work.copy = malloc(PIECE);
	if (body == NULL || work.copy == NULL) {
		perror("form");
		return 71;
	}
	printf("%-40s %7s %7s %7s %7s\n", "GB/s", "memcpy", "search", "parser",
	    "ratio");
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		work.boundary = bodies[i].boundary;
		multipart_init(&work.parser, work.boundary,
		    strlen(work.boundary), work.headers, sizeof(work.headers));
		fill(body, work.size, bodies[i].filling, work.boundary);
		show_body(&work, bodies[i].name);
	}
	work.boundary = worst;
	fill(body, work.size, WORST, worst);
	show_growth(&work, work.size);
	free(body);
	free(work.copy);
	return 0;
}
