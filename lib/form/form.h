/* SPDX-License-Identifier: ISC */
/*
 * A form that is kept: its fields in memory and in temporary files.  Only
 * lib/form looks into it.
 */
#ifndef FORM_FORM_H
#define FORM_FORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../base/arena.h"
#include "../server/spool.h"
#include "../tine.h"

/* A field of a form; it is in the form's arena. */
struct form_field {
	struct tine_form_field	 face;		/* first: what others see */
	struct tine_form	*form;
	size_t			 index;
	bool			 is_first;	/* of its name */
	struct form_field	*next;		/* of the same name */

	/* The contents, if they are in a file.  The spool owns it. */
	struct spool		 spool;
	bool			 is_linked;	/* it has become a saved file */
	char			*map;		/* map_length bytes; or NULL */
	size_t			 map_length;

	FILE			*stream;	/* or NULL */
	off_t			 stream_at;
};

struct tine_form {
	struct tine_form_limits	 limits;
	struct arena		 arena;
	struct spool_space	 space;
	_Atomic int64_t		 spooled;	/* where no server counts */

	struct form_field	**fields;	/* in the order they came */
	size_t			 count;
	size_t			 room;
	/* As many, sorted; then the first ones of each name, in order. */
	struct form_field	**by_name;
	struct form_field	**keys;
	size_t			 key_count;

	/* What came so far, against the limits. */
	size_t			 memory;
	size_t			 files;

	/* The value in hand, as long as it is in memory. */
	char			*value;
	size_t			 value_length;

	/* The arena's first block: enough for a small form. */
	_Alignas(ARENA_ALIGNMENT) char first[2048];
};

/* The field behind its face; the caller may change what is not its face. */
static inline struct form_field *
form_field(const struct tine_form_field *face)
{
	return (struct form_field *)(uintptr_t)face;
}

/*
 * Contents of a field.  append adds to its file, which is made if there is
 * none; map maps it; end closes what is open and keeps errno.  0, or -1 with
 * errno and the sentence.
 */
int	form_contents_append(struct form_field *field, const void *data,
	    size_t length);
int	form_contents_map(struct form_field *field);
void	form_contents_end(struct form_field *field);

/*
 * Up to size bytes of the contents from offset at.  Returns their number, or
 * -1 with errno.
 */
ssize_t	form_contents_read(const struct form_field *field, off_t at,
	    void *buffer, size_t size);

#endif
