/* SPDX-License-Identifier: ISC */
/*
 * See base64.h.  b64_pton(3) of libresolv skips white space wherever it is,
 * so one text has many forms there.
 */
#include "base64.h"

/* What a character stands for, or -1. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* How many '=' end it: only those of its last four characters can. */
static size_t
padding_of(const char *in, size_t length)
{
	if (length == 0 || in[length - 1] != '=')
		return 0;
	return in[length - 2] == '=' ? 2 : 1;
}

bool
base64_decode(const char *in, size_t length, char *out, size_t size,
    size_t *made)
{
	unsigned bits = 0, count = 0;
	size_t padding, n = 0;

	if (length % 4 != 0)
		return false;
	padding = padding_of(in, length);
	for (size_t i = 0; i < length - padding; i++) {
		const int value = value_of(in[i]);

		if (value == -1)
			return false;
		bits = (bits << 6 | (unsigned)value) & 0xfff;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (n == size)
			return false;
		out[n++] = (char)(bits >> count & 0xff);
	}
	*made = n;
	return (bits & ((1U << count) - 1)) == 0;
}
