/* SPDX-License-Identifier: ISC */
/*
 * Opening what lies below a directory, and nothing else.
 */
#ifndef FILES_BELOW_H
#define FILES_BELOW_H

#include <sys/stat.h>

#include <stdbool.h>

/* The directory that is served. */
struct below {
	int	root;		/* O_PATH */
	bool	follows;	/* symbolic links may lead outside */
};

/* Returns -1 with errno of open(2). */
int	below_init(struct below *below, const char *directory, bool follows);
void	below_close(struct below *below);

/*
 * Opens name, which has no ".." (see path.h), for reading: a regular file or
 * a directory, and *status is what it is.  Symbolic links are followed as far
 * as they stay inside.  Never waits for a FIFO, and opens no device.
 *
 * Returns -1 with errno of open(2); EXDEV if a link leads outside, ENXIO for
 * anything that is neither file nor directory.
 */
int	below_open(const struct below *below, const char *name,
	    struct stat *status);

/* What name is now, wherever it is.  -1 with errno. */
int	below_status(const struct below *below, const char *name,
	    struct stat *status);

#endif
