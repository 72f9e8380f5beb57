/* SPDX-License-Identifier: ISC */
/*
 * Who speaks to the client of a handler: its own thread, or another one that
 * finds it lost, because it is stuck or because the process dies.  Both may
 * want to at the same moment, so one word decides.  Nothing here allocates,
 * locks or fails: it is called where a process crashes, too.
 */
#ifndef SERVER_CLAIM_H
#define SERVER_CLAIM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "../base/clock.h"

struct exchange;

enum claim_state {
	CLAIM_NONE,	/* no handler runs */
	CLAIM_QUIET,	/* one does, and nothing of its reply is out */
	CLAIM_OUT,	/* bytes of its reply may be out */
	CLAIM_LOST,	/* another thread speaks to its client */
	CLAIM_TOLD	/* and has done so */
};

#define CLAIM_STATE	7U
#define CLAIM_RUN	8U	/* handlers are counted in the bits above */

/*
 * The word of one handler is none of another's, so a claim is only had of the
 * handler that was looked at.  While it runs, its thread writes the exchange's
 * output and input, and who has claimed it may read them only if nothing of
 * the reply was out; what the thread wrote before it began anybody may who
 * has claimed it.
 */
struct claim {
	atomic_uint	 word;		/* count and enum claim_state */
	struct exchange	*exchange;	/* the handler's, or whose claim it is */
};

static inline enum claim_state
claim_state(unsigned word)
{
	return (enum claim_state)(word & CLAIM_STATE);
}

static inline unsigned
claim_look(const struct claim *claim)
{
	return atomic_load_explicit(&claim->word, memory_order_acquire);
}

/* A handler begins, on this thread. */
static inline void
claim_begin(struct claim *claim, struct exchange *exchange)
{
	const unsigned before = atomic_load_explicit(&claim->word,
	    memory_order_relaxed);

	claim->exchange = exchange;
	atomic_store_explicit(&claim->word, ((before & ~CLAIM_STATE) +
	    CLAIM_RUN) | CLAIM_QUIET, memory_order_release);
}

/* It is about to send; false: the connection is not its own any more. */
static inline bool
claim_send(struct claim *claim)
{
	unsigned word = atomic_load_explicit(&claim->word,
	    memory_order_relaxed);

	return claim_state(word) == CLAIM_OUT ||
	    (claim_state(word) == CLAIM_QUIET &&
	    atomic_compare_exchange_strong(&claim->word, &word,
	    (word & ~CLAIM_STATE) | CLAIM_OUT));
}

/* Its reply is still to begin: what was sent was no part of that. */
static inline void
claim_sent_none(struct claim *claim)
{
	unsigned word = atomic_load_explicit(&claim->word,
	    memory_order_relaxed);

	if (claim_state(word) == CLAIM_OUT)
		(void)atomic_compare_exchange_strong(&claim->word, &word,
		    (word & ~CLAIM_STATE) | CLAIM_QUIET);
}

/*
 * It has returned; false: another thread has spoken to its client.  Of a
 * process that dies it does not come back.
 */
static inline bool
claim_end(struct claim *claim)
{
	unsigned word = atomic_load_explicit(&claim->word,
	    memory_order_relaxed);

	while (claim_state(word) < CLAIM_LOST) {
		if (atomic_compare_exchange_weak(&claim->word, &word,
		    word & ~CLAIM_STATE))
			return true;
	}
	while (claim_state(claim_look(claim)) == CLAIM_LOST)
		clock_pause(1);
	atomic_store_explicit(&claim->word, word & ~CLAIM_STATE,
	    memory_order_relaxed);
	return false;
}

/* Any other thread: takes the handler's client, if the word is still that. */
static inline bool
claim_take(struct claim *claim, unsigned word)
{
	return (claim_state(word) == CLAIM_QUIET ||
	    claim_state(word) == CLAIM_OUT) &&
	    atomic_compare_exchange_strong(&claim->word, &word,
	    (word & ~CLAIM_STATE) | CLAIM_LOST);
}

/* And has said what there was to say. */
static inline void
claim_told(struct claim *claim)
{
	atomic_fetch_add_explicit(&claim->word, CLAIM_TOLD - CLAIM_LOST,
	    memory_order_release);
}

#endif
