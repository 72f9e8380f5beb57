/* SPDX-License-Identifier: ISC */
/*
 * Connections, and the table that they live in.
 *
 * The table is one mapping of its own, not malloc's, so that what a broken
 * handler does to the heap does not touch it.  While a connection is idle
 * this entry is all that there is of it.
 */
#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include <sys/types.h>
#include <bsd/sys/queue.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "poller.h"

struct exchange;

enum connection_state {
	CONNECTION_FREE,	/* no connection */
	CONNECTION_PROXY,	/* a proxy has to say whose it is */
	CONNECTION_IDLE,	/* between two requests */
	CONNECTION_HEAD,	/* a part of a head is there */
	CONNECTION_BODY,	/* a part of a body is there */
	CONNECTION_PENDING,	/* whole, and waits for a handler */
	CONNECTION_HANDLING,	/* belongs to its handler */
	CONNECTION_DRAINING,	/* the reply is being sent */
	CONNECTION_LINGERING,	/* sent; what still comes is dropped */
	CONNECTION_ENDING,	/* has to be closed by the leader */
	CONNECTION_STATES
};

/* Beside the poller's bits in connection.ready: somebody drives it. */
#define CONNECTION_OWNED	(1U << 16)

/* A peer's address, packed. */
struct peer {
	sa_family_t	family;
	in_port_t	port;		/* network order */
	union {			/* its unused bytes are zero */
		uint8_t		 bytes[sizeof(struct in6_addr)];
		struct in_addr	 in;
		struct in6_addr	 in6;
		struct { uid_t uid; pid_t pid; } unix_;
	} host;
};

/*
 * One connection.  Whoever has set CONNECTION_OWNED may write the second
 * group: the leader of the loop, or the thread of a long step.
 */
struct connection {
	/* The leader's alone. */
	TAILQ_ENTRY(connection)	 entry;		/* in lists[list] */
	uint64_t		 placed;	/* ms: when it came there */
	uint32_t		 generation;	/* of this entry of the table */
	uint8_t			 list;		/* enum connection_state */
	bool			 is_polled;
	bool			 is_polled_write;
	bool			 is_written_off; /* its handler never ends */
	bool			 is_admitted;	/* its peer is its client */

	/* Its owner's. */
	uint8_t			 state;		/* enum connection_state */
	bool			 is_reset;	/* end it so that it shows */
	bool			 is_eof;	/* the client sends no more */
	bool			 is_armed;	/* dying would send a reset */
	uint8_t			 hops;		/* of this request */
	uint16_t		 listener;
	int			 fd;
	uint32_t		 requests;	/* answered on it */
	uint64_t		 since;		/* ms: last progress */
	uint64_t		 begun;		/* ms: of this state */
	uint64_t		 bytes;		/* received in this state; while
						   sending: not yet taken */
	struct exchange		*exchange;	/* NULL while idle */
	struct peer		 peer;

	/* Anybody's. */
	atomic_uint		 ready;		/* POLLER_ bits, OWNED */
	struct connection	*returned;	/* the next one given back */
};

static_assert(sizeof(struct connection) <= 192,
    "an idle connection costs 192 bytes at most");

TAILQ_HEAD(connection_list, connection);

struct connection_table {
	struct connection	*entries;
	uint32_t		 size;
	uint32_t		 used;		/* entries ever touched */
	uint32_t		 count;		/* connections there are */
	struct connection_list	 free;
};

/* Returns -1 with errno ENOMEM. */
int	connection_table_open(struct connection_table *table, uint32_t size);
void	connection_table_close(struct connection_table *table);

/* A connection that is owned, in no list; NULL when the table is full. */
struct connection *connection_new(struct connection_table *table, int fd);

/* Gives the entry back.  The descriptor is the caller's affair. */
void	connection_free(struct connection_table *table,
	    struct connection *conn);

/*
 * Adds what the poller says, and takes conn unless somebody drives it; false
 * if so.  Leader only: nobody else changes the bits of one that nobody drives,
 * so that is worth no locked instruction.
 */
static inline bool
connection_take(struct connection *conn, unsigned ready)
{
	unsigned before = atomic_load_explicit(&conn->ready,
	    memory_order_acquire);

	ready |= CONNECTION_OWNED;
	if ((before & CONNECTION_OWNED) != 0)
		before = atomic_fetch_or(&conn->ready, ready);
	else
		atomic_store_explicit(&conn->ready, before | ready,
		    memory_order_relaxed);
	return (before & CONNECTION_OWNED) == 0;
}

/* Its owner: clears a bit, POLLER_READ before it looks whether it is so. */
static inline void
connection_clear(struct connection *conn, unsigned bit, bool leads)
{
	/* The leader alone sets any. */
	if (leads)
		atomic_store_explicit(&conn->ready, ~bit & atomic_load_explicit(
		    &conn->ready, memory_order_relaxed), memory_order_relaxed);
	else
		atomic_fetch_and(&conn->ready, ~bit);
}

/*
 * A socket has room again when a third of what it holds is gone, and it may
 * hold megabytes: a client that reads slowly makes progress all the same.
 * The first notes how much it has not taken yet, when a send was short; the
 * second says whether that is less by now.
 */
void	connection_note_untaken(struct connection *conn);
bool	connection_has_taken(struct connection *conn);

/* The tag that a poller reports for conn, and the way back. */
uint64_t connection_tag(const struct connection_table *table,
	    const struct connection *conn);
struct connection *connection_of_tag(const struct connection_table *table,
	    uint64_t tag);

/* Fills in peer; socket is asked for the credentials of a Unix peer. */
void	peer_set(struct peer *peer, const struct sockaddr *address, int socket);

/* Writes the numeric address; size 48 is enough. */
void	peer_format(const struct peer *peer, char *out, size_t size);
unsigned peer_port(const struct peer *peer);

/* Whether both would be written the same. */
static inline bool
peer_has_host_of(const struct peer *peer, const struct peer *other)
{
	return peer->family == other->family &&
	    memcmp(peer->host.bytes, other->host.bytes,
	    sizeof(peer->host.bytes)) == 0;
}

#endif
