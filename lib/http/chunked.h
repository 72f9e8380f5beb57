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

struct chunked {
	unsigned	 state;
	unsigned	 digits;	/* of this size */
	uint64_t	 left;		/* of this chunk's data */
	uint64_t	 extra;		/* bytes of extensions and trailers */
	unsigned	 trailers;
	unsigned	 is_done;	/* the last byte was taken */
	const char	*why;
};

void	chunked_init(struct chunked *chunked);

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
