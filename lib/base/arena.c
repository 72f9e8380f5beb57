/* SPDX-License-Identifier: ISC */
/*
 * See arena.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cold.h"

#define CHUNK	((size_t)8192)

struct arena_chunk {
	struct arena_chunk	*next;
	char			 unused[ARENA_ALIGNMENT - sizeof(void *)];
};

void
arena_init(struct arena *arena, void *memory, size_t size)
{
	arena->first = memory;
	arena->first_size = size;
	arena->chunks = NULL;
	arena->next = memory;
	arena->end = memory == NULL ? NULL : arena->next + size;
}

void
arena_reset(struct arena *arena)
{
	struct arena_chunk *chunk;

	while ((chunk = arena->chunks) != NULL) {
		arena->chunks = chunk->next;
		free(chunk);
	}
	arena->next = arena->first;
	arena->end = arena->first == NULL ? NULL
	    : arena->first + arena->first_size;
}

COLD void *
arena_grow(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;
	const size_t room = size > CHUNK ? size : CHUNK;

	if (room > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	chunk = malloc(sizeof(*chunk) + room);
	if (chunk == NULL)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	if (size > CHUNK / 2)		/* the chunk before has room left */
		return chunk + 1;
	arena->next = (char *)(chunk + 1);
	arena->end = arena->next + room;
	return arena_alloc(arena, size);
}

char *
arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy;

	if (length == SIZE_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	copy = arena_alloc(arena, length + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *
arena_vprintf(struct arena *arena, const char *format, va_list ap)
{
	va_list again;
	char *text = NULL;
	int length;

	va_copy(again, ap);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length >= 0)
		text = arena_alloc(arena, (size_t)length + 1);
	if (text != NULL)
		(void)vsnprintf(text, (size_t)length + 1, format, ap);
	return text;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = arena_vprintf(arena, format, ap);
	va_end(ap);
	return text;
}
