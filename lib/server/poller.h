/* SPDX-License-Identifier: ISC */
/*
 * Waiting for many descriptors: one small interface, a file for each kernel
 * facility.  It knows descriptors and tags, not connections.
 *
 * A descriptor is added once and reported at the edge: the owner keeps what
 * was reported in a word of its own and clears a bit when it has used it up.
 * A descriptor added with POLLER_LEVEL is reported as long as it is ready.
 */
#ifndef SERVER_POLLER_H
#define SERVER_POLLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POLLER_READ	= 1 << 0,
	POLLER_WRITE	= 1 << 1,
	POLLER_HANGUP	= 1 << 2,	/* the peer will send no more */
	POLLER_ERROR	= 1 << 3,	/* nor will it take anything */
	/* For poller_add only: */
	POLLER_LEVEL	= 1 << 8,
	POLLER_SHARED	= 1 << 9	/* one of many processes is enough */
};

struct poller_event {
	uint64_t	tag;
	unsigned	ready;		/* POLLER_READ … POLLER_ERROR */
};

struct poller;

/*
 * A poller by epoll(7), or by poll(2) if that is asked for or all there is.
 * NULL with errno.
 */
struct poller *poller_new(bool use_poll);
void	poller_free(struct poller *poller);

/*
 * Adds fd with what is waited for.  ready is the word in which the owner
 * keeps what was reported; it is NULL with POLLER_LEVEL.  Returns -1 with
 * errno ENOMEM or ENOSPC.
 */
int	poller_add(struct poller *poller, int fd, uint64_t tag,
	    unsigned events, const atomic_uint *ready);

/* Changes what is waited for; what is ready now is reported anew. */
int	poller_change(struct poller *poller, int fd, uint64_t tag,
	    unsigned events);

/* Must come before fd is closed, for a copy elsewhere would keep it here. */
void	poller_remove(struct poller *poller, int fd);

/*
 * Waits timeout milliseconds at most (-1: for ever).  Returns how many events
 * there are, 0 also when a signal came, -1 when its own descriptor is gone.
 */
int	poller_wait(struct poller *poller, struct poller_event *events,
	    int size, int timeout);

/* What one facility offers behind those functions. */
struct poller_methods {
	struct poller	*(*make)(void);
	void		 (*end)(struct poller *);
	int		 (*add)(struct poller *, int, uint64_t, unsigned,
			    const atomic_uint *);
	int		 (*change)(struct poller *, int, uint64_t, unsigned);
	void		 (*remove)(struct poller *, int);
	int		 (*wait)(struct poller *, struct poller_event *, int,
			    int);
};

/* The first member of every facility's own struct. */
struct poller {
	const struct poller_methods *methods;
};

extern const struct poller_methods poller_epoll, poller_poll;

#endif
