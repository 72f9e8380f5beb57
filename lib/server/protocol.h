/* SPDX-License-Identifier: ISC */
/*
 * What the serving loop asks of a protocol.  The loop moves bytes; only a
 * protocol knows where a request ends and what it means.
 */
#ifndef SERVER_PROTOCOL_H
#define SERVER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;
struct loop;
struct tine_server;

enum framing {
	FRAMING_HEAD,		/* more of the head is needed, or any byte */
	FRAMING_BODY,		/* more of the body is needed */
	FRAMING_SPOOL,		/* spool() has to be called: it may block */
	FRAMING_WHOLE,		/* the handler can start */
	FRAMING_REPLY,		/* a reply is in the output; no handler */
	FRAMING_END		/* close without a word */
};

enum outcome {
	OUTCOME_SENT,		/* the client has taken the whole reply */
	OUTCOME_CUT,		/* the connection ended before that */
	OUTCOME_GIVEN		/* another process has it, and goes on */
};

struct protocol {
	const char	*name;
	size_t		 exchange_size;	/* room in each exchange */
	bool		 speaks_first;	/* the handler starts at accept */
	/*
	 * The handler reads and writes until it returns.  In mode fork the
	 * child gets the client's descriptor for that.
	 */
	bool		 is_conversation;

	/*
	 * Of datagrams, and NULL where there are connections.  receive() puts
	 * one from a listener's socket into the input, and its sender into the
	 * peer of its connection: 1; 0: there was none; -1: it is lost.
	 * send() sends what is in the output as one, and must not block.
	 */
	int		 (*receive)(struct exchange *, int socket);
	void		 (*send)(struct exchange *, int socket);

	/*
	 * Before serving, and at a reload: reads what the settings name, and
	 * puts it in the place of what was there, which it leaves to the
	 * caller.  -1 with the text of tine_error(): nothing has changed.
	 */
	int		 (*prepare)(struct tine_server *);

	/* A new request begins; input may have bytes of it. */
	void		 (*begin)(struct exchange *);

	/*
	 * Looks at what is new in the input.  May put an interim reply into
	 * the output.  Must not block.
	 */
	enum framing	 (*frame)(struct exchange *);
	enum framing	 (*spool)(struct exchange *);

	/* Runs the handler; leaves the reply, whole, in the output. */
	void		 (*handle)(struct exchange *);

	/*
	 * The client was silent, or went away, in the middle of a request:
	 * puts a reply into the output, if there is one for that.
	 */
	void		 (*late)(struct exchange *);

	/* What a client gets for whom the worker has no room; NULL: nothing. */
	const char	*(*full)(const struct loop *, size_t *length);

	/* The reply has gone, or will not go; after it all is freed. */
	void		 (*done)(struct exchange *, enum outcome);

	/*
	 * How much of the input is the request's, for whose reply this
	 * connection waits: done() takes it away.  Async-signal-safe.
	 */
	size_t		 (*used)(const struct exchange *);

	/*
	 * For a handler in another process.  save() writes what was found of
	 * a whole request and returns its length; the process that has it
	 * also gets the first *input_length bytes of the input, and calls
	 * restore() (-1 if it cannot be).  After the handler save_outcome()
	 * and restore_outcome() take the way back.
	 */
	size_t		 (*save)(struct exchange *, void *, size_t,
			    size_t *input_length);
	int		 (*restore)(struct exchange *, const void *, size_t);
	/*
	 * Does with an exchange that has no request what one does before its
	 * handler runs, so that the memory that this needs is there by then.
	 * The input has room for a short request.
	 */
	void		 (*rehearse)(struct exchange *);
	size_t		 (*save_outcome)(struct exchange *, void *, size_t);
	void		 (*restore_outcome)(struct exchange *, const void *,
			    size_t);

	/*
	 * For another worker, which gets the input as it is: what it cannot
	 * find by looking at that anew.  pack() returns -1 if the request
	 * cannot move, and is async-signal-safe; unpack() believes nothing,
	 * and returns -1 if the bytes are refused.
	 */
	int		 (*pack)(struct exchange *, void *, size_t, size_t *);
	int		 (*unpack)(struct exchange *, const void *, size_t);

	/*
	 * The handler was lost: answers with status if nothing of the reply
	 * is out, else has it cut.
	 */
	void		 (*failed)(struct exchange *, int status);

	/*
	 * A whole reply for that, which whoever has claimed the handler (see
	 * claim.h) sends if nothing else is out.  Async-signal-safe.
	 */
	const char	*(*lost)(const struct exchange *, int status,
			    size_t *length);

	/*
	 * A text about the request in hand, for the scoreboard; its length is
	 * without the final NUL.
	 */
	const char	*(*describe)(const struct exchange *, size_t *length);
};

#endif
