/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of a head's parser share: the classes of characters, and the
 * parts of a head.
 */
#ifndef HTTP_HEAD_PARTS_H
#define HTTP_HEAD_PARTS_H

#include <string.h>

#include "head.h"

enum head_character {
	TOKEN	= 1 << 0,	/* RFC 9110, section 5.6.2 */
	TARGET	= 1 << 1,	/* visible ASCII but '#' */
	VALUE	= 1 << 2,	/* of a field: visible, obs-text */
	HOST	= 1 << 3,	/* unreserved and sub-delims, RFC 3986 */
	DIGIT	= 1 << 4,
	HEX	= 1 << 5,
	PLAIN	= 1 << 6,	/* of a target: neither query nor escape */
	BLANK	= 1 << 7	/* SP, HTAB */
};

/*
 * What each byte is.  Hidden here too, not only where it stands: else its place
 * would be looked up for each of them.
 */
extern const unsigned char head_characters[256]
    __attribute__((__visibility__("hidden")));

static inline bool
head_is(char c, unsigned what)
{
	return (head_characters[(unsigned char)c] & what) != 0;
}

/* Where, from at on, the run of such bytes ends. */
static inline size_t
head_skip(const char *data, size_t at, size_t length, unsigned what)
{
	while (at < length && head_is(data[at], what))
		at++;
	return at;
}

static inline struct span
span(size_t from, size_t to)
{
	return (struct span){ (uint32_t)from, (uint32_t)(to - from) };
}

/* Whether text, of which length is known to be right, is word in any case. */
static inline bool
head_is_word(const char *text, const char *word, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((text[i] | 0x20) != word[i])
			return false;
	}
	return true;
}

static inline bool
head_method_is(const struct head *head, const char *data, const char *name)
{
	const size_t length = strlen(name);

	return head->method.length == length &&
	    memcmp(data + head->method.at, name, length) == 0;
}

/* --- head_target.c */

/* Whether the target is one that the method can have; fills in its parts. */
bool	head_target_is_valid(struct head *head, const char *data);

#endif
