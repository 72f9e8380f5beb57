/* SPDX-License-Identifier: ISC */
/*
 * Media types by the extension of a file's name: the system's mime.types, and
 * a small table for a machine that has none.
 */
#ifndef FILES_TYPES_H
#define FILES_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/arena.h"

#define TYPES_FILE	"/etc/mime.types"

struct types_entry;

/* A table; nothing is removed from it. */
struct types {
	struct arena		  arena;	/* of the texts */
	struct types_entry	**slots;
	size_t			  size;		/* a power of two */
	size_t			  count;
};

/* An empty table knows what is built in. */
void	types_init(struct types *types);
void	types_free(struct types *types);

/*
 * Reads the text of a mime.types: lines of a type and its extensions, '#'
 * begins a comment.  Of two types for an extension the first counts.  Pure.
 * Returns 0, or -1 with errno ENOMEM.
 */
int	types_read(struct types *types, const char *text, size_t length);

/* Whether text can stand in a Content-Type. */
bool	types_is_type(const char *text, size_t length);

/*
 * Reads a file.  Returns 0, or -1 with errno of open(2), read(2) or ENOMEM;
 * what was read before the failure stays.
 */
int	types_load(struct types *types, const char *path);

/*
 * The type of a file of this name, or NULL.  As in Python's guess_type() the
 * last extension decides and its case does not matter; a compressed file is
 * what it is, not what it contains.
 */
const char *types_find(const struct types *types, const char *name);

#endif
