/* SPDX-License-Identifier: ISC */
/*
 * What stdio still has to write, in a process that ends by _exit(2).
 */
#ifndef BASE_STDIO_FLUSH_H
#define BASE_STDIO_FLUSH_H

/* Called once, in the process itself or before it is forked. */
void	stdio_flush_prepare(void);

/*
 * Does what fflush(NULL) does, but touches next to nothing if no stream has
 * anything to write: see the files for how that is known.
 */
void	stdio_flush(void);

#endif
