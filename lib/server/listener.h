/* SPDX-License-Identifier: ISC */
/*
 * Sockets that wait for clients.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/endpoint.h"
#include "loop.h"

struct listener {
	struct source	 source;	/* first: the loop hands this back */
	struct endpoint	 endpoint;
	char		 text[128];	/* the address it really has */
	char		 asked[128];	/* as it was asked for */
	dev_t		 device;	/* of the Unix socket's file */
	ino_t		 inode;
	bool		 is_inherited;	/* not ours to shut or to remove */
	bool		 is_adopted;	/* it was there before it was asked for */
	bool		 is_deferred;	/* TCP_DEFER_ACCEPT: data is there */
};

/*
 * Binds and listens.  A stale Unix socket file is replaced, a live one is
 * not.  Returns 0, or -1 with errno and the text of tine_error(), and leaves
 * nothing behind.
 */
int	listener_open(struct listener *listener,
	    const struct endpoint *endpoint, unsigned backlog);

/* Whether fd is a socket that listen(2) was called for, or one of datagrams. */
bool	listener_is_listening(int fd);

/*
 * Takes a socket that listens already.  One that is ours is shut at the end
 * like one that was made here.  Returns -1 with errno and the text of
 * tine_error().
 */
int	listener_adopt(struct listener *listener, int fd, bool is_ours);

/*
 * Removes a Unix socket's file, if it is still the one that was made.  In a
 * signal handler, too, whatever another thread does with the descriptor.
 */
void	listener_remove(const struct listener *listener);

/* Closes the descriptor; with remove, its file goes, too. */
void	listener_close(struct listener *listener, bool remove);

/* How many clients wait to be accepted; 0 where the system does not tell. */
unsigned listener_waiting(const struct listener *listener);

/* Whether clients that connect are made to speak before they are accepted. */
void	listener_defer(struct listener *listener, bool on);

#endif
