/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: dates.  Four bytes are the time that it is, the rest is a date;
 * one that is read and written again is the same time.
 */
#include "../../lib/base/date.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(time_t when, time_t now)
{
	char text[30];
	time_t again;

	date_http(text, when);
	if (strlen(text) != 29 || !date_parse_http(text, 29, now, &again))
		abort();
	if (when >= 0 && when < 253402300800 && again != when)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t seconds;
	time_t now, when;
	char *copy, line[21];

	if (size < sizeof(seconds))
		return 0;
	memcpy(&seconds, data, sizeof(seconds));
	now = (time_t)seconds;
	size -= sizeof(seconds);
	copy = malloc(size > 0 ? size : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, data + sizeof(seconds), size);
	if (date_parse_http(copy, size, now, &when))
		check(when, now);
	free(copy);
	date_log(line, now);
	if (strlen(line) != 20)
		abort();
	return 0;
}
