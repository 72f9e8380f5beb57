/* SPDX-License-Identifier: ISC */
/*
 * The client of a handler that was lost: whether it may be told, and how.
 */
#include <sys/socket.h>

#include "../base/clock.h"
#include "crash_parts.h"
#include "loop.h"

bool
crash_answer(const struct loop *loop, struct exchange *exchange, int status)
{
	struct connection *conn = exchange->conn;
	size_t length = 0;
	const char *text = loop->protocol->lost(exchange, status, &length);

	/* An empty socket takes a page without waiting. */
	if (send(conn->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		return false;
	(void)shutdown(conn->fd, SHUT_WR);
	/* What it still sends must not make a reset: another drops it. */
	conn->state = CONNECTION_LINGERING;
	conn->begun = conn->since = clock_ms();
	conn->exchange = NULL;
	return true;
}

void
crash_part_with(struct connection *conn)
{
	atomic_fetch_and(&conn->ready, ~CONNECTION_OWNED);
}

bool
crash_is_quiet(const struct exchange *exchange)
{
	if (exchange->output.sent == 0)
		return true;
	if (exchange->ends_by_close)
		drive_arm(exchange->conn);
	return false;
}

enum claim_state
crash_claim(struct claim *claim)
{
	const unsigned word = claim_look(claim);

	return claim_take(claim, word) ? claim_state(word) : CLAIM_NONE;
}

enum claim_state
crash_claim_own(struct loop *loop, const struct thread *self)
{
	struct claim *own = handler_claim(loop, self);
	const enum claim_state state = own == NULL ? CLAIM_OUT
	    : crash_claim(own);

	return state == CLAIM_OUT && crash_is_quiet(self->exchange)
	    ? CLAIM_QUIET : state;
}

struct exchange *
crash_claim_other(struct loop *loop, enum claim_state *state)
{
	for (unsigned i = 0; i < loop->claim_count; i++) {
		*state = crash_claim(&loop->claims[i]);
		if (*state != CLAIM_NONE)
			return loop->claims[i].exchange;
	}
	return NULL;
}

void
crash_lose(struct loop *loop, const struct thread *victim,
    struct exchange *exchange, enum claim_state claimed, int status)
{
	struct connection *conn;

	/* First: what comes may fault, and nobody shall wait for this one. */
	atomic_fetch_add(&crash.lost, 1);
	if (victim->slot != SLOT_NONE)
		atomic_store(&loop->line->crash_slot, (int)victim->slot);
	if (claimed != CLAIM_QUIET)
		return;
	conn = exchange->conn;
	if (!crash_answer(loop, exchange, status))
		return;
	if (!loop->protocol->is_conversation)	/* it was told no status */
		atomic_store(&loop->line->crash_status, status);
	atomic_fetch_add(&crash.answered, 1);
	crash_part_with(conn);
}

void
crash_lose_driven(struct loop *loop, struct connection *conn)
{
	if (conn->exchange != NULL && crash_is_quiet(conn->exchange) &&
	    crash_answer(loop, conn->exchange, 500))
		crash_part_with(conn);
}
