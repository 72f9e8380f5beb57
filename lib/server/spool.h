/* SPDX-License-Identifier: ISC */
/*
 * An unlinked temporary file for what is too large for memory, with a bound
 * for itself and a share in one for the whole server.
 */
#ifndef SERVER_SPOOL_H
#define SERVER_SPOOL_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What all spools of the server may take together. */
struct spool_space {
	_Atomic int64_t	*used;
	int64_t		 limit;
	const char	*dir;
};

struct spool {
	int			 fd;		/* -1: none yet */
	off_t			 length;
	const struct spool_space *space;
};

void	spool_init(struct spool *spool, const struct spool_space *space);

/*
 * Appends data; blocks as a disk does.  Returns 0, or -1 with errno: ENOSPC
 * (the disk or the server's space is full), or another one of write(2).
 */
int	spool_append(struct spool *spool, const void *data, size_t length);

/* Closes the file and gives its space back. */
void	spool_end(struct spool *spool);

#endif
