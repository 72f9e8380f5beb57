/* SPDX-License-Identifier: ISC */
/*
 * What workers tell of themselves, in memory that they share with the master.
 *
 * One writer per line, relaxed atomic words, a sequence count around text, no
 * locks: their holder may be dead.  A reader believes nothing: a broken worker
 * can write anything here, so no pid of this table is ever signalled, and how
 * large it is stands in memory that is not shared.
 */
#ifndef SERVER_SCOREBOARD_H
#define SERVER_SCOREBOARD_H

#include <sys/types.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"

enum worker_state {
	WORKER_EMPTY, WORKER_STARTING, WORKER_IDLE, WORKER_BUSY, WORKER_FULL,
	WORKER_LEAVING, WORKER_CRASHED, WORKER_STUCK
};

#define SCOREBOARD_LINE	64	/* of a cache: no two writers share one */

struct handler_text {
	alignas(uint64_t)
	struct peer		client;
	alignas(uint64_t)
	char			request[256];
};

#define HANDLER_WORDS	((sizeof(struct handler_text) + 7) / 8)

/* A handler in hand: written by the thread that runs it. */
struct handler_line {
	alignas(SCOREBOARD_LINE)
	atomic_uint		sequence;	/* odd while text changes */
	_Atomic uint64_t	since;		/* ms, 0: nothing in hand */
	_Atomic uint64_t	progress;	/* ms: last byte moved */
	atomic_int		trouble;	/* errno of its client, for a child */
	_Atomic uint64_t	text[HANDLER_WORDS];	/* struct handler_text */
};

struct worker_line {
	alignas(SCOREBOARD_LINE)
	atomic_uint		state;		/* enum worker_state */
	_Atomic uint64_t	since;		/* ms: of the state */
	_Atomic uint64_t	turn;		/* ms: of the loop's last turn */
	atomic_int		connections;
	atomic_int		busy;		/* handlers that run */
	atomic_int		pending;	/* whole requests that wait */
	_Atomic uint64_t	requests;
	_Atomic uint64_t	accepted;
	atomic_int		is_lame;	/* a thread was written off */
	atomic_int		is_closing;	/* its clients are told */
	atomic_int		crash_status;	/* what its client was told, 0 */
	atomic_int		crash_slot;	/* the handler that was lost */
	atomic_int		crash_cut;	/* connections lost with it */
	_Atomic pid_t		pid;
	_Atomic uint32_t	log_used[2];	/* of the journals' memory */
};

struct scoreboard {
	unsigned		 workers;	/* lines */
	unsigned		 handlers;	/* lines a worker */
	size_t			 journal_size;	/* each of a worker's two */
	size_t			 size;		/* of the memory */
	char			*memory;	/* shared; what follows is in it */
	_Atomic int64_t		*spooled;	/* bytes, whole server */
	struct worker_line	*lines;
	struct handler_line	*handler_lines;	/* of all workers in turn */
};

/*
 * NULL with errno ENOMEM.  Shared with the processes forked afterwards, and
 * by *fd, which is -1 if that cannot be had, with a later image of this one.
 */
struct scoreboard *scoreboard_new(unsigned workers, unsigned handlers,
	    size_t journal_size, int *fd);

/* The one that fd is the memory of; NULL if it is none, or cut otherwise. */
struct scoreboard *scoreboard_take(int fd, size_t journal_size);
void	scoreboard_free(struct scoreboard *board);

static inline struct handler_line *
scoreboard_handler(const struct scoreboard *board, unsigned worker,
    unsigned handler)
{
	return &board->handler_lines[(size_t)worker * board->handlers +
	    handler];
}

/* The memory of a worker's journal: 0 the request log, 1 the error log. */
char	*scoreboard_journal(const struct scoreboard *board, unsigned worker,
	    unsigned which);

void	handler_line_begin(struct handler_line *line, uint64_t now,
	    const struct peer *client, const char *request, size_t length);
void	handler_line_end(struct handler_line *line);

/*
 * Copies a line's text.  Returns since when, or 0 if nothing is in hand or
 * the writer was caught, or died, in the middle: then the text is not whole.
 */
uint64_t handler_line_read(const struct handler_line *line, char client[64],
	    char request[256]);

static inline void
worker_line_state(struct worker_line *line, enum worker_state state,
    uint64_t now)
{
	atomic_store_explicit(&line->state, state, memory_order_relaxed);
	atomic_store_explicit(&line->since, now, memory_order_relaxed);
}

const char *worker_state_name(enum worker_state state);

#endif
