/* SPDX-License-Identifier: ISC */
/*
 * The form of a request as a row of events: it finds where the form is and of
 * which kind, feeds the parser piece by piece, and holds the bounds that need
 * no memory of earlier fields.
 */
#ifndef FORM_READ_H
#define FORM_READ_H

#include <stdbool.h>

#include "../base/arena.h"
#include "../tine.h"

struct form_source {
	struct tine_request		*req;
	const struct tine_form_limits	*limits;	/* filled */
	/* Where the text of a field goes. */
	struct arena			*arena;
	/* It stays there; the body is then read in full pieces. */
	bool				 keeps;
};

/*
 * Returns 0, or -1 with errno as tine.h says and the sentence set, unless it
 * was the reader that stopped.
 */
int	form_read(const struct form_source *source,
	    const struct tine_form_reader *reader, void *argument);

#endif
