/* SPDX-License-Identifier: ISC */
/*
 * The forker of a worker in mode fork: a process without clients and without
 * threads that has the handler loaded and forks the children that run it.
 */
#ifndef SERVER_FORKER_H
#define SERVER_FORKER_H

#include <sys/types.h>

struct loop;

/*
 * Forks the forker.  *channel is the worker's end of its socket, on which
 * NEWS_READY comes first.  Returns its pid, or -1 with errno and the text of
 * tine_error().  Must be called while the process has one thread.
 */
pid_t	forker_start(struct loop *loop, int *channel);

#endif
