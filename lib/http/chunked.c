/* SPDX-License-Identifier: ISC */
/*
 * See chunked.h.
 */
#include <string.h>

#include "../base/text.h"
#include "chunked.h"

#define DIGITS_MOST	32		/* of a size, zeros before it too */
#define EXTRA_MOST	(16 * 1024)	/* extensions and trailers, in all */
#define TRAILERS_MOST	100

/* The numbers are part of hand-over's format. */
enum state {
	STATE_SIZE, STATE_SIZE_SPACE, STATE_EXTENSION, STATE_SIZE_LF,
	STATE_DATA, STATE_DATA_CR, STATE_DATA_LF,
	STATE_TRAILER, STATE_TRAILER_NAME, STATE_TRAILER_VALUE,
	STATE_TRAILER_LF, STATE_END_LF
};

void
chunked_init(struct chunked *chunked)
{
	memset(chunked, 0, sizeof(*chunked));
}

bool
chunked_is_sound(const struct chunked *chunked)
{
	return chunked->state <= STATE_END_LF &&
	    chunked->digits <= DIGITS_MOST && chunked->extra <= EXTRA_MOST &&
	    chunked->trailers <= TRAILERS_MOST &&
	    (chunked->state != STATE_DATA || chunked->left > 0);
}

static enum chunked_result
refuse(struct chunked *chunked, const char *why)
{
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
static int
is_text(char c)
{
	return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

static enum chunked_result
size_digit(struct chunked *chunked, int digit)
{
	if (++chunked->digits > DIGITS_MOST ||
	    chunked->left > UINT64_MAX >> 8)
		return refuse(chunked, "Chunk too large");
	chunked->left = chunked->left << 4 | (unsigned)digit;
	return CHUNKED_MORE;
}

static enum chunked_result
size_byte(struct chunked *chunked, char c)
{
	const int digit = hex(c);

	if (chunked->state == STATE_SIZE && digit >= 0)
		return size_digit(chunked, digit);
	if (chunked->digits == 0)
		return refuse(chunked, "Bad chunk size");
	if (c == ';')
		chunked->state = STATE_EXTENSION;
	else if ((c == ' ' || c == '\t') && ++chunked->extra <= EXTRA_MOST)
		chunked->state = STATE_SIZE_SPACE;
	else if (c == '\r' && chunked->state == STATE_SIZE)
		chunked->state = STATE_SIZE_LF;
	else
		return refuse(chunked, "Bad chunk size");
	return CHUNKED_MORE;
}

static enum chunked_result
trailer_byte(struct chunked *chunked, char c)
{
	switch ((enum state)chunked->state) {
	case STATE_TRAILER:
		if (c == '\r') {
			chunked->state = STATE_END_LF;
			return CHUNKED_MORE;
		}
		chunked->state = STATE_TRAILER_NAME;
		if (++chunked->trailers > TRAILERS_MOST ||
		    !text_is_token(&c, 1))
			return refuse(chunked, "Bad trailer");
		return CHUNKED_MORE;
	case STATE_TRAILER_NAME:
		if (c == ':')
			chunked->state = STATE_TRAILER_VALUE;
		else if (!text_is_token(&c, 1))
			return refuse(chunked, "Bad trailer");
		return CHUNKED_MORE;
	case STATE_TRAILER_VALUE:
		if (c == '\r')
			chunked->state = STATE_TRAILER_LF;
		else if (!is_text(c))
			return refuse(chunked, "Bad trailer");
		return CHUNKED_MORE;
	default:
		if (c != '\n')
			return refuse(chunked, "Bad trailer");
		chunked->state = STATE_TRAILER;
		return CHUNKED_MORE;
	}
}

static enum chunked_result
line_end(struct chunked *chunked, char c, char wanted, enum state next)
{
	if (c != wanted)
		return refuse(chunked, "Bad chunk");
	chunked->state = next;
	return CHUNKED_MORE;
}

static enum chunked_result
begin_data(struct chunked *chunked, char c)
{
	const enum state next = chunked->left > 0 ? STATE_DATA
	    : STATE_TRAILER;

	chunked->digits = 0;
	return line_end(chunked, c, '\n', next);
}

static enum chunked_result
extra_byte(struct chunked *chunked, char c)
{
	if (++chunked->extra > EXTRA_MOST)
		return refuse(chunked, "Chunk extensions too large");
	if (chunked->state != STATE_EXTENSION)
		return trailer_byte(chunked, c);
	if (c == '\r')
		chunked->state = STATE_SIZE_LF;
	else if (!is_text(c))
		return refuse(chunked, "Bad chunk extension");
	return CHUNKED_MORE;
}

/* Every byte but the data's. */
static enum chunked_result
one_byte(struct chunked *chunked, char c)
{
	switch ((enum state)chunked->state) {
	case STATE_SIZE:
	case STATE_SIZE_SPACE:
		return size_byte(chunked, c);
	case STATE_SIZE_LF:
		return begin_data(chunked, c);
	case STATE_DATA:
	case STATE_DATA_CR:
		return line_end(chunked, c, '\r', STATE_DATA_LF);
	case STATE_DATA_LF:
		return line_end(chunked, c, '\n', STATE_SIZE);
	case STATE_END_LF:
		if (c != '\n')
			return refuse(chunked, "Bad trailer");
		chunked->is_done = 1;
		return CHUNKED_DONE;
	case STATE_EXTENSION:
	case STATE_TRAILER:
	case STATE_TRAILER_NAME:
	case STATE_TRAILER_VALUE:
	case STATE_TRAILER_LF:
		break;
	}
	return extra_byte(chunked, c);
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
