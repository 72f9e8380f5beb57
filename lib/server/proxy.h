/* SPDX-License-Identifier: ISC */
/*
 * The header of the PROXY protocol, by which a proxy tells whose connection
 * it passes on: versions 1 (a line) and 2 (binary) of HAProxy's
 * proxy-protocol.txt.  Pure: it sees no socket, and allocates nothing.
 */
#ifndef SERVER_PROXY_H
#define SERVER_PROXY_H

#include <sys/socket.h>

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>

#define PROXY_LINE	((size_t)107)	/* bytes of version 1, with CRLF */
#define PROXY_HEADER	((size_t)16)	/* of version 2, before its addresses */
#define PROXY_UNIX	((size_t)216)	/* the longest addresses */
#define PROXY_EXTRA	((size_t)4096)	/* what may follow them */
#define PROXY_MOST	(PROXY_HEADER + PROXY_UNIX + PROXY_EXTRA)

enum proxy_result {
	PROXY_MORE,	/* all that is there may be the beginning of one */
	PROXY_DONE,	/* see length, and address */
	PROXY_BAD	/* see why */
};

struct proxy_header {
	size_t		length;		/* of the header */
	/*
	 * The client's; of family AF_UNSPEC if the header names none and the
	 * connection's own peer is the client.
	 */
	union {
		struct sockaddr		any;
		struct sockaddr_in	in;
		struct sockaddr_in6	in6;
	} address;
	const char	*why;		/* the end of a sentence about it */
};

/*
 * Looks at the first bytes of a connection, all that there are so far.  No
 * more than PROXY_MOST have to be there for an answer other than PROXY_MORE.
 */
enum proxy_result proxy_parse(struct proxy_header *header, const void *data,
	    size_t length);

#endif
