/* SPDX-License-Identifier: ISC */
/*
 * See number.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/libutil.h>
#include <bsd/stdlib.h>

#include "number.h"

static const char not_a_time[] =
    "is no time (examples: 30, 1.5s, 500ms, 2m, 1h; 0 for no limit)";
static const char time_too_long[] = "is too long a time (at most 1000h)";
static const char time_too_short[] =
    "is too short a time (at least 1ms; 0 for no limit)";

static int
refuse(const char **why, const char *reason)
{
	*why = reason;
	errno = EINVAL;
	return -1;
}

/* How many milliseconds a unit is, or 0 if there is no such unit. */
static uint64_t
unit(const char *text)
{
	static const struct { const char *name; uint64_t ms; } units[] = {
		{ "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 },
		{ "h", 3600000 }
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) == 0)
			return units[i].ms;
	}
	return 0;
}

/*
 * Digits as millionths of what they count; NULL if there are none.  What is
 * less than that is nothing: *is_zero tells it from a zero.
 */
static const char *
millionths(const char *text, uint64_t *sum, bool *is_zero)
{
	const uint64_t one = 1000000, most = 4000000000 * one;
	const char *from = text;
	uint64_t place = one / 10;

	*sum = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (*sum < most)
			*sum = *sum * 10 + (uint64_t)(*text - '0') * one;
	}
	if (text == from)
		return NULL;
	*is_zero = *sum == 0;
	if (*text != '.')
		return text;
	from = ++text;
	for (; *text >= '0' && *text <= '9'; text++) {
		*is_zero = *is_zero && *text == '0';
		*sum += (uint64_t)(*text - '0') * place;
		place /= 10;
	}
	return text == from ? NULL : text;
}

int
number_milliseconds(const char *text, unsigned *ms, const char **why)
{
	const uint64_t most = (uint64_t)1000 * 3600000;
	uint64_t amount, scale;
	bool is_zero;

	text = millionths(text, &amount, &is_zero);
	if (text == NULL || (scale = unit(text)) == 0)
		return refuse(why, not_a_time);
	if (amount / 1000000 > most / scale)
		return refuse(why, time_too_long);
	amount = amount * scale / 1000000;
	if (amount > most)
		return refuse(why, time_too_long);
	if (amount == 0 && !is_zero)
		return refuse(why, time_too_short);
	*ms = (unsigned)amount;
	return 0;
}

int
number_bytes(const char *text, off_t *bytes, const char **why)
{
	static const char not_a_size[] =
	    "is no size (examples: 512, 64K, 10M, 1G)";
	uint64_t value;
	const size_t digits = strspn(text, "0123456789");

	/* expand_number(3) takes signs, blanks and fractions for it. */
	if (digits == 0 || digits > 18 || strlen(text + digits) > 1 ||
	    expand_number(text, &value) == -1 || value > INT64_MAX / 2)
		return refuse(why, not_a_size);
	*bytes = (off_t)value;
	return 0;
}

int
number_integer(const char *text, long long low, long long high,
    long long *value, const char **why)
{
	const char *reason;

	if (*text < '0' || *text > '9')
		return refuse(why, "is no number");
	*value = strtonum(text, low, high, &reason);
	if (reason == NULL)
		return 0;
	if (strcmp(reason, "too small") == 0)
		return refuse(why, "is too small");
	if (strcmp(reason, "too large") == 0)
		return refuse(why, "is too large");
	return refuse(why, "is no number");
}
