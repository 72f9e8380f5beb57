/* SPDX-License-Identifier: ISC */
/*
 * What a connection needs while a request is under way: its input, its
 * output, the request's arena, and room for the protocol.  Exchanges are
 * kept and used again, so that a request in the steady state allocates
 * nothing.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"
#include "memory.h"
#include "output.h"
#include "spool.h"

struct connection;
struct loop;
struct thread;

/* Bytes received and not used up: data[start] to data[end]. */
struct input {
	char	*data;
	size_t	 start, end, size;
	size_t	 wanted;	/* the framing asks for room for this many */
	char	*own;		/* the exchange's memory */
	size_t	 own_size;
	struct memory *counted;	/* where larger memory is, or NULL */
};

struct exchange {
	struct exchange		*next;		/* in a pool */
	struct connection	*conn;
	struct loop		*loop;
	struct thread		*thread;	/* that runs the handler */
	struct input		 input;
	struct output		 output;
	struct arena		 arena;
	struct spool		 body;
	uint64_t		 begun;		/* ms: of the handler */
	uint64_t		 ordinal;	/* of the request in its worker */
	/*
	 * Sends of the output what the client takes now; with wait, all of
	 * it.  -1 with errno EPIPE or ETIMEDOUT.
	 */
	int			(*push)(struct exchange *, bool wait);
	/*
	 * Waits for bytes of the client's, limit ms at most (0: for ever), and
	 * takes size of them; with look they stay in the socket.  0: no more
	 * come; -1 with errno ECONNRESET or ETIMEDOUT.
	 */
	ssize_t			(*pull)(struct exchange *, void *, size_t size,
				    unsigned limit, bool look);
	bool			 is_close;	/* no request after this one */
	bool			 is_broken;	/* a cut must show as a reset */
	bool			 is_unread;	/* the client may still send */
	bool			 is_done;	/* the protocol's done() ran */
	bool			 is_cut;	/* the reply is not complete */
	bool			 ends_by_close;	/* else the reply has a length */
	void			*protocol;	/* the protocol's room */
};

struct exchange_pool {
	struct exchange	*first;
	unsigned	 count;
	size_t		 protocol_size;
	size_t		 alignment;	/* of an exchange; 0: any */
	struct memory	*counted;	/* NULL: nobody counts */
};

/* NULL with errno ENOMEM. */
struct exchange *exchange_get(struct exchange_pool *pool);

/* Takes the exchange; what it owns beyond its own memory is freed. */
void	exchange_put(struct exchange_pool *pool, struct exchange *exchange);
void	exchange_pool_close(struct exchange_pool *pool);

/* Empties all but the input, for the next request on the connection. */
void	exchange_reset(struct exchange *exchange);

/* Whether room for so many more bytes takes no larger memory. */
static inline bool
input_has_room(const struct input *input, size_t room)
{
	return room <= input->size - (input->end - input->start);
}

/* Whether there is room for so many more bytes, and nothing to move. */
static inline bool
input_is_ready(const struct input *input, size_t room)
{
	return input->start == 0 && room <= input->size - input->end;
}

/*
 * Makes room for at least room more bytes of input, moving what is there to
 * the front or to larger memory.  Pointers into the input become invalid.
 * Returns -1 with errno ENOMEM.
 */
int	input_reserve(struct input *input, size_t room);

/* Drops what was used up, and larger memory that is no longer needed. */
void	input_compact(struct input *input);

#endif
