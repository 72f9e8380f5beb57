/* SPDX-License-Identifier: ISC */
/*
 * A child of mode fork: the process that runs one handler, or a few, and
 * gives their replies to the worker.
 */
#ifndef SERVER_CHILD_H
#define SERVER_CHILD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdnoreturn.h>

struct loop;

/*
 * A page of memory, or what comes near it: what a child writes begins with
 * one, so that it is copied once.
 */
#define CHILD_PAGE	4096

/*
 * Called once in the forker: what is the same in all children is done here,
 * since each page that a child writes is copied for it.  Nothing may be
 * logged by the forker afterwards.  Returns -1 with errno and the text of
 * tine_error().
 */
int	child_prepare(struct loop *loop);

/*
 * A line of the error log by way of the worker; from a signal handler, too.
 * False if it does not hear it.
 */
bool	child_say(const char *line, size_t length);

/* The child's life; socket is its end of the pair with the worker. */
noreturn void child_main(int socket, pid_t forker);

#endif
