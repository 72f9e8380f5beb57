/* SPDX-License-Identifier: ISC */
/*
 * Memory that is freed all at once.  The first block is the caller's, so that
 * small users allocate nothing.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	char			*next, *end;
	struct arena_chunk	*chunks;	/* the arena's own */
	char			*first;		/* borrowed */
	size_t			 first_size;
};

#define ARENA_ALIGNMENT	((size_t)16)

/* Borrows memory, which must be aligned to ARENA_ALIGNMENT. */
void	arena_init(struct arena *arena, void *memory, size_t size);

/* Frees the further chunks; the first block is empty again. */
void	arena_reset(struct arena *arena);

/* What arena_alloc() does when the chunk is full. */
void	*arena_grow(struct arena *arena, size_t size);

/* Memory aligned to ARENA_ALIGNMENT, or NULL with errno ENOMEM. */
static inline void *
arena_alloc(struct arena *arena, size_t size)
{
	char *memory = arena->next;

	if (size > (size_t)(arena->end - memory))
		return arena_grow(arena, size);
	size = (size + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1);
	arena->next = size < (size_t)(arena->end - memory) ? memory + size
	    : arena->end;
	return memory;
}

/* Copies length bytes and a NUL. */
char	*arena_strndup(struct arena *arena, const char *text, size_t length);

char	*arena_vprintf(struct arena *arena, const char *format, va_list ap)
	    __attribute__((__format__(__printf__, 2, 0)));
char	*arena_printf(struct arena *arena, const char *format, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

#endif
