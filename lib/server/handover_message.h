/* SPDX-License-Identifier: ISC */
/*
 * The message of hand-over, as lib/prefork/HANDOVER describes it: what
 * handover_pack.c makes of a connection, and handover_unpack.c makes one of.
 */
#ifndef SERVER_HANDOVER_MESSAGE_H
#define SERVER_HANDOVER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

#define MESSAGE_MAGIC	UINT32_C(0x656e6974)
#define MESSAGE_FORMAT	1
#define MESSAGE_PIECES	8

/* The states as the message has them: their numbers must not change. */
enum moved {
	MOVED_IDLE = 1, MOVED_HEAD, MOVED_BODY, MOVED_WHOLE, MOVED_DRAINING,
	MOVED_LINGERING, MOVED_PROXY
};

enum {
	FLAG_CLOSE = 1 << 0,	/* the connection ends after this reply */
	FLAG_BY_CLOSE = 1 << 1,	/* only the close delimits the reply */
	FLAG_UNREAD = 1 << 2,	/* the client may still be sending */
	FLAG_EOF = 1 << 3,	/* the client has shut its side */
	FLAG_ARMED = 1 << 4,	/* SO_LINGER is set */
	FLAG_BLOB = 1 << 5,	/* the bytes are in a memfd */
	FLAG_BODY = 1 << 6,	/* the body's spool comes with it */
	FLAG_CUT = 1 << 7	/* the reply is not complete */
};

/* A part of the output: bytes of the blob, or of the next descriptor. */
struct piece {
	uint64_t	is_file, offset, length;
};

/*
 * The message: this, then the blob (the protocol's state, the input, the
 * output's bytes) unless it has a descriptor.  Descriptors in order: the
 * connection, the blob, the body, the files of the output.
 */
struct message {
	uint32_t	magic, version, size, state;
	uint32_t	flags, hops, listener, requests;
	uint64_t	begun, since, bytes;	/* ms of CLOCK_MONOTONIC; bytes */
	uint32_t	family, port;
	unsigned char	host[16];
	uint64_t	state_length, input_length, output_length;
	uint64_t	body_length;
	uint32_t	pieces, reserved;
	struct piece	piece[MESSAGE_PIECES];
};

/*
 * Takes the next message of the other workers and drives its connection.
 * False: there is none.  Leader only.
 */
bool	handover_unpack(struct loop *loop);

#endif
