/* SPDX-License-Identifier: ISC */
/*
 * See form_read.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../base/text.h"
#include "form_events.h"
#include "form_limits.h"
#include "form_read.h"
#include "header_parameters.h"

#define PIECE	((size_t)65536)

enum progress { FAILED = -1, ENDED, GOES_ON };

/* ----------------------------------------------------------------- parsing */

static enum progress
after_urlencoded(enum urlencoded_result result)
{
	switch (result) {
	case URLENCODED_MORE:
		return GOES_ON;
	case URLENCODED_DONE:
		return ENDED;
	case URLENCODED_BAD:
		failure_errno(EBADMSG,
		    "the form is malformed: a field has no '='");
		break;
	case URLENCODED_STOPPED:
		break;
	}
	return FAILED;
}

static enum progress
after_multipart(const struct form_reading *reading,
    enum multipart_result result)
{
	switch (result) {
	case MULTIPART_MORE:
		return GOES_ON;
	case MULTIPART_DONE:
		return ENDED;
	case MULTIPART_BAD:
		failure_errno(EBADMSG, "the form is malformed: %s",
		    reading->parser.multipart.why);
		break;
	case MULTIPART_LARGE:
		failure_errno(EMSGSIZE, "the headers of a part have more than "
		    "%zu bytes", reading->limits->headers);
		break;
	case MULTIPART_STOPPED:
		break;
	}
	return FAILED;
}

/* Feeds the parser of the body; no data is the end of the body. */
static enum progress
feed_urlencoded(struct form_reading *reading, const char *data, size_t length)
{
	struct urlencoded *parser = &reading->parser.urlencoded;

	return after_urlencoded(length > 0 ?
	    urlencoded_feed(parser, data, length) : urlencoded_finish(parser));
}

static enum progress
feed_multipart(struct form_reading *reading, const char *data, size_t length)
{
	struct multipart *parser = &reading->parser.multipart;

	return after_multipart(reading, length > 0 ?
	    multipart_feed(parser, data, length) : multipart_finish(parser));
}

static void
init_urlencoded(struct form_reading *reading)
{
	struct urlencoded *parser = &reading->parser.urlencoded;

	urlencoded_init(parser,
	    (reading->limits->flags & TINE_FORM_STRICT) != 0);
	parser->events = &form_urlencoded_events;
	parser->argument = reading;
	reading->text_length = 0;
}

static int
read_query(struct form_reading *reading)
{
	const char *query = reading->source->req->query;
	const size_t length = strlen(query);
	enum progress progress = GOES_ON;

	reading->charset = NULL;
	init_urlencoded(reading);
	if (length > 0)
		progress = feed_urlencoded(reading, query, length);
	if (progress == GOES_ON)
		progress = feed_urlencoded(reading, NULL, 0);
	return progress == FAILED ? -1 : 0;
}

/* ---------------------------------------------------------------- the body */

/*
 * Fills a piece.  Where the bytes are kept, it waits until it is full: a body
 * that comes in small pieces is then not written in small pieces.
 */
static ssize_t
read_piece(const struct form_source *source, char *piece)
{
	size_t length = 0;
	ssize_t n;

	do {
		n = tine_read(source->req, piece + length, PIECE - length);
		if (n == -1)
			return failure("the body cannot be read: %s",
			    strerror(errno));
		length += (size_t)n;
	} while (source->keeps && n > 0 && length < PIECE);
	return (ssize_t)length;
}

static int
body_too_large(const struct form_reading *reading)
{
	return failure_errno(EFBIG, "the form has more than %jd bytes",
	    (intmax_t)reading->limits->body);
}

static int
read_pieces(struct form_reading *reading, char *piece,
    enum progress (*feed)(struct form_reading *, const char *, size_t))
{
	off_t left = reading->limits->body;
	enum progress progress;

	do {
		const ssize_t n = read_piece(reading->source, piece);

		if (n == -1)
			return -1;
		if ((off_t)n > left)
			return body_too_large(reading);
		left -= (off_t)n;
		progress = feed(reading, piece, (size_t)n);
	} while (progress == GOES_ON);
	return progress == FAILED ? -1 : 0;
}

static int
read_body(struct form_reading *reading,
    enum progress (*feed)(struct form_reading *, const char *, size_t))
{
	char *piece;
	int result, saved;

	if (reading->source->req->content_length > reading->limits->body)
		return body_too_large(reading);
	piece = malloc(PIECE);
	if (piece == NULL)
		return form_no_memory();
	result = read_pieces(reading, piece, feed);
	saved = errno;
	free(piece);
	errno = saved;
	return result;
}

/* The parameter of the Content-Type, in the request's memory. */
static int
find_parameter(struct form_reading *reading, struct header_parameters *all,
    const char *name, const char **text)
{
	struct header_parameter parameter;
	char *copy;

	*text = NULL;
	do {
		if (header_parameters_next(all, &parameter) !=
		    HEADER_PARAMETER)
			return 0;
	} while (!header_parameter_is(&parameter, name));
	copy = tine_alloc(reading->source->req, parameter.length + 1);
	if (copy == NULL)
		return form_no_memory();
	(void)header_parameter_text(&parameter, copy);
	*text = copy;
	return 0;
}

static int
read_urlencoded_body(struct form_reading *reading,
    struct header_parameters *all)
{
	if (find_parameter(reading, all, "charset", &reading->charset) == -1)
		return -1;
	init_urlencoded(reading);
	return read_body(reading, feed_urlencoded);
}

static int
read_multipart_body(struct form_reading *reading, struct header_parameters *all)
{
	struct multipart *parser = &reading->parser.multipart;
	const struct tine_form_limits *limits = reading->limits;
	const char *boundary;

	if (find_parameter(reading, all, "boundary", &boundary) == -1)
		return -1;
	if (boundary == NULL)
		return failure_errno(EBADMSG,
		    "the Content-Type of the form has no boundary");
	if (strlen(boundary) > limits->boundary)
		return failure_errno(EMSGSIZE, "the boundary of the form has "
		    "more than %zu bytes", limits->boundary);
	if (!multipart_boundary_is_valid(boundary, strlen(boundary)))
		return failure_errno(EBADMSG,
		    "the boundary of the form is malformed");
	multipart_init(parser, boundary, strlen(boundary), reading->text,
	    limits->headers + 2);
	parser->events = &form_multipart_events;
	parser->argument = reading;
	return read_body(reading, feed_multipart);
}

static int
read_any_body(struct form_reading *reading)
{
	const char *type = tine_header(reading->source->req, "Content-Type");
	struct header_parameters all;

	if (type == NULL)
		type = "application/x-www-form-urlencoded";
	header_parameters_init(&all, type);
	if (text_equal_case(all.word, all.word_length,
	    "application/x-www-form-urlencoded", 33))
		return read_urlencoded_body(reading, &all);
	if (text_equal_case(all.word, all.word_length,
	    "multipart/form-data", 19))
		return read_multipart_body(reading, &all);
	return failure_errno(ENOMSG, "the body is not a form: its type is "
	    "neither multipart/form-data nor "
	    "application/x-www-form-urlencoded");
}

static int
read_all(struct form_reading *reading)
{
	const char *method = reading->source->req->command;

	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return read_query(reading);
	if (read_any_body(reading) == -1)
		return -1;
	if ((reading->limits->flags & TINE_FORM_QUERY) != 0)
		return read_query(reading);
	return 0;
}

int
form_read(const struct form_source *source,
    const struct tine_form_reader *reader, void *argument)
{
	struct form_reading reading = {
		.source = source, .limits = source->limits,
		.reader = reader, .argument = argument
	};
	int result, saved;

	reading.text = malloc(source->limits->headers + 2);
	if (reading.text == NULL)
		return form_no_memory();
	result = read_all(&reading);
	saved = errno;
	free(reading.text);
	errno = saved;
	return result;
}

TINE_PUBLIC int
tine_form_read_sized(struct tine_request *req,
    const struct tine_form_limits *given, size_t size,
    const struct tine_form_reader *reader, void *argument)
{
	_Alignas(ARENA_ALIGNMENT) char first[1024];
	struct tine_form_limits limits;
	struct arena arena;
	const struct form_source source = {
		.req = req, .limits = &limits, .arena = &arena, .keeps = false
	};
	int result, saved;

	form_limits_fill(&limits, req, given, size);
	arena_init(&arena, first, sizeof(first));
	result = form_read(&source, reader, argument);
	saved = errno;
	arena_reset(&arena);
	errno = saved;
	return result;
}
