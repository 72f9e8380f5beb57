/* SPDX-License-Identifier: ISC */
/*
 * See multipart.h.
 */
#include <assert.h>
#include <string.h>

#include "../base/text.h"
#include "multipart.h"

bool
multipart_boundary_is_valid(const char *boundary, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (boundary[i] < ' ' || boundary[i] > '~')
			return false;
	}
	return length > 0 && boundary[length - 1] != ' ';
}

/* A window whose last byte is c can be moved by skip[c]. */
static void
init_skip(struct multipart *parser)
{
	const size_t last = parser->length - 1;

	memset(parser->skip, (int)parser->length, sizeof(parser->skip));
	for (size_t i = 0; i < last; i++)
		parser->skip[(unsigned char)parser->delimiter[i]] =
		    (unsigned char)(last - i);
}

void
multipart_init(struct multipart *parser, const char *boundary, size_t length,
    char *headers, size_t size)
{
	assert(length <= MULTIPART_BOUNDARY);
	memset(parser, 0, sizeof(*parser));
	memcpy(parser->delimiter, "\r\n--", 4);
	memcpy(parser->delimiter + 4, boundary, length);
	parser->length = 4 + length;
	init_skip(parser);
	parser->headers = headers;
	parser->headers_size = size;
	parser->matched = parser->assumed = 2;	/* the body begins a line */
}

static void
stop(struct multipart *parser, enum multipart_result result, const char *why)
{
	parser->state = MULTIPART_ENDED;
	parser->result = result;
	parser->why = why;
}

/* ------------------------------------------------------- data of a part */

static void
emit(struct multipart *parser, const char *data, size_t length)
{
	if (!parser->in_part || length == 0)
		return;
	if (!parser->events->data(parser->argument, data, length))
		stop(parser, MULTIPART_STOPPED, NULL);
}

/* What looked like a delimiter was data. */
static void
emit_matched(struct multipart *parser)
{
	const size_t assumed = parser->assumed;
	const size_t matched = parser->matched;

	parser->matched = parser->assumed = 0;
	emit(parser, parser->delimiter + assumed, matched - assumed);
}

static void
end_part(struct multipart *parser)
{
	const bool was_in_part = parser->in_part;

	parser->in_part = false;
	parser->matched = parser->assumed = 0;
	if (was_in_part && !parser->events->end(parser->argument))
		stop(parser, MULTIPART_STOPPED, NULL);
}

static const char *
search(const struct multipart *parser, const char *at, const char *end)
{
	const char *delimiter = parser->delimiter;
	const size_t length = parser->length;
	const char last = delimiter[length - 1];

	while ((size_t)(end - at) >= length) {
		const char c = at[length - 1];

		if (c == last && *at == '\r' &&
		    memcmp(at, delimiter, length) == 0)
			return at;
		at += parser->skip[(unsigned char)c];
	}
	/* What is left may be the beginning of one. */
	for (; at < end; at++) {
		if (*at == '\r' &&
		    memcmp(at, delimiter, (size_t)(end - at)) == 0)
			return at;
	}
	return end;
}

size_t
multipart_search(const struct multipart *parser, const char *data,
    size_t length)
{
	return (size_t)(search(parser, data, data + length) - data);
}

/* Goes on with the delimiter that began before at; returns where it stops. */
static const char *
match(struct multipart *parser, const char *at, const char *end)
{
	while (at < end && parser->matched < parser->length &&
	    *at == parser->delimiter[parser->matched]) {
		parser->matched++;
		at++;
	}
	if (parser->matched == parser->length)
		parser->state = MULTIPART_DELIMITER;
	return at;
}

static const char *
take_data(struct multipart *parser, const char *at, const char *end)
{
	const char *from;

	if (parser->matched > 0) {
		at = match(parser, at, end);
		if (at == end || parser->state != MULTIPART_DATA)
			return at;
		emit_matched(parser);
		if (parser->state != MULTIPART_DATA)
			return at;
	}
	from = at;
	at = search(parser, at, end);
	emit(parser, from, (size_t)(at - from));
	if (parser->state != MULTIPART_DATA)
		return at;
	return match(parser, at, end);
}

/* ------------------------------------------------------- after a delimiter */

static void
begin_headers(struct multipart *parser)
{
	parser->state = MULTIPART_HEADERS;
	parser->headers_length = 0;
	parser->line = 0;
	end_part(parser);
}

/*
 * A line that only begins like a delimiter is data (as Python and browsers
 * have it, which RFC 2046 leaves to the sender to avoid).
 */
static void
back_to_data(struct multipart *parser)
{
	parser->state = MULTIPART_DATA;
	emit_matched(parser);
}

static const char *
take_delimiter(struct multipart *parser, const char *at)
{
	switch (*at) {
	case '-':
		parser->state = MULTIPART_DASH;
		return at + 1;
	case '\r':
		parser->state = MULTIPART_CR;
		return at + 1;
	case ' ':
	case '\t':
		parser->state = MULTIPART_PADDING;
		return at + 1;
	default:
		back_to_data(parser);
		return at;
	}
}

static const char *
take_dash(struct multipart *parser, const char *at)
{
	if (*at == '-') {
		stop(parser, MULTIPART_DONE, NULL);
		end_part(parser);
		return at + 1;
	}
	back_to_data(parser);
	if (parser->state == MULTIPART_DATA)
		emit(parser, "-", 1);
	return at;
}

static const char *
take_cr(struct multipart *parser, const char *at)
{
	if (*at == '\n') {
		begin_headers(parser);
		return at + 1;
	}
	back_to_data(parser);
	parser->matched = 1;	/* the CR may begin the true delimiter */
	return at;
}

static const char *
take_padding(struct multipart *parser, const char *at)
{
	if (*at == '\r')
		parser->state = MULTIPART_PADDING_CR;
	else if (*at != ' ' && *at != '\t')
		stop(parser, MULTIPART_BAD,
		    "something follows a boundary on its line");
	return at + 1;
}

static const char *
take_padding_cr(struct multipart *parser, const char *at)
{
	if (*at == '\n')
		begin_headers(parser);
	else
		stop(parser, MULTIPART_BAD,
		    "the line of a boundary does not end with CR LF");
	return at + 1;
}

/* ------------------------------------------------------ headers of a part */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
has_control(const char *text, const char *end)
{
	for (; text < end; text++) {
		const unsigned char c = (unsigned char)*text;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* Splits the line from at to end, which is the place of its CR. */
static const char *
parse_line(struct tine_field *field, char *at, char *end)
{
	char *colon = memchr(at, ':', (size_t)(end - at));

	if (colon == NULL || !text_is_token(at, (size_t)(colon - at)))
		return "a header line of a part has no name";
	*colon = '\0';
	field->name = at;
	for (at = colon + 1; at < end && is_blank(*at); at++)
		;
	while (end > at && is_blank(end[-1]))
		end--;
	if (has_control(at, end))
		return "a header of a part has a control character";
	*end = '\0';
	field->value = at;
	return NULL;
}

/*
 * The CR at which the field at at ends.  A line that begins with white space
 * belongs to the one before (RFC 5322, section 2.2.3): the line end becomes
 * white space.
 */
static char *
unfold(char *at, const char *end)
{
	char *cr = memchr(at, '\r', (size_t)(end - at));

	while (cr + 2 < end && is_blank(cr[2])) {
		cr[0] = cr[1] = ' ';
		cr = memchr(cr, '\r', (size_t)(end - cr));
	}
	return cr;
}

/* The buffer has whole lines only, each with CRLF and with no other CR. */
static const char *
parse_headers(struct multipart *parser, size_t *count)
{
	char *at = parser->headers;
	char *end = at + parser->headers_length - 2;	/* the empty line */

	*count = 0;
	while (at < end) {
		char *cr = unfold(at, end);
		const char *why;

		if (*count == MULTIPART_FIELDS)
			return "a part has too many headers";
		why = parse_line(&parser->fields[*count], at, cr);
		if (why != NULL)
			return why;
		++*count;
		at = cr + 2;
	}
	parser->fields[*count] = (struct tine_field){ NULL, NULL };
	return NULL;
}

static void
begin_part(struct multipart *parser)
{
	size_t count;
	const char *why = parse_headers(parser, &count);

	if (why != NULL) {
		stop(parser, MULTIPART_BAD, why);
		return;
	}
	parser->state = MULTIPART_DATA;
	parser->in_part = true;
	parser->matched = parser->assumed = 2;	/* a part may be empty */
	if (!parser->events->begin(parser->argument, parser->fields, count))
		stop(parser, MULTIPART_STOPPED, NULL);
}

/* A LF came: a line of the headers is whole. */
static void
end_line(struct multipart *parser)
{
	const char *line = parser->headers + parser->line;
	const size_t length = parser->headers_length - parser->line;

	if (length < 2 || memchr(line, '\r', length) != line + length - 2)
		stop(parser, MULTIPART_BAD,
		    "a header line of a part does not end with CR LF");
	else if (length == 2)
		begin_part(parser);
	else if (parser->headers_length > parser->headers_size - 2)
		stop(parser, MULTIPART_LARGE, NULL);
	parser->line = parser->headers_length;
}

static const char *
take_headers(struct multipart *parser, const char *at, const char *end)
{
	const size_t room = parser->headers_size - parser->headers_length;
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	const size_t length = (size_t)((lf != NULL ? lf + 1 : end) - at);

	if (length > room) {
		stop(parser, MULTIPART_LARGE, NULL);
		return end;
	}
	memcpy(parser->headers + parser->headers_length, at, length);
	parser->headers_length += length;
	if (lf != NULL)
		end_line(parser);
	return at + length;
}

/* -------------------------------------------------------------------- all */

static const char *
take(struct multipart *parser, const char *at, const char *end)
{
	switch (parser->state) {
	case MULTIPART_DATA:
		return take_data(parser, at, end);
	case MULTIPART_DELIMITER:
		return take_delimiter(parser, at);
	case MULTIPART_DASH:
		return take_dash(parser, at);
	case MULTIPART_CR:
		return take_cr(parser, at);
	case MULTIPART_PADDING:
		return take_padding(parser, at);
	case MULTIPART_PADDING_CR:
		return take_padding_cr(parser, at);
	case MULTIPART_HEADERS:
		return take_headers(parser, at, end);
	case MULTIPART_ENDED:
		break;
	}
	return end;
}

enum multipart_result
multipart_feed(struct multipart *parser, const char *data, size_t length)
{
	const char *end = data + length;

	while (data < end && parser->state != MULTIPART_ENDED)
		data = take(parser, data, end);
	return parser->state == MULTIPART_ENDED ? parser->result
	    : MULTIPART_MORE;
}

enum multipart_result
multipart_finish(struct multipart *parser)
{
	if (parser->state != MULTIPART_ENDED)
		stop(parser, MULTIPART_BAD, "the last boundary is missing");
	return parser->result;
}
