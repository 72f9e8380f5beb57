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

/* Decimal digits, no NUL; returns how many. */
size_t	text_unsigned(char out[20], uint64_t number);

#endif
