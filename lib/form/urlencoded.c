/* SPDX-License-Identifier: ISC */
/*
 * See urlencoded.h.
 */
#include <string.h>

#include "../base/hexadecimal.h"
#include "urlencoded.h"

void
urlencoded_init(struct urlencoded *parser, bool is_strict)
{
	memset(parser, 0, sizeof(*parser));
	parser->is_strict = is_strict;
}

static void
stop(struct urlencoded *parser, enum urlencoded_result result)
{
	parser->result = result;
}

static void
emit(struct urlencoded *parser, const char *data, size_t length)
{
	const struct urlencoded_events *events = parser->events;

	if (length == 0 || parser->result != URLENCODED_MORE)
		return;
	if (!(parser->in_value ? events->value : events->name)
	    (parser->argument, data, length))
		stop(parser, URLENCODED_STOPPED);
}

static void
flush(struct urlencoded *parser)
{
	const size_t used = parser->used;

	parser->used = 0;
	emit(parser, parser->out, used);
}

/* Small runs are collected; a large one is handed on where it lies. */
static void
put(struct urlencoded *parser, const char *data, size_t length)
{
	if (length > sizeof(parser->out) - parser->used)
		flush(parser);
	if (length > sizeof(parser->out)) {
		emit(parser, data, length);
		return;
	}
	memcpy(parser->out + parser->used, data, length);
	parser->used += length;
}

static void
end_field(struct urlencoded *parser)
{
	flush(parser);
	if (parser->result != URLENCODED_MORE)
		return;
	if (parser->is_strict && !parser->in_value)
		stop(parser, URLENCODED_BAD);
	else if (parser->is_any &&
	    !parser->events->end(parser->argument))
		stop(parser, URLENCODED_STOPPED);
	parser->is_any = false;
	parser->in_value = false;
}

/* The byte after an unfinished escape, or false if it is none of its. */
static bool
take_digit(struct urlencoded *parser, char c)
{
	char byte;

	if (hexadecimal_digit(c) == -1) {
		const size_t pending = parser->pending;

		parser->pending = 0;
		put(parser, parser->escape, pending);
		return false;
	}
	if (parser->pending == 1) {
		parser->escape[parser->pending++] = c;
		return true;
	}
	byte = (char)(hexadecimal_digit(parser->escape[1]) << 4 |
	    hexadecimal_digit(c));
	parser->pending = 0;
	put(parser, &byte, 1);
	return true;
}

static void
take_special(struct urlencoded *parser, char c)
{
	if (c == '&') {
		end_field(parser);
		return;
	}
	parser->is_any = true;
	if (c == '%') {
		parser->escape[0] = c;
		parser->pending = 1;
	} else if (c == '+') {
		put(parser, " ", 1);
	} else if (parser->in_value) {
		put(parser, &c, 1);
	} else {
		flush(parser);
		parser->in_value = true;
	}
}

static bool
is_special(char c)
{
	return c == '%' || c == '+' || c == '&' || c == '=';
}

static const char *
take(struct urlencoded *parser, const char *at, const char *end)
{
	const char *from = at;

	if (parser->pending > 0 && take_digit(parser, *at))
		return at + 1;
	while (at < end && !is_special(*at))
		at++;
	if (at > from) {
		parser->is_any = true;
		put(parser, from, (size_t)(at - from));
	}
	if (at < end)
		take_special(parser, *at++);
	return at;
}

enum urlencoded_result
urlencoded_feed(struct urlencoded *parser, const char *data, size_t length)
{
	const char *end = data + length;

	parser->has_begun |= length > 0;
	while (data < end && parser->result == URLENCODED_MORE)
		data = take(parser, data, end);
	flush(parser);
	return parser->result;
}

enum urlencoded_result
urlencoded_finish(struct urlencoded *parser)
{
	put(parser, parser->escape, parser->pending);
	parser->pending = 0;
	if (parser->has_begun)	/* nothing at all is right, even if strict */
		end_field(parser);
	if (parser->result == URLENCODED_MORE)
		stop(parser, URLENCODED_DONE);
	return parser->result;
}
