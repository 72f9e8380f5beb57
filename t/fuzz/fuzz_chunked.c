/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the chunked coding, decoded in place as the framing does.
 */
#include "../../lib/http/chunked.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct chunked		chunked;
	struct said		said;
	uint64_t		fed;
	enum chunked_result	result;
};

static void
feed(void *argument, const char *data, size_t length)
{
	struct run *run = argument;
	char *copy;
	size_t used, made;

	if (run->result != CHUNKED_MORE)
		return;
	copy = malloc(length > 0 ? length : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, data, length);
	if (!chunked_is_sound(&run->chunked))
		abort();
	run->result = chunked_decode(&run->chunked, copy, copy, length, &used,
	    &made);
	if (used > length || made > used ||
	    (run->result == CHUNKED_MORE && used != length) ||
	    (run->result == CHUNKED_DONE) != (run->chunked.is_done != 0))
		abort();
	say(&run->said, copy, made);
	run->fed += used;
	free(copy);
}

static void
finish(struct run *run)
{
	say_mark(&run->said, 'r', run->result);
	if (run->result == CHUNKED_BAD)
		say(&run->said, run->chunked.why, strlen(run->chunked.why));
	else
		say_mark(&run->said, 'f', run->fed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chunked_bounds bounds = {
		.extensions = 64, .trailers = 64, .trailer_count = 3
	};
	static struct run whole, pieces;

	memset(&whole, 0, sizeof(whole));
	memset(&pieces, 0, sizeof(pieces));
	chunked_init(&whole.chunked, &bounds);
	chunked_init(&pieces.chunked, &bounds);
	feed(&whole, (const char *)data, size);
	finish(&whole);
	feed_pieces(feed, &pieces, (const char *)data, size);
	finish(&pieces);
	must_be_same(&whole.said, &pieces.said);
	return 0;
}
