/* SPDX-License-Identifier: ISC */
/*
 * A child of mode fork, whose handler may have written over anything, and its
 * forker, for targets of what they say to their worker.
 */
#ifndef FUZZ_CREW_H
#define FUZZ_CREW_H

#include <stddef.h>
#include <stdint.h>

struct connection;
struct loop;

/* A pair of sockets of that type, which do not block. */
void	crew_pair(int type, int pair[2]);

/*
 * Takes conn, whose request is whole, as the one that the child serves.  data
 * is packets: a byte (1: a descriptor comes with it, 2: it is the forker's),
 * the length in two bytes, the lower first, and so many bytes.  Aborts if
 * something is left behind.
 */
void	crew_say(struct loop *serving, struct connection *conn,
	    const uint8_t *data, size_t size);

#endif
