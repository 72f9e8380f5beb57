/* SPDX-License-Identifier: ISC */
/*
 * The digits of %XX.  isxdigit(3) is not used: the locale has no say.
 */
#ifndef BASE_HEXADECIMAL_H
#define BASE_HEXADECIMAL_H

/* The digit's value, or -1. */
static inline int
hexadecimal_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
