/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of the loop share: its turn, its lists, what was given back,
 * its end.  All of it is for the leader.
 */
#ifndef SERVER_LOOP_PARTS_H
#define SERVER_LOOP_PARTS_H

#include "loop.h"

#define PAUSED_LOOK	100	/* ms between two looks for memory */
#define HELD_LOOK	10	/* ms between two tries to send for children */
#define TICK		1000	/* ms: four looks at what runs long */

/* -1 is for ever, and without its sign later than all. */
static inline int
sooner(int a, int b)
{
	return (unsigned)b < (unsigned)a ? b : a;
}

/* --- loop.c */

void	loop_set_now(struct loop *loop);

/* --- lists.c */

/*
 * How long a connection of that list may stand in it.  Idle connections have
 * less when the loop is ending.
 */
unsigned lists_patience(const struct loop *loop, unsigned list);

/* Has each connection looked at whose time has come. */
void	lists_expire(struct loop *loop);

/* When the next deadline of a list is due, in ms, or -1. */
int	lists_deadline(const struct loop *loop);

/* --- returned.c */

static inline bool
returned_are_there(const struct loop *loop)
{
	return loop->returning != NULL || atomic_load_explicit(
	    &loop->returned, memory_order_relaxed) != NULL;
}

static inline bool
paused_are_there(const struct loop *loop)
{
	return loop->resuming != NULL || atomic_load_explicit(&loop->paused,
	    memory_order_relaxed) != NULL;
}

/* Goes on with them; false if the loop was lost with one. */
bool	returned_take(struct loop *loop, struct thread *self);
void	paused_resume(struct loop *loop);

/* --- patience.c */

/* How long the poller may wait, timeout ms at most. */
int	loop_patience(struct loop *loop, int timeout);

/* --- ending.c */

/* Looks whether the loop is asked to end, and how far it is with that. */
void	ending_note(struct loop *loop);
bool	ending_is_over(const struct loop *loop);

/* How long what is in hand may still take, or -1 if there is no limit. */
int	ending_grace(const struct loop *loop);

#endif
