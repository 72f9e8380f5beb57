/* SPDX-License-Identifier: ISC */
/*
 * What fuzz targets of parsers share: an input is fed whole and again in
 * pieces, whose lengths come from the input, and both must say the same.
 */
#ifndef FUZZ_PIECES_H
#define FUZZ_PIECES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a parser said. */
struct said {
	char	*text;
	size_t	 length;
	size_t	 size;
};

static inline void
say(struct said *said, const void *data, size_t length)
{
	if (length > said->size - said->length) {
		said->size = 2 * said->size + length;
		said->text = realloc(said->text, said->size);
		if (said->text == NULL)
			abort();
	}
	if (length > 0)
		memcpy(said->text + said->length, data, length);
	said->length += length;
}

/* A mark that tells where one thing ends, whatever bytes things have. */
static inline void
say_mark(struct said *said, char what, uint64_t number)
{
	say(said, &what, 1);
	say(said, &number, sizeof(number));
}

static inline void
must_be_same(struct said *a, struct said *b)
{
	if (a->length != b->length ||
	    (a->length > 0 && memcmp(a->text, b->text, a->length) != 0)) {
		fprintf(stderr, "pieces give other events than the whole\n");
		abort();
	}
	free(a->text);
	free(b->text);
}

/*
 * Feeds data in pieces, each in memory of its own, so that a byte read behind
 * its end is seen.
 */
static inline void
feed_pieces(void (*feed)(void *, const char *, size_t), void *parser,
    const char *data, size_t length)
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < length; i++)
		state = (state ^ (unsigned char)data[i]) * 0x100000001b3u;
	while (length > 0) {
		size_t n;
		char *piece;

		state = state * 6364136223846793005u + 1442695040888963407u;
		n = 1 + (size_t)(state >> 60) * (size_t)(state >> 56 & 3);
		if (n > length)
			n = length;
		piece = malloc(n);
		if (piece == NULL)
			abort();
		memcpy(piece, data, n);
		feed(parser, piece, n);
		free(piece);
		data += n;
		length -= n;
	}
}

#endif
