/* SPDX-License-Identifier: ISC */
/*
 * What a worker of mode fork, its forker and its children say to each other:
 * packets on SOCK_SEQPACKET pairs.  All of them are one program in one state,
 * so structs are sent as they are; lengths are checked all the same, since a
 * broken child can send anything.
 */
#ifndef SERVER_RECORD_H
#define SERVER_RECORD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"

#define RECORD_DATA	((size_t)60 * 1024)	/* bytes in a packet, at most */
#define RECORD_STATE	((size_t)4096)		/* of a protocol's state */

#define ORDER_GONE	64	/* children in an order, at most */

/* A child that has closed its socket, or has lost it. */
struct forker_gone {
	pid_t		pid;
	int32_t		is_asked;	/* its status is wanted: NEWS_DIED */
};

/* From a worker to its forker; only gone_count of the last are sent. */
struct forker_order {
	uint32_t	count;		/* children to fork */
	pid_t		killed;		/* it is to be killed; 0: none */
	uint32_t	gone_count;
	struct forker_gone gone[ORDER_GONE];
};

/* From a forker to its worker. */
enum news { NEWS_READY, NEWS_BORN, NEWS_DIED, NEWS_FAILED };

struct forker_news {
	uint32_t	news;
	pid_t		pid;
	int32_t		status;		/* DIED: waitpid(2)'s; FAILED: errno */
	/* BORN: a descriptor, its socket */
};

/*
 * From a worker to a child: a request.  Its packet goes on with state_length
 * bytes of the protocol's state and the first first_length bytes of the input;
 * the other bytes, up to input_length, come in further packets.  The body's
 * spool is its descriptor, if it has one, or else the client, if the handler
 * speaks to that itself.
 */
struct child_request {
	uint32_t	input_length;
	uint32_t	state_length;
	uint32_t	first_length;
	struct peer	peer;
	uint64_t	ordinal;
	uint32_t	slot;		/* of the scoreboard, or SLOT_NONE */
	bool		is_last;	/* the connection has to end */
	bool		is_calm;	/* no other request waits */
	uint64_t	now;		/* ms, as in struct loop */
};

#define REQUEST_PACKET	(sizeof(struct child_request) + RECORD_STATE + \
			    RECORD_DATA)

/* From a child to its worker. */
enum record {
	RECORD_BYTES,		/* of the reply */
	RECORD_FLUSH,		/* the same, and they are to be sent now */
	RECORD_FILE,		/* a part of the file that comes with it */
	RECORD_LOG,		/* a line of a log */
	RECORD_END		/* bytes, and the reply is complete */
};

struct child_record {
	uint32_t	record;
	uint32_t	length;		/* of what follows in the packet */
	uint32_t	which;		/* LOG: 0 requests, 1 errors; END: */
					/* 1: the handler wants the end */
	uint32_t	state_length;	/* END: of the outcome */
	off_t		offset, size;	/* FILE */
	unsigned char	state[128];	/* END */
};

#endif
