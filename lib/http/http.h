/* SPDX-License-Identifier: ISC */
/*
 * BaseHTTPRequestHandler: one request of HTTP/1.x and its reply, in an
 * exchange of the serving loop.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../server/connection.h"
#include "../server/exchange.h"
#include "../server/protocol.h"
#include "../tine.h"
#include "chunked.h"
#include "head.h"

#define REPLY_HEAD	1024	/* bytes of a head that need no allocation */

/* A handler class with the defaults filled in. */
struct http_class {
	struct tine_http_handler handler;	/* the user's, in our size */
	bool			 is_11;		/* protocol_version is 1.1 */
	const char		*version;	/* what the field Server says */
	size_t			 version_length;
	unsigned		 serial;	/* no two classes have the same */
	struct {
		char	*text;		/* a whole reply */
		size_t	 length;
		size_t	 head;		/* its bytes without the body */
	}			 lost[3];	/* 500, 504: lost(); 503: full() */
};

enum http_phase {
	PHASE_HEAD,
	PHASE_MEMORY,		/* a body of known length, in the input */
	PHASE_SPOOL,		/* the same, in a file */
	PHASE_CHUNKED,		/* decoded in place, to a file if it is long */
	PHASE_WHOLE
};

/* How the end of a reply is told. */
enum reply_framing {
	REPLY_UNDECIDED,
	REPLY_LENGTH,
	REPLY_CHUNKED,
	REPLY_CLOSE,
	REPLY_EMPTY		/* its status, or HEAD, says it has no body */
};

struct reply {
	int			 code;		/* 0: not begun */
	enum reply_framing	 framing;
	bool			 is_head_ended;
	bool			 has_length;	/* the handler sent it */
	bool			 has_type;
	bool			 has_connection;
	bool			 is_refused;	/* a field was; see below */
	bool			 is_logged;	/* the log's line is wanted */
	bool			 is_error;	/* made by tine_send_error() */
	int			 error;		/* errno that stuck */
	off_t			 length;	/* of the handler */
	off_t			 written;	/* of the body, before framing */
	size_t			 interim;	/* bytes of 1xx replies */
	char			*head;
	size_t			 head_length, head_size;
	char			*staged;	/* of the next chunk */
	size_t			 staged_length;
	char			 memory[REPLY_HEAD];
};

/* What has to be called when the request ends. */
struct cleanup {
	struct cleanup	 *next;
	void		(*function)(void *);
	void		 *argument;
};

/* One request; the room of the protocol in an exchange. */
struct http {
	struct tine_request	 request;	/* first: the handler has it */
	struct exchange		*exchange;
	const struct http_class	*class;
	enum http_phase		 phase;
	bool			 is_head;	/* its method is HEAD */
	const struct user	*user;		/* whose it is; see auth.h */
	bool			 is_built;	/* request is filled in */
	struct chunked		 chunked;

	/* Places in the input, counted from input.start. */
	size_t			 body_end;	/* of what is in memory */
	size_t			 request_end;	/* the next one begins there */
	off_t			 body_length;	/* memory and file */
	off_t			 body_read;	/* by the handler */

	/* A body that the handler reads as it comes; see stream.c. */
	bool			 is_streamed;
	bool			 is_invited;	/* 100 was sent for it */
	int			 stream_error;	/* errno that stuck */
	off_t			 stream_left;	/* of a known length */

	struct cleanup		*cleanups;
	FILE			*rfile, *wfile;
	bool			 is_flushing;	/* wfile */
	bool			 is_handling;	/* inside the handler */
	void			*mapped;	/* the body, by tine_body() */
	size_t			 mapped_size;
	char			 client[64];
	struct peer		 shown;		/* the last that it was made of */

	/*
	 * What is long comes last, and begins with what is always used: of all
	 * this a small request touches one page (see server/child.c).
	 */
	struct reply		 reply;
	struct head		 head;
};

extern const struct protocol protocol_http;

static inline struct http *
http_of(struct exchange *exchange)
{
	return exchange->protocol;
}

static inline struct http *
http_of_request(const struct tine_request *req)
{
	return (struct http *)(uintptr_t)req;
}

/* --- request.c */

/* Fills in http->request from the parsed head, whose place is now fixed. */
void	request_build(struct http *http);

/* The same for a request that was refused before its head was whole. */
void	request_build_refused(struct http *http);

/* Runs what tine_on_finish() registered, and closes what was opened. */
void	request_end(struct http *http);

/* --- reply.c, reply_head.c, reply_body.c, reply_print.c, error_page.c */

void	reply_init(struct http *http);

/* Completes the reply after the handler has returned. */
void	reply_finish(struct http *http);

/* Drops what was made of a reply and is not out. */
void	reply_drop(struct http *http);

/* Whether bytes of the reply have left the process. */
bool	reply_is_out(const struct http *http);

/* Whether what is written to the reply is only counted. */
bool	reply_has_no_body(const struct http *http);

/* Puts interim replies that could not be sent before into the output. */
int	reply_put_interim(struct http *http);

/* Whether this connection may take another request after the reply. */
void	reply_set_close(struct http *http);

/* Sends an error from outside the handler, whatever was there. */
void	reply_refuse(struct http *http, int code, const char *message);

/*
 * A whole reply with an error page, made ahead for when nothing can be made;
 * malloc's.  *head is the length of its head.  NULL: no memory.
 */
char	*reply_prepare(const struct http_class *class, int code,
	    size_t *length, size_t *head);

/* Moves staged bytes and those of wfile into the output. */
void	reply_flush_files(struct http *http);

/*
 * What lib/files adds to tine_send_header() and tine_write(): fields that
 * were made ahead, Content-Type and the Content-Length length among them; and
 * bodies of a known length that are lent; the loan ends on failure too.  Each
 * returns 0, or -1 with errno.
 */
int	reply_add_fields(struct http *http, const char *fields, size_t size,
	    off_t length);
int	reply_lend(struct http *http, const void *data, size_t length,
	    struct loan loan);
int	reply_lend_file(struct http *http, int fd, off_t offset,
	    off_t length, struct loan loan);

/*
 * As tine_send_error(), with further fields, which end with a NULL name, and
 * the connection kept.
 */
int	reply_send_error(struct http *http, int code, const char *message,
	    const struct tine_field *fields);

/* --- framing.c */

/* Puts 100 (Continue) into the output.  Returns -1 with errno. */
int	framing_invite(struct http *http);

/* A decoder for the request's body, with the server's bounds. */
void	framing_begin_chunked(struct http *http);

/* --- stream.c */

bool	stream_is_wanted(const struct http *http);
void	stream_begin(struct http *http);
/* Whether the handler has left some of a body that it reads itself. */
bool	stream_has_rest(const struct http *http);
ssize_t	stream_read(struct http *http, void *buffer, size_t size);

/* --- log.c */

/* The line of the request log, when the reply has gone. */
void	log_reply(struct http *http);

/* Text for a person from a client's bytes: printable ASCII, quoted. */
void	log_quote(char *out, size_t size, const char *text, size_t length);

/* A file of the reply has become shorter by so many bytes. */
void	log_shrunk(struct http *http, off_t missing);

/* handle_error: a handler has failed. */
void	log_failure(struct http *http, const char *what);

/* Now, in HTTP's form; made once a second. */
const char *log_http_date(void);

/* --- status.c */

/* The usual phrases of a code; NULL for an unknown one. */
struct status {
	int		 code;
	const char	*phrase;
	const char	*explain;
};
const struct status *status_find(int code);

#endif
