/* SPDX-License-Identifier: ISC */
/*
 * The chunked coding of a body (RFC 9112, section 7.1), decoded as the bytes
 * come.  Pure, and as strict as the head.
 */
#ifndef HTTP_CHUNKED_H
#define HTTP_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chunked_result {
	CHUNKED_MORE,
	CHUNKED_DONE,
	CHUNKED_BAD	/* see why */
};

/* The most that is taken of what is no data. */
struct chunked_bounds {
	uint64_t	 extensions;	/* bytes, of all chunks together */
	uint64_t	 trailers;	/* bytes */
	uint64_t	 trailer_count;
};

struct chunked {
	struct chunked_bounds bounds;
	unsigned	 state;
	unsigned	 digits;	/* of this size */
	uint64_t	 left;		/* of this chunk's data */
	uint64_t	 extra;		/* bytes of extensions, then trailers */
	unsigned	 trailers;
	unsigned	 is_done;	/* the last byte was taken */
	int		 status;	/* what to answer, if it is bad */
	const char	*why;
};

void	chunked_init(struct chunked *chunked,
	    const struct chunked_bounds *bounds);

/* Whether a decoder that came from elsewhere may be gone on with. */
bool	chunked_is_sound(const struct chunked *chunked);

/*
 * Decodes from, of length bytes, to out, which may be from or lie before it.
 * *used and *made tell how much was taken and how much came of it; what
 * follows the end of the body is not taken.
 */
enum chunked_result chunked_decode(struct chunked *chunked, char *out,
	    const char *from, size_t length, size_t *used, size_t *made);

#endif
