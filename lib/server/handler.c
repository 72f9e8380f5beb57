/* SPDX-License-Identifier: ISC */
/*
 * A handler runs on this thread: it is noted on the scoreboard, and claimed.
 */
#include "../base/clock.h"
#include "../base/cold.h"
#include "loop.h"

COLD unsigned
crew_slot(struct loop *loop)
{
	struct crew *crew = &loop->crew;

	for (unsigned i = 0; i < loop->board->handlers; i++) {
		const uint32_t bit = UINT32_C(1) << (i % 32);

		if ((atomic_fetch_or(&crew->slots[i % SLOTS / 32], bit) &
		    bit) == 0)
			return i;
	}
	return SLOT_NONE;
}

void
crew_slot_end(struct loop *loop, unsigned slot)
{
	if (slot == SLOT_NONE)
		return;
	handler_line_end(scoreboard_handler(loop->board, loop->index, slot));
	atomic_fetch_and(&loop->crew.slots[slot % SLOTS / 32],
	    ~(UINT32_C(1) << (slot % 32)));
}

/* A thread keeps the line that it took for its first handler. */
static struct handler_line *
line_of(struct loop *loop, struct thread *self)
{
	if (self->slot == SLOT_NONE)
		self->slot = crew_slot(loop);
	return self->slot == SLOT_NONE ? NULL
	    : scoreboard_handler(loop->board, loop->index, self->slot);
}

/* Counts one more; only in mode thread others may do so at the same time. */
static uint64_t
count(const struct loop *loop, _Atomic uint64_t *number)
{
	uint64_t next;

	if (loop->settings->mode == MODE_THREAD)
		return atomic_fetch_add_explicit(number, 1,
		    memory_order_relaxed) + 1;
	next = atomic_load_explicit(number, memory_order_relaxed) + 1;
	atomic_store_explicit(number, next, memory_order_relaxed);
	return next;
}

WHOLE void
handler_run(struct loop *loop, struct thread *self, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;
	struct handler_line *line = line_of(loop, self);
	struct claim *claim = handler_claim(loop, self);
	const char *text;
	size_t length;

	if (line != NULL) {
		text = loop->protocol->describe(exchange, &length);
		handler_line_begin(line, loop_now(loop), &conn->peer, text,
		    length);
	}
	self->exchange = exchange;
	self->ordinal = count(loop, &loop->ordinals);
	exchange->thread = self;
	exchange->ordinal = self->ordinal;
	exchange->begun = loop_now(loop);
	exchange->push = drive_push;
	exchange->pull = drive_pull;
	if (claim != NULL)
		claim_begin(claim, exchange);
	loop->protocol->handle(exchange);
	self->exchange = NULL;
	if (claim != NULL && !claim_end(claim))
		exchange->is_cut = true;
	if (line != NULL)
		handler_line_end(line);
	(void)count(loop, &loop->line->requests);
}

void
handler_progress(struct loop *loop, const struct thread *thread)
{
	struct handler_line *line;

	if (thread == NULL || thread->slot == SLOT_NONE)
		return;
	line = scoreboard_handler(loop->board, loop->index, thread->slot);
	atomic_store_explicit(&line->progress, clock_ms(),
	    memory_order_relaxed);
}
