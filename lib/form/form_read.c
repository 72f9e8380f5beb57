/* SPDX-License-Identifier: ISC */
/*
 * See form_read.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../base/text.h"
#include "form_limits.h"
#include "form_part.h"
#include "form_read.h"
#include "header_parameters.h"
#include "multipart.h"
#include "urlencoded.h"

#define PIECE	((size_t)65536)

/* A form that is being read. */
struct reading {
	const struct form_source	*source;
	const struct tine_form_limits	*limits;
	const struct tine_form_reader	*reader;
	void				*argument;

	struct tine_form_field		 field;		/* the one in hand */
	bool				 has_field;
	size_t				 fields;	/* so far */
	const char			*charset;	/* of the body */

	/* A part's headers, or the name of an urlencoded field. */
	char				*text;
	size_t				 text_length;

	union {
		struct urlencoded	 urlencoded;
		struct multipart	 multipart;
	} parser;
};

enum progress { FAILED = -1, ENDED, GOES_ON };

static const struct tine_field no_headers = { NULL, NULL };

static int
no_memory(void)
{
	return failure_errno(ENOMEM, "there is no memory for the form");
}

/* ---------------------------------------------------- events of any form */

static bool
count_field(struct reading *reading)
{
	const size_t most = reading->limits->fields;

	if (reading->fields++ < most)
		return true;
	failure_errno(EFBIG, "the form has more than %zu fields", most);
	return false;
}

static bool
begin_field(struct reading *reading)
{
	const struct tine_form_reader *reader = reading->reader;

	reading->has_field = true;
	return reader->begin == NULL ||
	    reader->begin(reading->argument, &reading->field) == 0;
}

static bool
add_data(void *argument, const char *data, size_t length)
{
	struct reading *reading = argument;
	const struct tine_form_reader *reader = reading->reader;
	const off_t most = reading->limits->file;

	if ((off_t)length > most - reading->field.length) {
		failure_errno(EFBIG, "a file or value of the form has more "
		    "than %jd bytes", (intmax_t)most);
		return false;
	}
	reading->field.length += (off_t)length;
	return reader->data == NULL || reader->data(reading->argument,
	    &reading->field, data, length) == 0;
}

static bool
end_field(void *argument)
{
	struct reading *reading = argument;
	const struct tine_form_reader *reader = reading->reader;

	reading->has_field = false;
	if (reader->end != NULL &&
	    reader->end(reading->argument, &reading->field) == -1)
		return false;
	if (!reading->source->keeps)
		arena_reset(reading->source->arena);
	return true;
}

/* ------------------------------------------- events of an urlencoded form */

static bool
add_name(void *argument, const char *data, size_t length)
{
	struct reading *reading = argument;
	const size_t most = reading->limits->headers;

	if (length > most - reading->text_length) {
		failure_errno(EMSGSIZE, "a name in the form has more than "
		    "%zu bytes", most);
		return false;
	}
	memcpy(reading->text + reading->text_length, data, length);
	reading->text_length += length;
	return true;
}

static bool
begin_urlencoded(struct reading *reading)
{
	const size_t length = reading->text_length;

	if (!count_field(reading))
		return false;
	reading->text_length = 0;
	reading->field = (struct tine_form_field){
		.name = arena_strndup(reading->source->arena, reading->text,
		    length),
		.name_length = length,
		.charset = reading->charset,
		.headers = &no_headers
	};
	if (reading->field.name == NULL) {
		no_memory();
		return false;
	}
	return begin_field(reading);
}

/* The first byte of a value shows that the field is not to be dropped. */
static bool
add_value(void *argument, const char *data, size_t length)
{
	struct reading *reading = argument;

	if (!reading->has_field && !begin_urlencoded(reading))
		return false;
	return add_data(reading, data, length);
}

static bool
end_urlencoded(void *argument)
{
	struct reading *reading = argument;

	if (!reading->has_field &&
	    (reading->limits->flags & TINE_FORM_KEEP_BLANK) == 0) {
		reading->text_length = 0;
		return count_field(reading);
	}
	if (!reading->has_field && !begin_urlencoded(reading))
		return false;
	return end_field(reading);
}

static const struct urlencoded_events urlencoded_events = {
	add_name, add_value, end_urlencoded
};

/* -------------------------------------------- events of a multipart form */

/* Copies the headers into the arena. */
static bool
set_headers(struct reading *reading, const struct tine_field *headers,
    size_t count)
{
	struct arena *arena = reading->source->arena;
	struct tine_field *copy;

	copy = arena_alloc(arena, (count + 1) * sizeof(*copy));
	if (copy == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		copy[i].name = arena_strndup(arena, headers[i].name,
		    strlen(headers[i].name));
		copy[i].value = arena_strndup(arena, headers[i].value,
		    strlen(headers[i].value));
		if (copy[i].name == NULL || copy[i].value == NULL)
			return false;
	}
	copy[count] = no_headers;
	reading->field = (struct tine_form_field){ .headers = copy };
	return true;
}

static bool
begin_multipart(void *argument, const struct tine_field *headers, size_t count)
{
	struct reading *reading = argument;
	const char *why;

	if (!count_field(reading))
		return false;
	if (!set_headers(reading, headers, count)) {
		no_memory();
		return false;
	}
	switch (form_part_describe(&reading->field, reading->source->arena,
	    &why)) {
	case FORM_PART_GOOD:
		return begin_field(reading);
	case FORM_PART_BAD:
		failure_errno(EBADMSG, "the form is malformed: %s", why);
		break;
	case FORM_PART_NO_MEMORY:
		no_memory();
		break;
	}
	return false;
}

static const struct multipart_events multipart_events = {
	begin_multipart, add_data, end_field
};

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
after_multipart(const struct reading *reading, enum multipart_result result)
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
feed_urlencoded(struct reading *reading, const char *data, size_t length)
{
	struct urlencoded *parser = &reading->parser.urlencoded;

	return after_urlencoded(length > 0 ?
	    urlencoded_feed(parser, data, length) : urlencoded_finish(parser));
}

static enum progress
feed_multipart(struct reading *reading, const char *data, size_t length)
{
	struct multipart *parser = &reading->parser.multipart;

	return after_multipart(reading, length > 0 ?
	    multipart_feed(parser, data, length) : multipart_finish(parser));
}

static void
init_urlencoded(struct reading *reading)
{
	struct urlencoded *parser = &reading->parser.urlencoded;

	urlencoded_init(parser,
	    (reading->limits->flags & TINE_FORM_STRICT) != 0);
	parser->events = &urlencoded_events;
	parser->argument = reading;
	reading->text_length = 0;
}

static int
read_query(struct reading *reading)
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
body_too_large(const struct reading *reading)
{
	return failure_errno(EFBIG, "the form has more than %jd bytes",
	    (intmax_t)reading->limits->body);
}

static int
read_pieces(struct reading *reading, char *piece,
    enum progress (*feed)(struct reading *, const char *, size_t))
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
read_body(struct reading *reading,
    enum progress (*feed)(struct reading *, const char *, size_t))
{
	char *piece;
	int result, saved;

	if (reading->source->req->content_length > reading->limits->body)
		return body_too_large(reading);
	piece = malloc(PIECE);
	if (piece == NULL)
		return no_memory();
	result = read_pieces(reading, piece, feed);
	saved = errno;
	free(piece);
	errno = saved;
	return result;
}

/* The parameter of the Content-Type, in the request's memory. */
static int
find_parameter(struct reading *reading, struct header_parameters *all,
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
		return no_memory();
	(void)header_parameter_text(&parameter, copy);
	*text = copy;
	return 0;
}

static int
read_urlencoded_body(struct reading *reading, struct header_parameters *all)
{
	if (find_parameter(reading, all, "charset", &reading->charset) == -1)
		return -1;
	init_urlencoded(reading);
	return read_body(reading, feed_urlencoded);
}

static int
read_multipart_body(struct reading *reading, struct header_parameters *all)
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
	parser->events = &multipart_events;
	parser->argument = reading;
	return read_body(reading, feed_multipart);
}

static int
read_any_body(struct reading *reading)
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
read_all(struct reading *reading)
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
	struct reading reading = {
		.source = source, .limits = source->limits,
		.reader = reader, .argument = argument
	};
	int result, saved;

	reading.text = malloc(source->limits->headers + 2);
	if (reading.text == NULL)
		return no_memory();
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
