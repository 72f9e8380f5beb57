/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the field Range.  Four bytes are the size of the file.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/files/range.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is sent lies in the file, and no byte of it twice. */
static void
check(const struct range *ranges, size_t count, off_t size)
{
	if (count < 1 || count > RANGES_MOST)
		abort();
	for (size_t i = 0; i < count; i++) {
		const struct range *one = &ranges[i];

		if (one->offset < 0 || one->length < 1 ||
		    one->offset >= size || one->length > size - one->offset)
			abort();
		for (size_t j = 0; j < i; j++) {
			const struct range *other = &ranges[j];

			if (one->offset < other->offset + other->length &&
			    other->offset < one->offset + one->length)
				abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct range ranges[RANGES_MOST];
	uint32_t length;
	size_t count = 0;
	char *value;

	if (size < sizeof(length))
		return 0;
	memcpy(&length, data, sizeof(length));
	size -= sizeof(length);
	value = malloc(size > 0 ? size : 1);
	if (value == NULL)
		abort();
	memcpy(value, data + sizeof(length), size);
	if (range_parse(value, size, (off_t)length, ranges, &count) ==
	    RANGE_FOUND)
		check(ranges, count, (off_t)length);
	free(value);
	return 0;
}
