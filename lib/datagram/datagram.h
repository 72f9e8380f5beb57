/* SPDX-License-Identifier: ISC */
/*
 * DatagramRequestHandler: one datagram and its reply, in an exchange of the
 * serving loop.  It has no descriptor of its own: the reply goes out by the
 * socket that the datagram came in by.
 */
#ifndef DATAGRAM_DATAGRAM_H
#define DATAGRAM_DATAGRAM_H

#include <sys/socket.h>

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../server/connection.h"
#include "../server/exchange.h"
#include "../server/protocol.h"
#include "../tine.h"

/* More is no datagram that a system sends. */
#define DATAGRAM_MOST	((size_t)128 * 1024)

/* A handler class; the leader of the loop receives into its memory. */
struct datagram_class {
	struct tine_datagram_handler	 handler;	/* the user's, in our size */
	size_t				 size;		/* of a packet, at most */
	char				 packet[];
};

/* One datagram; the room of the protocol in an exchange. */
struct datagram {
	struct tine_datagram	 public;	/* first: the handler has it */
	struct exchange		*exchange;
	const struct tine_datagram_handler *handler;
	bool			 has_reply;	/* one was written, empty or not */
	char			 client[64];
	char			 text[40];	/* of describe() */

	/* Where the reply goes, and from which of our addresses. */
	union {
		struct sockaddr		any;
		struct sockaddr_storage	storage;
	}			 sender;
	socklen_t		 sender_length;	/* 0: it has no address */
	sa_family_t		 from_family;	/* 0: any of them */
	union {
		struct in_pktinfo	in;
		struct in6_pktinfo	in6;
	}			 from;
};

extern const struct protocol protocol_datagram;

static inline struct datagram *
datagram_of(struct exchange *exchange)
{
	return exchange->protocol;
}

/* --- packet_io.c: as in struct protocol */

int	datagram_receive(struct exchange *exchange, int socket);
void	datagram_send(struct exchange *exchange, int socket);

#endif
