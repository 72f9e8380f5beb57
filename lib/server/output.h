/* SPDX-License-Identifier: ISC */
/*
 * What waits to be sent on a connection: memory, then a spool file, and files
 * in between.  It knows segments of bytes, not what they say.
 */
#ifndef SERVER_OUTPUT_H
#define SERVER_OUTPUT_H

#include <sys/types.h>
#include <bsd/sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "spool.h"

struct segment {
	STAILQ_ENTRY(segment)	 entry;
	char			*data;		/* NULL: a file */
	size_t			 start, end, size;
	int			 fd;
	bool			 is_owner;	/* of fd */
	off_t			 offset, limit;	/* what is left of the file */
	void			(*release)(void *);	/* NULL: not lent */
	void			*lender;
};

/*
 * Memory or a file that stays somebody else's: release is called once, with
 * lender, by any thread, when it was sent or will not be.
 */
struct loan {
	void	(*release)(void *lender);
	void	*lender;
};

struct output {
	STAILQ_HEAD(, segment)	 segments;
	struct segment		 first;		/* its memory is borrowed */
	struct segment		 lent;		/* the first that is lent */
	size_t			 headroom;	/* kept free before it */
	size_t			 memory;	/* bytes in memory, all segments */
	struct spool		 spool;
	struct segment		*gathered;	/* what the spool takes next */
	size_t			 memory_limit;
	off_t			 spool_limit;
	struct memory		*counted;	/* where its memory is, or NULL */
	uint64_t		 sent;		/* bytes, since it was reset */
	off_t			 missing;	/* bytes a file no longer had */
};

enum sent {
	SENT_ALL,
	SENT_PART,		/* the socket takes no more for now */
	SENT_FAILED		/* the client is gone, or the file is short */
};

/* Borrows memory; the first headroom bytes of it are for output_prepend(). */
void	output_init(struct output *output, char *memory, size_t size,
	    size_t headroom);

/* Drops what was not sent, and what the output owns. */
void	output_reset(struct output *output);

/* Drops what is there, but counts it as sent: another process has it. */
void	output_drop(struct output *output);

static inline bool
output_is_empty(const struct output *output)
{
	return STAILQ_EMPTY(&output->segments);
}

/*
 * Appends a copy of data where it goes behind what the output's own memory has,
 * as a short reply does; false if it does not.
 */
static inline bool
output_keep_short(struct output *output, const void *data, size_t length)
{
	struct segment *first = &output->first;

	if (length > first->size - first->end || output->spool.length > 0 ||
	    output->memory + length > output->memory_limit)
		return false;
	if (STAILQ_EMPTY(&output->segments))
		STAILQ_INSERT_TAIL(&output->segments, first, entry);
	else if (STAILQ_FIRST(&output->segments) != first ||
	    STAILQ_NEXT(first, entry) != NULL)
		return false;
	memcpy(first->data + first->end, data, length);
	first->end += length;
	output->memory += length;
	return true;
}

/*
 * Whether length more bytes would still stay in memory: if not, the next
 * append may block as a disk does.
 */
bool	output_fits(const struct output *output, size_t length);

/* How much of the bound of its spool is taken. */
off_t	output_spooled(const struct output *output);

/*
 * Appends a copy of data if it stays in memory.  Returns 1, 0 if it would not,
 * or -1 with errno ENOMEM.
 */
int	output_keep(struct output *output, const void *data, size_t length);

/*
 * Appends a copy of data, all of it or nothing.  Returns 0, or -1 with errno:
 * ENOMEM, ENOSPC, EFBIG (over the bound of a spool), or another one of
 * write(2).
 */
int	output_append(struct output *output, const void *data, size_t length);

/* Puts a copy of data before all else; nothing may have been sent yet. */
int	output_prepend(struct output *output, const void *data, size_t length);

/*
 * Appends a part of a file; takes fd if is_owner, on failure too: EINVAL if
 * no file can have such a part.
 */
int	output_append_file(struct output *output, int fd, off_t offset,
	    off_t length, bool is_owner);

/*
 * Appends memory, or a part of a file, that is lent.  Returns -1 with errno as
 * output_append() does; the loan has ended then.
 */
int	output_lend(struct output *output, const void *data, size_t length,
	    struct loan loan);
int	output_lend_file(struct output *output, int fd, off_t offset,
	    off_t length, struct loan loan);

/* Whether the next output_send() reads a file, and so may block. */
bool	output_has_file(const struct output *output);

/* A segment that was taken out of output, sent or not: gives up what it has. */
void	output_end_segment(struct output *output, struct segment *segment);

/* Sends what the socket takes without waiting; output_send.c. */
enum sent output_send(struct output *output, int socket);

/* How many bytes wait; INT64_MAX if it is that or more. */
off_t	output_pending(const struct output *output);

#endif
