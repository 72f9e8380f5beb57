/* SPDX-License-Identifier: ISC */
/*
 * See range.h.
 */
#include <stdbool.h>
#include <string.h>

#include "../base/text.h"
#include "../http/head.h"
#include "range.h"

#define NEAR	80	/* bytes between two ranges: what a part's head costs */

enum spec {
	SPEC_BAD,
	SPEC_EMPTY,	/* all of nothing: satisfied, but no 206 can say it */
	SPEC_OUTSIDE,
	SPEC_INSIDE
};

/* "-500": the last bytes. */
static enum spec
read_suffix(const char *digits, size_t length, off_t size,
    struct range *range)
{
	off_t wanted;

	if (!head_number(digits, length, &wanted))
		return SPEC_BAD;
	if (wanted == 0)
		return SPEC_OUTSIDE;
	if (size == 0)
		return SPEC_EMPTY;
	range->length = wanted < size ? wanted : size;
	range->offset = size - range->length;
	return SPEC_INSIDE;
}

/* "0-499", "500-" or "-500", without white space. */
static enum spec
read_spec(const char *text, size_t length, off_t size, struct range *range)
{
	const char *dash = memchr(text, '-', length);
	const size_t before = dash != NULL ? (size_t)(dash - text) : 0;
	const size_t after = length - before - 1;
	off_t first, last;

	if (dash == NULL)
		return SPEC_BAD;
	if (before == 0)
		return read_suffix(dash + 1, after, size, range);
	if (!head_number(text, before, &first))
		return SPEC_BAD;
	last = size;
	if (after > 0 && (!head_number(dash + 1, after, &last) ||
	    last < first))
		return SPEC_BAD;
	if (first >= size)
		return SPEC_OUTSIDE;
	range->offset = first;
	range->length = (last < size ? last + 1 : size) - first;
	return SPEC_INSIDE;
}

/* Whether two of them are better sent as one. */
static bool
touch(const struct range *a, const struct range *b)
{
	const off_t a_end = a->offset + a->length;
	const off_t b_end = b->offset + b->length;

	return a->offset - b_end < NEAR && b->offset - a_end < NEAR;
}

static void
join(struct range *a, const struct range *b)
{
	const off_t a_end = a->offset + a->length;
	const off_t b_end = b->offset + b->length;

	if (b->offset < a->offset)
		a->offset = b->offset;
	a->length = (a_end > b_end ? a_end : b_end) - a->offset;
}

/* Adds one; what it touches comes to it, in the place of the first. */
static size_t
add(struct range *ranges, size_t count, const struct range *range)
{
	size_t i = 0;

	ranges[count++] = *range;
	while (i < count) {
		size_t j = i + 1;

		while (j < count && !touch(&ranges[i], &ranges[j]))
			j++;
		if (j == count) {
			i++;
			continue;
		}
		join(&ranges[i], &ranges[j]);
		memmove(&ranges[j], &ranges[j + 1],
		    (count - j - 1) * sizeof(*ranges));
		count--;
		i = 0;		/* it is larger now */
	}
	return count;
}

/* The element of a list that begins at *at, trimmed; moves behind its comma. */
static const char *
element(const char *text, size_t length, size_t *at, size_t *found)
{
	size_t from = *at, to;

	while (*at < length && text[*at] != ',')
		(*at)++;
	to = *at;
	(*at)++;
	while (from < to && (text[from] == ' ' || text[from] == '\t'))
		from++;
	while (to > from && (text[to - 1] == ' ' || text[to - 1] == '\t'))
		to--;
	*found = to - from;
	return text + from;
}

enum range_result
range_parse(const char *value, size_t length, off_t size,
    struct range ranges[RANGES_MOST], size_t *count)
{
	size_t at = 6, specs = 0, n;

	*count = 0;
	if (length < at || !text_equal_case(value, at, "bytes=", at))
		return RANGE_IGNORED;
	while (at < length) {
		const char *text = element(value, length, &at, &n);
		struct range range;

		if (n == 0)
			continue;	/* an empty element: section 5.6.1 */
		if (++specs > RANGES_MOST)
			return RANGE_IGNORED;
		switch (read_spec(text, n, size, &range)) {
		case SPEC_BAD:
		case SPEC_EMPTY:
			return RANGE_IGNORED;
		case SPEC_OUTSIDE:
			break;
		case SPEC_INSIDE:
			*count = add(ranges, *count, &range);
			break;
		}
	}
	if (*count > 0)
		return RANGE_FOUND;
	return specs > 0 ? RANGE_UNSATISFIABLE : RANGE_IGNORED;
}
