/* SPDX-License-Identifier: ISC */
/*
 * A crash costs one request: when a handler dies of a signal or calls
 * exit(3), its client is told, the reason is logged, and the connections of
 * the other clients are given to other workers, before the process ends.
 */
#ifndef SERVER_CRASH_H
#define SERVER_CRASH_H

#include <stdbool.h>

struct loop;

/*
 * Prepares this process for that; signals that the program catches itself
 * are left to it.
 */
void	crash_open(struct loop *loop);
void	crash_close(struct loop *loop);

/*
 * Children of mode fork only say why.  All of it is prepared in the forker,
 * once, and inherited.
 */
void	crash_open_forker(struct loop *loop);

/* A stack for the signal's handler: each thread that runs handlers. */
void	crash_stack_open(void);
void	crash_stack_close(void);

/*
 * Whether a handler was lost: asked by the leader between two events, who
 * then calls crash_finish() and leads no more.
 */
bool	crash_is_there(void);

/* Lets the other handlers end, and gives the connections away. */
void	crash_finish(struct loop *loop);

#endif
