/* SPDX-License-Identifier: ISC */
/*
 * Text of the net on its way to a page or a log, and what the grammar of HTTP
 * says of characters.  No locale has a say.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Both write at most size bytes with the final NUL and return the length that
 * the whole would have, as snprintf(3) does.
 *
 * html: & < > " ' become entities.  log: the bytes 0x00 to 0x1f and 0x7f to
 * 0x9f become \xNN, and a backslash is doubled.
 */
size_t	text_escape_html(char *out, size_t size, const char *in,
	    size_t length);
size_t	text_escape_log(char *out, size_t size, const char *in, size_t length);

/* A token: RFC 9110, section 5.6.2. */
bool	text_is_token(const char *text, size_t length);

/* Whether both are the same but for the case of ASCII letters. */
bool	text_equal_case(const char *a, size_t a_length, const char *b,
	    size_t b_length);

/* Which byte of a word in memory has the first of these bits, one in each. */
static inline size_t
text_first(uint64_t bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (size_t)__builtin_ctzll(bits) / 8;
#else
	(void)bits;
	return 0;		/* a borrow may have set it: look at each */
#endif
}

/*
 * Passes over text eight bytes at a time up to a control character; returns
 * how many were passed over.
 */
static inline size_t
text_printable(const char *text, size_t length)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t n = 0;

	for (; length - n >= 8; n += 8) {
		uint64_t word, found;

		memcpy(&word, text + n, sizeof(word));
		/* Below 0x20: a borrow.  0x7f: one more is 0x80. */
		found = ((word - ones * 0x20) | ((word & ones * 0x7f) + ones)) &
		    ~word & ones * 0x80;
		if (found != 0)
			return n + text_first(found);
	}
	return n;
}

/* Decimal digits, no NUL; returns how many. */
size_t	text_unsigned(char out[20], uint64_t number);

#endif
