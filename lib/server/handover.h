/* SPDX-License-Identifier: ISC */
/*
 * Hand-over: a connection moves to another worker, with what was read of it
 * and what is still to be sent.
 *
 * All workers share one SOCK_SEQPACKET pair; whoever has room takes the next
 * message.  Its format is read by other releases of tine: lib/prefork/HANDOVER
 * describes it.  Nothing that comes is trusted: lengths are checked, and the
 * bytes of a client are parsed anew as a client's.
 */
#ifndef SERVER_HANDOVER_H
#define SERVER_HANDOVER_H

#include <stdbool.h>

struct connection;
struct loop;

/* A pair, non-blocking.  Returns -1 with errno and the text of tine_error(). */
int	handover_pair(int pair[2]);

/* Borrows the pair, whose descriptors may be -1: then nothing moves. */
void	handover_open(struct loop *loop, const int pair[2]);

/*
 * Takes messages, or leaves them to others, as this worker has room.  Leader
 * only, once a turn.
 */
void	handover_balance(struct loop *loop);

/*
 * Before a worker ends in a stop: what is still on its way between workers
 * would be lost with the last of them.  Whether there was something.
 */
bool	handover_take_last(struct loop *loop);

/*
 * Gives conn, which is owned and in a state that can move, to another worker.
 * False: it is the caller's as before.  Leader only.
 */
bool	handover_send(struct loop *loop, struct connection *conn);

/* Gives away all that can move; a leaving worker calls it once a turn. */
void	handover_all(struct loop *loop);

/* Whether another worker runs no handler at all. */
bool	handover_is_wanted(const struct loop *loop);

/*
 * The message alone, for a process that is dying: async-signal-safe, changes
 * no connection.  Returns -1 with errno, EINVAL if conn cannot move.
 */
int	handover_rescue(struct loop *loop, const struct connection *conn);

#endif
