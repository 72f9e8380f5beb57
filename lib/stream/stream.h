/* SPDX-License-Identifier: ISC */
/*
 * StreamRequestHandler: a conversation of a protocol that is not HTTP, in an
 * exchange of the serving loop.  The loop waits for its first byte; then the
 * handler has the connection until it returns.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../server/connection.h"
#include "../server/exchange.h"
#include "../server/protocol.h"
#include "../tine.h"

/* A handler class, and the protocol that is made of it. */
struct stream_class {
	struct tine_stream_handler	 handler;	/* the user's, in our size */
	struct protocol			 protocol;
};

/* One conversation; the room of the protocol in an exchange. */
struct stream {
	struct tine_stream	 public;	/* first: the handler has it */
	struct exchange		*exchange;
	const struct tine_stream_handler *handler;
	bool			 is_eof;	/* the client sends no more */
	bool			 is_given;	/* its descriptor was asked for */
	int			 error;		/* errno that stuck to writing */
	FILE			*rfile, *wfile;
	char			 client[64];
};

extern const struct protocol protocol_stream;

static inline struct stream *
stream_of(struct exchange *exchange)
{
	return exchange->protocol;
}

static inline struct stream *
stream_of_public(const struct tine_stream *public)
{
	return (struct stream *)(uintptr_t)public;
}

/* --- stream_io.c */

/* Closes what was opened, and makes the descriptor the loop's again. */
void	stream_close_files(struct stream *stream);

#endif
