/* SPDX-License-Identifier: ISC */
/*
 * Base64 of the net (RFC 4648, section 4).
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decodes in to out, which has room for size bytes, and says how many they
 * are.  Each text of bytes has exactly one form that is taken: padded, with
 * no other character, and no bit set that stands for nothing.  False: in has
 * another form, or does not fit.
 */
bool	base64_decode(const char *in, size_t length, char *out, size_t size,
	    size_t *made);

#endif
