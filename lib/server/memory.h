/* SPDX-License-Identifier: ISC */
/*
 * What a worker's clients take of its memory: exchanges, input that is larger
 * than theirs, and replies that wait.  Above the bound bodies and replies go
 * to their spools at once, and what would need more memory is not read; what
 * is counted are blocks, so that the steady state counts nothing.
 */
#ifndef SERVER_MEMORY_H
#define SERVER_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct memory {
	atomic_size_t	used;
	size_t		limit;		/* 0: none */
};

/* Memory may be NULL: then nobody counts. */
static inline void
memory_take(struct memory *memory, size_t length)
{
	if (memory != NULL)
		atomic_fetch_add_explicit(&memory->used, length,
		    memory_order_relaxed);
}

static inline void
memory_give(struct memory *memory, size_t length)
{
	if (memory != NULL)
		atomic_fetch_sub_explicit(&memory->used, length,
		    memory_order_relaxed);
}

static inline bool
memory_is_short(const struct memory *memory)
{
	return memory != NULL && memory->limit != 0 &&
	    atomic_load_explicit(&memory->used, memory_order_relaxed) >=
	    memory->limit;
}

#endif
