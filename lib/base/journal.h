/* SPDX-License-Identifier: ISC */
/*
 * A log's lines on their way to a descriptor: gathered in memory, which may
 * be shared with another process that writes out what a killed writer left,
 * and written in large pieces.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_SYSLOG	(-3)	/* instead of a descriptor: to syslog(3) */

struct journal {
	pthread_mutex_t		 lock;
	int			 fd;		/* borrowed; -1: dropped */
	bool			 is_prompt;	/* each line at once */
	char			*data;
	size_t			 size;
	_Atomic uint32_t	*used;		/* bytes in data */
	uint64_t		 first;		/* ms: when it ceased to be empty */
	uint64_t		 lost;		/* lines that could not be written */
	/* Takes each line instead, if it is set. */
	void			(*relay)(struct journal *, const char *,
				    size_t);
};

/* Borrows data and used; a NULL used stands for a word of its own. */
void	journal_open(struct journal *journal, int fd, char *data, size_t size,
	    _Atomic uint32_t *used);

/* Appends text, which has no newline, and a newline. */
void	journal_line(struct journal *journal, uint64_t now, const char *text,
	    size_t length);

/* Writes what is there; never waits for a reader for long. */
void	journal_flush(struct journal *journal);

/* What comes after goes there. */
void	journal_move(struct journal *journal, int fd);

/* Says how many lines were lost, if any were and it can be written now. */
void	journal_tell_lost(struct journal *journal);

/*
 * Writes if the oldest line has waited for delay ms.  Returns how long it may
 * still wait, or -1 if there is none.
 */
int	journal_tick_used(struct journal *journal, uint64_t now,
	    unsigned delay);

static inline int
journal_tick(struct journal *journal, uint64_t now, unsigned delay)
{
	if (atomic_load_explicit(journal->used, memory_order_relaxed) == 0)
		return -1;
	return journal_tick_used(journal, now, delay);
}

/* Writes what a dead writer left in data; used is not believed. */
void	journal_salvage(int fd, const char *data, size_t size, uint32_t used);

#endif
