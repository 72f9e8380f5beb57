/* SPDX-License-Identifier: ISC */
/*
 * See chunked.h.
 */
#include <string.h>

#include "../base/text.h"
#include "chunked.h"

#define DIGITS_MOST	32		/* of a size, zeros before it too */

/* The numbers are part of hand-over's format. */
enum state {
	STATE_SIZE, STATE_SPACE, STATE_EXTENSION, STATE_SIZE_LF,
	STATE_DATA, STATE_DATA_CR, STATE_DATA_LF,
	STATE_TRAILER, STATE_TRAILER_NAME, STATE_TRAILER_VALUE,
	STATE_TRAILER_LF, STATE_END_LF,
	STATE_NAME, STATE_NAME_SPACE, STATE_EQUALS, STATE_TOKEN,
	STATE_QUOTED, STATE_ESCAPED, STATE_QUOTE_END
};

void
chunked_init(struct chunked *chunked, const struct chunked_bounds *bounds)
{
	memset(chunked, 0, sizeof(*chunked));
	chunked->bounds = *bounds;
}

bool
chunked_is_sound(const struct chunked *chunked)
{
	return chunked->state <= STATE_QUOTE_END &&
	    chunked->digits <= DIGITS_MOST &&
	    (chunked->state != STATE_DATA || chunked->left > 0);
}

static enum chunked_result
refuse(struct chunked *chunked, int status, const char *why)
{
	chunked->status = status;
	chunked->why = why;
	return CHUNKED_BAD;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Anything of a line but control characters; TAB is white space. */
static bool
is_text(char c)
{
	return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static enum chunked_result
enter(struct chunked *chunked, enum state next)
{
	chunked->state = next;
	return CHUNKED_MORE;
}

/* ----------------------------------------------------------- sizes and data */

static enum chunked_result
size_digit(struct chunked *chunked, int digit)
{
	if (++chunked->digits > DIGITS_MOST ||
	    chunked->left > UINT64_MAX >> 8)
		return refuse(chunked, 413, "Chunk too large");
	chunked->left = chunked->left << 4 | (unsigned)digit;
	return CHUNKED_MORE;
}

static enum chunked_result
size_byte(struct chunked *chunked, char c)
{
	const int digit = hex(c);

	if (digit >= 0)
		return size_digit(chunked, digit);
	if (chunked->digits == 0)
		return refuse(chunked, 400, "Bad chunk size");
	if (c == '\r')
		return enter(chunked, STATE_SIZE_LF);
	if (c == ';')
		return enter(chunked, STATE_EXTENSION);
	if (is_space(c))
		return enter(chunked, STATE_SPACE);
	return refuse(chunked, 400, "Bad chunk size");
}

static enum chunked_result
line_end(struct chunked *chunked, char c, char wanted, enum state next)
{
	if (c != wanted)
		return refuse(chunked, 400, "Bad chunk");
	return enter(chunked, next);
}

/* What is counted from here on is the trailers'. */
static enum chunked_result
begin_trailers(struct chunked *chunked, char c)
{
	chunked->extra = 0;
	return line_end(chunked, c, '\n', STATE_TRAILER);
}

static enum chunked_result
begin_data(struct chunked *chunked, char c)
{
	chunked->digits = 0;
	if (chunked->left == 0)
		return begin_trailers(chunked, c);
	return line_end(chunked, c, '\n', STATE_DATA);
}

/* --------------------------------------------------------------- extensions */

/*
 * *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), RFC 9112,
 * section 7.1.1.  Nothing of it is used, but where another server thinks that
 * it ends matters: in the grammar there is no line end within it.
 */
static enum chunked_result
after_extension(struct chunked *chunked, char c)
{
	if (c == ';')
		return enter(chunked, STATE_EXTENSION);
	if (c == '\r')
		return enter(chunked, STATE_SIZE_LF);
	if (is_space(c))
		return enter(chunked, STATE_SPACE);
	return refuse(chunked, 400, "Bad chunk extension");
}

static enum chunked_result
name_byte(struct chunked *chunked, char c)
{
	if (c == '=')
		return enter(chunked, STATE_EQUALS);
	if (is_space(c))
		return enter(chunked, STATE_NAME_SPACE);
	if (chunked->state == STATE_NAME && text_is_token(&c, 1))
		return CHUNKED_MORE;
	/* A space may only lead on to more. */
	if (chunked->state == STATE_NAME_SPACE && c != ';')
		return refuse(chunked, 400, "Bad chunk extension");
	return after_extension(chunked, c);
}

/* Before a name or a value: white space, and what it may begin with. */
static enum chunked_result
begin_part(struct chunked *chunked, char c, enum state next)
{
	if (is_space(c))
		return CHUNKED_MORE;
	if (!text_is_token(&c, 1))
		return refuse(chunked, 400, "Bad chunk extension");
	return enter(chunked, next);
}

static enum chunked_result
quoted_byte(struct chunked *chunked, char c)
{
	if (!is_text(c))
		return refuse(chunked, 400, "Bad chunk extension");
	if (chunked->state == STATE_ESCAPED)
		return enter(chunked, STATE_QUOTED);
	if (c == '\\')
		return enter(chunked, STATE_ESCAPED);
	if (c == '"')
		return enter(chunked, STATE_QUOTE_END);
	return CHUNKED_MORE;
}

static enum chunked_result
extension_byte(struct chunked *chunked, char c)
{
	if (++chunked->extra > chunked->bounds.extensions)
		return refuse(chunked, 413, "Chunk extensions too large");
	switch (chunked->state) {
	case STATE_EXTENSION:
		return begin_part(chunked, c, STATE_NAME);
	case STATE_NAME:
	case STATE_NAME_SPACE:
		return name_byte(chunked, c);
	case STATE_EQUALS:
		if (c == '"')
			return enter(chunked, STATE_QUOTED);
		return begin_part(chunked, c, STATE_TOKEN);
	case STATE_TOKEN:
		if (text_is_token(&c, 1))
			return CHUNKED_MORE;
		return after_extension(chunked, c);
	case STATE_QUOTED:
	case STATE_ESCAPED:
		return quoted_byte(chunked, c);
	case STATE_QUOTE_END:
		return after_extension(chunked, c);
	default:		/* STATE_SPACE: only more of them may follow */
		if (is_space(c))
			return CHUNKED_MORE;
		if (c != ';')
			return refuse(chunked, 400, "Bad chunk size");
		return enter(chunked, STATE_EXTENSION);
	}
}

/* ----------------------------------------------------------------- trailers */

static enum chunked_result
begin_trailer(struct chunked *chunked, char c)
{
	if (++chunked->trailers > chunked->bounds.trailer_count)
		return refuse(chunked, 431, "Too many trailers");
	if (!text_is_token(&c, 1))
		return refuse(chunked, 400, "Bad trailer");
	return enter(chunked, STATE_TRAILER_NAME);
}

static enum chunked_result
trailer_byte(struct chunked *chunked, char c)
{
	if (chunked->state == STATE_TRAILER && c == '\r')
		return enter(chunked, STATE_END_LF);
	if (++chunked->extra > chunked->bounds.trailers)
		return refuse(chunked, 431, "Trailers too large");
	switch (chunked->state) {
	case STATE_TRAILER:
		return begin_trailer(chunked, c);
	case STATE_TRAILER_NAME:
		if (c == ':')
			return enter(chunked, STATE_TRAILER_VALUE);
		if (!text_is_token(&c, 1))
			return refuse(chunked, 400, "Bad trailer");
		return CHUNKED_MORE;
	case STATE_TRAILER_VALUE:
		if (c == '\r')
			return enter(chunked, STATE_TRAILER_LF);
		if (!is_text(c))
			return refuse(chunked, 400, "Bad trailer");
		return CHUNKED_MORE;
	default:		/* STATE_TRAILER_LF */
		return line_end(chunked, c, '\n', STATE_TRAILER);
	}
}

static enum chunked_result
end(struct chunked *chunked, char c)
{
	if (c != '\n')
		return refuse(chunked, 400, "Bad trailer");
	chunked->is_done = 1;
	return CHUNKED_DONE;
}

/* Every byte but the data's. */
static enum chunked_result
one_byte(struct chunked *chunked, char c)
{
	switch ((enum state)chunked->state) {
	case STATE_SIZE:
		return size_byte(chunked, c);
	case STATE_SIZE_LF:
		return begin_data(chunked, c);
	case STATE_DATA:
	case STATE_DATA_CR:
		return line_end(chunked, c, '\r', STATE_DATA_LF);
	case STATE_DATA_LF:
		return line_end(chunked, c, '\n', STATE_SIZE);
	case STATE_SPACE:
	case STATE_EXTENSION:
	case STATE_NAME:
	case STATE_NAME_SPACE:
	case STATE_EQUALS:
	case STATE_TOKEN:
	case STATE_QUOTED:
	case STATE_ESCAPED:
	case STATE_QUOTE_END:
		return extension_byte(chunked, c);
	case STATE_TRAILER:
	case STATE_TRAILER_NAME:
	case STATE_TRAILER_VALUE:
	case STATE_TRAILER_LF:
		return trailer_byte(chunked, c);
	case STATE_END_LF:
		break;
	}
	return end(chunked, c);
}

enum chunked_result
chunked_decode(struct chunked *chunked, char *out, const char *from,
    size_t length, size_t *used, size_t *made)
{
	enum chunked_result result = CHUNKED_MORE;
	size_t at = 0;

	*made = 0;
	while (at < length && result == CHUNKED_MORE) {
		size_t n = length - at;

		if (chunked->state != STATE_DATA) {
			result = one_byte(chunked, from[at++]);
			continue;
		}
		if (n > chunked->left)
			n = (size_t)chunked->left;
		memmove(out + *made, from + at, n);
		*made += n;
		at += n;
		chunked->left -= n;
		if (chunked->left == 0)
			chunked->state = STATE_DATA_CR;
	}
	*used = at;
	return result;
}
