/* SPDX-License-Identifier: ISC */
/*
 * See exchange.h.  An exchange is one block of memory: itself, the protocol's
 * room, the arena's first chunk, the first piece of output, and the input,
 * which a child of mode fork has elsewhere: each page less is a copy less.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cold.h"
#include "exchange.h"

#define ARENA_SIZE	((size_t)2048)
#define INPUT_SIZE	((size_t)4096)
#define OUTPUT_SIZE	((size_t)8192)
#define HEADROOM	((size_t)1024)
#define POOL_SIZE	64

static size_t
aligned(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

static size_t
size_of(const struct exchange_pool *pool)
{
	return aligned(sizeof(struct exchange)) +
	    aligned(pool->protocol_size) + ARENA_SIZE + INPUT_SIZE +
	    OUTPUT_SIZE;
}

static void *
block(const struct exchange_pool *pool)
{
	void *memory;

	if (pool->alignment == 0)
		return malloc(size_of(pool));
	errno = posix_memalign(&memory, pool->alignment, size_of(pool));
	return errno == 0 ? memory : NULL;
}

static COLD struct exchange *
make(const struct exchange_pool *pool)
{
	const size_t own = aligned(sizeof(struct exchange));
	const size_t room = aligned(pool->protocol_size);
	struct exchange *exchange;
	char *memory;

	memory = block(pool);
	if (memory == NULL)
		return NULL;
	exchange = (struct exchange *)memory;
	memset(exchange, 0, sizeof(*exchange));
	exchange->protocol = memory + own;
	memset(exchange->protocol, 0, pool->protocol_size);
	arena_init(&exchange->arena, memory + own + room, ARENA_SIZE);
	output_init(&exchange->output, memory + own + room + ARENA_SIZE,
	    OUTPUT_SIZE, HEADROOM);
	exchange->input.own = memory + own + room + ARENA_SIZE + OUTPUT_SIZE;
	exchange->input.own_size = INPUT_SIZE;
	exchange->input.data = exchange->input.own;
	exchange->input.size = INPUT_SIZE;
	exchange->body.fd = -1;
	exchange->input.counted = exchange->output.counted = pool->counted;
	memory_take(pool->counted, size_of(pool));
	return exchange;
}

APART struct exchange *
exchange_get(struct exchange_pool *pool)
{
	struct exchange *exchange = pool->first;

	if (exchange == NULL)
		return make(pool);
	pool->first = exchange->next;
	pool->count--;
	return exchange;
}

void
exchange_reset(struct exchange *exchange)
{
	output_reset(&exchange->output);
	arena_reset(&exchange->arena);
	if (exchange->body.fd != -1)
		spool_end(&exchange->body);
	exchange->is_close = false;
	exchange->is_broken = false;
	exchange->is_cut = false;
	exchange->push = NULL;
	exchange->is_unread = false;
	exchange->is_done = false;
	exchange->ends_by_close = false;
}

static void
input_own(struct input *input)
{
	if (input->data == input->own)
		return;
	memory_give(input->counted, input->size);
	free(input->data);
	input->data = input->own;
	input->size = input->own_size;
}

APART void
exchange_put(struct exchange_pool *pool, struct exchange *exchange)
{
	exchange_reset(exchange);
	input_own(&exchange->input);
	exchange->input.start = exchange->input.end = 0;
	exchange->input.wanted = 0;
	exchange->conn = NULL;
	if (pool->count >= POOL_SIZE || memory_is_short(pool->counted)) {
		memory_give(pool->counted, size_of(pool));
		free(exchange);
		return;
	}
	exchange->next = pool->first;
	pool->first = exchange;
	pool->count++;
}

void
exchange_pool_close(struct exchange_pool *pool)
{
	struct exchange *exchange;

	while ((exchange = pool->first) != NULL) {
		pool->first = exchange->next;
		free(exchange);
	}
	pool->count = 0;
}

APART int
input_reserve(struct input *input, size_t room)
{
	const size_t length = input->end - input->start;
	size_t size = input->size;
	char *data;

	if (room > SIZE_MAX / 4 - length) {
		errno = ENOMEM;
		return -1;
	}
	if (input->start > 0 && length + room <= size) {
		memmove(input->data, input->data + input->start, length);
		input->start = 0;
		input->end = length;
		return 0;
	}
	if (length + room <= size)
		return 0;
	while (size < length + room)
		size *= 2;
	data = malloc(size);
	if (data == NULL)
		return -1;
	memcpy(data, input->data + input->start, length);
	memory_take(input->counted, size);
	if (input->data != input->own) {
		memory_give(input->counted, input->size);
		free(input->data);
	}
	input->data = data;
	input->size = size;
	input->start = 0;
	input->end = length;
	return 0;
}

APART void
input_compact(struct input *input)
{
	const size_t length = input->end - input->start;

	if (input->data != input->own && length <= input->own_size) {
		memcpy(input->own, input->data + input->start, length);
		input_own(input);
	} else if (input->start > 0 && length > 0) {
		memmove(input->data, input->data + input->start, length);
	}
	input->start = 0;
	input->end = length;
}
