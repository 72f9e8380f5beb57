/* SPDX-License-Identifier: ISC */
/*
 * tine: Python's SocketServer and BaseHTTPServer for C, in pre-forked workers.
 *
 * This header is the contract: everything a program may use, and nothing
 * else.  Each function has its page, tine_name(3) or the page of its family.
 *
 * Conventions.  A function that can fail returns -1 or NULL and sets errno;
 * tine_error() then has the sentence for a person.  A pointer that is passed
 * in is borrowed unless the function says that it takes it.  Memory that a
 * function returns lives as long as the request it was made for; nothing is
 * freed by hand.  Times are milliseconds, lengths are bytes.
 */
#ifndef TINE_H
#define TINE_H

#include <sys/types.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINE_VERSION	"0.1.0"

#if defined(__GNUC__)
#define TINE_PRINTF(format, first) \
	__attribute__((__format__(__printf__, format, first)))
#define TINE_WEAK	__attribute__((__weak__, __visibility__("default")))
#else
#define TINE_PRINTF(format, first)
#define TINE_WEAK
#endif

struct tine_server;
struct tine_request;
struct tine_stream;
struct tine_datagram;

/*
 * What a person should read after a function has failed: thing, reason and
 * remedy, without a final newline.  Valid until the next call of a tine_
 * function by the same thread.  Never NULL.
 */
const char *tine_error(void);

/* ------------------------------------------------------------- requests */

/* A header field as it came (RFC 9110, section 5), white space trimmed. */
struct tine_field {
	const char	*name;
	const char	*value;
};

/*
 * One request: the instance of Python's BaseHTTPRequestHandler.  It is made
 * by the library and lives from the first byte of the handler to the end of
 * its finish function.  Members are read only, but for close_connection.
 */
struct tine_request {
	struct tine_server	*server;
	/* The peer's numeric address; "unix:" and its uid on a Unix socket. */
	const char		*client_address;
	/* The peer's port; on a Unix socket its process id, 0 if unknown. */
	unsigned		 client_port;
	/* The request line without its end, as it came. */
	const char		*requestline;
	/* The method; it is case-sensitive (RFC 9110, section 9.1). */
	const char		*command;
	/* The request target as it came, with the query: Python's path. */
	const char		*path;
	/* The path without the query; of an absolute target only its path. */
	const char		*real_path;
	/* What follows the first '?', or "" if there is none. */
	const char		*query;
	/* "HTTP/1.0" or "HTTP/1.1": the client's. */
	const char		*request_version;
	/* The fields in the order they came; ends with a NULL name. */
	const struct tine_field	*headers;
	size_t			 header_count;
	/* Length of the decoded body. */
	off_t			 content_length;
	/* Whether the connection ends after this reply; may be set. */
	bool			 close_connection;
	/* Yours: NULL when setup is called. */
	void			*data;
	/*
	 * With --auth-file: whose name and password the client has sent, as
	 * the file has the name.  NULL otherwise, and in handle_expect_100.
	 */
	const char		*remote_user;
};

/*
 * The value of the first field called name (any case), or NULL if there is
 * none: Python's headers.get().
 */
const char *tine_header(const struct tine_request *req, const char *name);

/*
 * The value of the n-th field called name, counted from 0, or NULL: the
 * elements of Python's headers.get_all().
 */
const char *tine_header_nth(const struct tine_request *req, const char *name,
	    size_t n);

/*
 * Reads up to size bytes of the body into buffer: Python's rfile.read().
 * Returns the number read, 0 at the end of the body, or -1 with errno EIO
 * (the spool file could not be read).  With stream_body it waits for the
 * client, and errno can also be ETIMEDOUT (--body-timeout), ECONNRESET (the
 * client is gone), EBADMSG (no chunks) or EFBIG (over --max-body).
 */
ssize_t	tine_read(struct tine_request *req, void *buffer, size_t size);

/*
 * The whole body as memory, whatever was read of it before, and its length
 * in *length (which may be NULL).  A body that was spooled is mapped.  A NUL
 * follows the last byte.  NULL with errno: ENOMEM, EIO, ENOTSUP with
 * stream_body.
 */
const char *tine_body(struct tine_request *req, size_t *length);

/*
 * The body as a standard input stream, at the place where tine_read() is:
 * Python's rfile.  Closed by the library.  NULL with errno ENOMEM.
 */
FILE	*tine_rfile(struct tine_request *req);

/* ---------------------------------------------------------------- replies */

/*
 * Output errors are sticky, as with stdio: after the first one every further
 * write fails at once with the same errno, and a handler may ignore them all.
 * Errors of the writing functions: EPIPE (the client is gone), ETIMEDOUT (it
 * took nothing for --send-timeout), ENOSPC or EIO (the spool file), ENOMEM,
 * EFBIG (more than the Content-Length that the handler sent), ENODATA (see
 * tine_send_file()).
 */

/*
 * Begins a reply: Python's send_response().  Calls log_request, then adds the
 * status line and the fields Server and Date.  message is copied; NULL means
 * the usual phrase of the code.  Returns 0, or -1 with errno EINVAL (code
 * below 100 or above 999, or a control character in message), EALREADY (a
 * final reply was begun before), ENOMEM.
 */
int	tine_send_response(struct tine_request *req, int code,
	    const char *message);

/* The same without Server, Date and the log: send_response_only(). */
int	tine_send_response_only(struct tine_request *req, int code,
	    const char *message);

/*
 * Adds a field to the head of the reply: Python's send_header().
 *
 * name and value are copied.  A value with CR, LF, NUL or another control
 * character but TAB is refused, since it could start a field or a reply of
 * its own (RFC 9110, section 5.5); unless the handler replaces the reply, it
 * becomes a 500.  Fields go out in the order of the calls.  "Connection:
 * close" and "keep-alive" set close_connection.  Content-Length must be a
 * number and there once, and is left out of 1xx and 204 (RFC 9110, section
 * 8.6); Transfer-Encoding is the library's to send.
 *
 * Returns 0, or -1 with errno set: EINVAL (name is no token, or value is as
 * above), EALREADY (the head is complete), ENOMEM.
 */
int	tine_send_header(struct tine_request *req, const char *name,
	    const char *value);

/* The same with a value made by printf(3). */
int	tine_send_headerf(struct tine_request *req, const char *name,
	    const char *format, ...) TINE_PRINTF(3, 4);

/*
 * Ends the head: Python's end_headers().  A 1xx head is sent at once and a
 * further reply may follow.  Returns 0, or -1 with errno EINVAL (there is no
 * status line), EALREADY.
 */
int	tine_end_headers(struct tine_request *req);

/*
 * Passes on what is there of the head, without ending it, so that what is
 * written next continues it: Python's flush_headers(), as CGI uses it.
 */
int	tine_flush_headers(struct tine_request *req);

/*
 * A whole reply that tells of an error: Python's send_error().  message and
 * explain are shown escaped; NULL means the usual texts of the code.  Sends
 * "Connection: close".  What the handler had buffered of another reply is
 * dropped.  Returns 0, or -1 with errno EALREADY (bytes of a reply are out;
 * it will be cut so that the client sees it), ENOMEM.
 */
int	tine_send_error(struct tine_request *req, int code, const char *message,
	    const char *explain);

/*
 * Writes to the body of the reply: Python's wfile.write().  data is copied.
 * A head that was not ended is ended first.  What goes to a HEAD request, or
 * with a status that has no body (1xx, 204, 205, 304), is counted and dropped.
 * Returns length, or -1 with errno (see above).
 */
ssize_t	tine_write(struct tine_request *req, const void *data, size_t length);
ssize_t	tine_puts(struct tine_request *req, const char *text);
ssize_t	tine_printf(struct tine_request *req, const char *format, ...)
	    TINE_PRINTF(2, 3);
ssize_t	tine_vprintf(struct tine_request *req, const char *format, va_list ap)
	    TINE_PRINTF(2, 0);

/*
 * Adds length bytes of the regular file fd, from offset, to the body.  Takes
 * fd: it is closed when it was sent, and on failure.  The bytes are read when
 * they are sent; if the file has become shorter by then, the connection is
 * ended so that the client sees it, and the error log says how much is
 * missing.  Never spooled.  Returns 0, or -1 with errno (see above), or
 * EINVAL: no file can have such a part.
 */
int	tine_send_file(struct tine_request *req, int fd, off_t offset,
	    off_t length);

/*
 * Sends what was written so far, for replies that are made slowly (events,
 * progress), and waits for a client that is behind, --send-timeout at most.
 */
int	tine_flush(struct tine_request *req);

/*
 * The body of the reply as a standard output stream: Python's wfile.  It is
 * flushed before every tine_ write and before the reply ends.  Closed by the
 * library.  NULL with errno ENOMEM.
 */
FILE	*tine_wfile(struct tine_request *req);

/* The errno that stuck to the output, or 0. */
int	tine_output_error(const struct tine_request *req);

/* ------------------------------------------------------------------ forms */

/*
 * The fields of a form, in the order they came: Python's cgi.FieldStorage.
 * It lives as long as the request.
 */
struct tine_form;

/*
 * One field.  Made by the library, read only; it lives as long as its form.
 *
 * Names, values and file names are the bytes that were sent, without their
 * escapes; nothing says that they are valid in any character set.  A NUL
 * follows each, and a name or a value may hold others.
 */
struct tine_form_field {
	/* "" where the form has an empty name. */
	const char	*name;
	size_t		 name_length;
	/* NULL only for a file that is not empty: see tine_form_data(). */
	const char	*value;
	off_t		 length;
	/*
	 * NULL if the field is no file.  "" if no file was chosen.  As it was
	 * sent, maybe with a client's directories (RFC 7578, section 4.2).
	 */
	const char	*filename;
	/*
	 * The file name's last part, fit to be the name of a file: without
	 * directories, control characters and leading dots, of 255 bytes at
	 * most.  "" if nothing is left; NULL if filename is.
	 */
	const char	*safe_name;
	/*
	 * The part's media type in lower case, without parameters:
	 * "text/plain" if it has none.  NULL in an urlencoded form.
	 */
	const char	*type;
	/* The parameter charset of the part, or of an urlencoded body; NULL. */
	const char	*charset;
	/* The part's own headers in their order; ends with a NULL name. */
	const struct tine_field	*headers;
};

enum tine_form_flags {
	/* Empty values of urlencoded forms are kept: keep_blank_values. */
	TINE_FORM_KEEP_BLANK	= 1 << 0,
	/* Something without '=' in one is an error: strict_parsing. */
	TINE_FORM_STRICT	= 1 << 1,
	/* The fields of the query follow those of the body. */
	TINE_FORM_QUERY		= 1 << 2
};

/*
 * What a form may cost.  Made by the caller; zero means the default, which
 * the options say.
 */
struct tine_form_limits {
	/* Of enum tine_form_flags. */
	unsigned	 flags;
	/* Fields of the body and the query, dropped ones too: 1,000. */
	size_t		 fields;
	/* Names, headers of parts, and values kept in memory, in all: 1 MiB. */
	size_t		 memory;
	/* A longer value goes to a temporary file, as each file does: 64 KiB. */
	size_t		 value_memory;
	/* Values and files that are not empty in temporary files: 100. */
	size_t		 files;
	/* One file or value: as the body. */
	off_t		 file;
	/* The whole body: what --max-body lets through. */
	off_t		 body;
	/* Header bytes of one part, or a name of an urlencoded form: 8 KiB. */
	size_t		 headers;
	/* Length of the boundary: 70; never more than 200. */
	size_t		 boundary;
	/* Where temporary files are made, unlinked: --spool-dir. */
	const char	*spool_dir;
};

/*
 * Reads the form of a request: Python's FieldStorage(fp, headers, environ).
 * A GET or HEAD has it in its query.  Any other method has it in the body, as
 * application/x-www-form-urlencoded (also if there is no Content-Type) or
 * multipart/form-data (RFC 7578); the body is read to the end of the form, so
 * that this is called once for a request.
 *
 * Fields without a value are dropped from urlencoded forms, unless
 * TINE_FORM_KEEP_BLANK is given.  limits may be NULL.
 *
 * Returns the form, or NULL with errno, which tine_form_status() turns into
 * the status to answer:
 *	EBADMSG		malformed, or it ends too early			400
 *	EMSGSIZE	a part's headers, a name or the boundary is
 *			too long					400
 *	EFBIG		too many fields or files, too large a file or
 *			body, or too much memory			413
 *	ENOMSG		a body of another type				415
 *	ENOSPC, EDQUOT	no room for temporary files			507
 *	ENOMEM, EMFILE, ENFILE						503
 * and those of tine_read(), and of open(2) and mmap(2) for temporary files.
 */
#define tine_form_parse(req, limits) \
	tine_form_parse_sized((req), (limits), sizeof(struct tine_form_limits))
struct tine_form *tine_form_parse_sized(struct tine_request *req,
	    const struct tine_form_limits *limits, size_t size);

/*
 * The status for an errno of tine_form_parse() or tine_form_read(): 400, 408,
 * 413, 415, 503, 507, and 500 for any other.
 */
int	tine_form_status(int error);

/*
 * Answers a form that failed, from errno and tine_error(): the status above
 * by tine_send_error().  The client is told the sentence if the fault is its
 * own; else the error log is.  Returns what tine_send_error() does.
 */
int	tine_form_send_error(struct tine_request *req);

/* How many fields there are, and the n-th, from 0, or NULL. */
size_t	tine_form_count(const struct tine_form *form);
const struct tine_form_field *tine_form_field(const struct tine_form *form,
	    size_t n);

/*
 * The first field called name (its case matters), or NULL: Python's "name in
 * form" and getfirst().  tine_form_next() gives the next one of the same
 * name, or NULL: both are getlist().
 */
const struct tine_form_field *tine_form_first(const struct tine_form *form,
	    const char *name);
const struct tine_form_field *tine_form_next(
	    const struct tine_form_field *field);

/*
 * The first field of the n-th different name, from 0 and in order of first
 * appearance, or NULL: Python's keys() and, where it ends, len().
 */
const struct tine_form_field *tine_form_key(const struct tine_form *form,
	    size_t n);

/*
 * The contents of the first field called name, as tine_form_data() gives them,
 * or NULL: getvalue().
 */
const char *tine_form_value(const struct tine_form *form, const char *name);

/*
 * The contents of any field, a file too, in three ways.  They belong to the
 * form; do not close or free them.
 *
 * data: memory, a file is mapped; a NUL follows.  *length may be NULL.
 * fd: a descriptor at its beginning.  What was in memory is written to a
 * temporary file first.
 * file: a standard input stream at its beginning; a second call rewinds it.
 *
 * NULL or -1 with errno: ENOMEM, EMFILE, ENFILE, ENOSPC, EFBIG (it does not
 * fit into the address space), or another one of open(2) or mmap(2).
 */
const char *tine_form_data(const struct tine_form_field *field,
	    size_t *length);
int	tine_form_fd(const struct tine_form_field *field);
FILE	*tine_form_file(const struct tine_form_field *field);

/*
 * Puts the contents of a field into a new file, path below the directory
 * dirfd (AT_FDCWD: the current one).  mode is what the file gets, umask or
 * not.  The file appears whole or not at all, and never takes the place of
 * another.  A temporary file in the same file system is linked, not copied;
 * it then is the saved file.  Nothing is synchronized to the disk.
 *
 * Never pass a client's filename as path; safe_name is made for it.
 *
 * Returns 0, or -1 with errno: EEXIST (something has this name), EINVAL (path
 * is empty or ends with a slash), or one of open(2), write(2) or link(2).
 */
int	tine_form_save(const struct tine_form_field *field, int dirfd,
	    const char *path, mode_t mode);

/*
 * Takes the fields of a form as they arrive.  A function may be NULL.  Each
 * returns 0, or -1 with errno to stop.
 */
struct tine_form_reader {
	/* A field begins.  It has no value and length yet. */
	int	(*begin)(void *argument, const struct tine_form_field *field);
	/* The next bytes of its value, one or more. */
	int	(*data)(void *argument, const struct tine_form_field *field,
		    const void *data, size_t length);
	/* It ends; length is known. */
	int	(*end)(void *argument, const struct tine_form_field *field);
};

/*
 * The same as tine_form_parse(), but keeps nothing: a field is gone after its
 * end.  The limits memory, value_memory and files have no meaning.
 *
 * Returns 0, or -1 with errno as above, or with that of the function which
 * returned -1.
 */
#define tine_form_read(req, limits, reader, argument) \
	tine_form_read_sized((req), (limits), \
	    sizeof(struct tine_form_limits), (reader), (argument))
int	tine_form_read_sized(struct tine_request *req,
	    const struct tine_form_limits *limits, size_t size,
	    const struct tine_form_reader *reader, void *argument);

/* ------------------------------------------------- dates, names, the log */

/*
 * The date in HTTP's form, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section
 * 5.6.7): Python's date_time_string().  (time_t)-1 means now.
 */
const char *tine_date_time_string(struct tine_request *req, time_t when);

/* Now in the log's form, local time: "23/Nov/2026 20:21:49". */
const char *tine_log_date_time_string(struct tine_request *req);

/* The client's address as the log shows it: Python's address_string(). */
const char *tine_address_string(const struct tine_request *req);

/* server_version, a space and sys_version. */
const char *tine_version_string(struct tine_request *req);

/*
 * The short and the long phrase of a status code: Python's responses table.
 * Either pointer may be NULL.  Returns -1 for an unknown code.
 */
int	tine_responses(int code, const char **phrase, const char **explain);

/*
 * Who is running the handler, as the tutorial prints it: "MainThread" in
 * single mode, "Thread-N" for the N-th request of a worker in thread mode,
 * the process id in fork mode.
 */
const char *tine_thread_name(struct tine_request *req);

enum tine_level {
	TINE_LOG_DEBUG, TINE_LOG_INFO, TINE_LOG_WARNING, TINE_LOG_ERROR
};

/*
 * Writes a line to the error log with the request named.  req may be NULL.
 * Control characters are escaped.
 */
void	tine_log(struct tine_request *req, enum tine_level level,
	    const char *format, ...) TINE_PRINTF(3, 4);

/*
 * A line in the request log, as Python's log_message() writes it:
 * "ADDRESS - - [DATE] text".  Control characters become \xNN.
 */
void	tine_log_message(struct tine_request *req, const char *format, ...)
	    TINE_PRINTF(2, 3);

/* Python's log_error(): the same sink as log_message(). */
void	tine_log_error(struct tine_request *req, const char *format, ...)
	    TINE_PRINTF(2, 3);

/* ------------------------------------------------ a request's resources */

/* Memory of the request's arena, aligned for anything; NULL with ENOMEM. */
void	*tine_alloc(struct tine_request *req, size_t size);
char	*tine_strdup(struct tine_request *req, const char *text);
char	*tine_asprintf(struct tine_request *req, const char *format, ...)
	    TINE_PRINTF(2, 3);

/*
 * Has function called with argument when the request ends, however it ends
 * (but not if the process is killed), last registered first.  It may not
 * write.  Returns 0, or -1 with errno ENOMEM.
 */
int	tine_on_finish(struct tine_request *req, void (*function)(void *),
	    void *argument);

/*
 * How many milliseconds the handler has left until --timeout, or -1 if there
 * is no limit: with --timeout=0, and without a master.
 */
long	tine_request_deadline(const struct tine_request *req);

/* ---------------------------------------------------------------- streams */

/*
 * One conversation of a protocol that is not HTTP: the instance of Python's
 * StreamRequestHandler.  Its handler has the connection to itself, from the
 * client's first byte (or from accept, see speaks_first) to its return.
 * Members are read only, but for data.
 */
struct tine_stream {
	struct tine_server	*server;
	/* As in struct tine_request. */
	const char		*client_address;
	unsigned		 client_port;
	/* Yours: NULL when setup is called. */
	void			*data;
};

/*
 * Reads what is there, up to size bytes, and waits for the first of them:
 * Python's rfile.read1().  Returns the number read, 0 when the client sends
 * no more, or -1 with errno ETIMEDOUT (it was silent for the class' timeout,
 * else --keep-alive; it may be asked again), ECONNRESET or another one of
 * recv(2).  To wait is the handler's choice: it holds a worker, a thread or a
 * child, but no other client's input, and is no time that --timeout counts.
 */
ssize_t	tine_stream_read(struct tine_stream *stream, void *buffer,
	    size_t size);

/*
 * Reads to the end of a line, or size - 1 bytes of a longer one: Python's
 * rfile.readline().  The newline is kept, and a NUL follows; the line may
 * have others in it.  Returns the length, 0 when there is no more, or -1 as
 * tine_stream_read(), with what came of the line still to be read.
 */
ssize_t	tine_stream_getline(struct tine_stream *stream, char *buffer,
	    size_t size);

/* How many bytes can be read without waiting, and without a system call. */
size_t	tine_stream_pending(const struct tine_stream *stream);

/*
 * Sends all of data before it returns, which may take as long as the client
 * does: Python's wfile.write() with its wbufsize of 0.  Errors stick, as with
 * stdio: each further write fails with the same one.  Returns length, or -1
 * with errno EPIPE (the client is gone) or ETIMEDOUT (it took nothing for the
 * class' timeout, else --send-timeout).
 */
ssize_t	tine_stream_write(struct tine_stream *stream, const void *data,
	    size_t length);
ssize_t	tine_stream_puts(struct tine_stream *stream, const char *text);
ssize_t	tine_stream_printf(struct tine_stream *stream, const char *format,
	    ...) TINE_PRINTF(2, 3);
ssize_t	tine_stream_vprintf(struct tine_stream *stream, const char *format,
	    va_list ap) TINE_PRINTF(2, 0);

/*
 * Whether the conversation should come to its end: the server stops, or this
 * worker leaves at a reload.  What is not over by --graceful-timeout is cut
 * off.  A handler that waits for its client is not woken: one whose clients
 * may be silent for long asks between two waits, with a class' timeout.
 */
bool	tine_stream_is_ending(const struct tine_stream *stream);

/*
 * The two directions as standard streams: Python's rfile and wfile.  What
 * rfile has read ahead the functions above do not see; wfile has no buffer.
 * Closed by the library.  NULL with errno ENOMEM.
 */
FILE	*tine_stream_rfile(struct tine_stream *stream);
FILE	*tine_stream_wfile(struct tine_stream *stream);

/*
 * The client's socket, for poll(2), or for a program that gets it as its
 * standard input and output: from now on until the handler returns its own
 * calls wait.  What is pending has been read from it.  It is not the
 * handler's to close.
 */
int	tine_stream_fileno(struct tine_stream *stream);

/* Writes a line to the error log with the client named; see tine_log(). */
void	tine_stream_log(struct tine_stream *stream, enum tine_level level,
	    const char *format, ...) TINE_PRINTF(3, 4);

/* -------------------------------------------------------------- datagrams */

/*
 * One datagram: the instance of Python's DatagramRequestHandler.  Members are
 * read only, but for data.
 */
struct tine_datagram {
	struct tine_server	*server;
	/* The sender, as the client in struct tine_request. */
	const char		*client_address;
	unsigned		 client_port;
	/* What it sent; a NUL follows, and there may be others in it. */
	const char		*packet;
	size_t			 packet_length;
	/* Yours: NULL when setup is called. */
	void			*data;
};

/*
 * Writes to the reply: Python's wfile.write().  When the handler has finished
 * what was written goes to the sender as one datagram.  A handler that has
 * written nothing sends none (Python sends an empty one: here that takes a
 * write of length 0).  Nor is there a reply to a sender without an address, an
 * unbound Unix socket, or from a handler that crashes.  Returns length, or -1
 * with errno EMSGSIZE (over 128 KiB in all) or ENOMEM.
 */
ssize_t	tine_datagram_write(struct tine_datagram *datagram, const void *data,
	    size_t length);
ssize_t	tine_datagram_puts(struct tine_datagram *datagram, const char *text);
ssize_t	tine_datagram_printf(struct tine_datagram *datagram,
	    const char *format, ...) TINE_PRINTF(2, 3);
ssize_t	tine_datagram_vprintf(struct tine_datagram *datagram,
	    const char *format, va_list ap) TINE_PRINTF(2, 0);

/* Writes a line to the error log with the sender named; see tine_log(). */
void	tine_datagram_log(struct tine_datagram *datagram,
	    enum tine_level level, const char *format, ...) TINE_PRINTF(3, 4);

/* ---------------------------------------------------------------- servers */

/* A peer, for verify_request. */
struct tine_peer {
	const char	*address;
	unsigned	 port;
};

/*
 * The hooks of Python's BaseServer, and of a pre-forking master.  Any may be
 * NULL.
 */
struct tine_hooks {
	/*
	 * Called at accept, or for a datagram; false closes the connection
	 * without a word, or drops the datagram.  It
	 * holds up the worker's other clients, so it has to be quick.
	 */
	bool	(*verify_request)(struct tine_server *,
		    const struct tine_peer *);
	/*
	 * A handler has failed: what says how.  The default writes what to
	 * the error log with the request named.  Where HTTP is not spoken
	 * there is no request: it is NULL, and what names the client.
	 */
	void	(*handle_error)(struct tine_server *, struct tine_request *,
		    const char *what);
	/* tine_handle_request() waited for nothing. */
	void	(*handle_timeout)(struct tine_server *);
	/* Called once in each turn of the loop of tine_serve_forever(). */
	void	(*service_actions)(struct tine_server *);
	/*
	 * In each worker before its first request (in fork mode in the
	 * process that forks the children).  -1 ends the worker, status 70.
	 */
	int	(*worker_init)(struct tine_server *);
	/* In each worker after its last request. */
	void	(*worker_exit)(struct tine_server *);
	/* Fork mode: in each child before its first request. */
	void	(*post_fork)(struct tine_server *);
	/* In the master when a worker has ended; status is waitpid(2)'s. */
	void	(*worker_died)(struct tine_server *, pid_t, int status);
	/*
	 * In the master at SIGHUP, before the first new worker is tried; -1
	 * refuses the reload.  It has to be quick, and may start no thread.
	 */
	int	(*reload)(struct tine_server *);
};

/*
 * A handler class: Python's subclass of BaseHTTPRequestHandler.  Constant;
 * zero means the default.  It must outlive the server.
 */
struct tine_http_handler {
	/* A method that is not there is answered by do_method, else 501. */
	void		(*do_GET)(struct tine_request *);
	void		(*do_HEAD)(struct tine_request *);
	void		(*do_POST)(struct tine_request *);
	void		(*do_PUT)(struct tine_request *);
	void		(*do_DELETE)(struct tine_request *);
	void		(*do_CONNECT)(struct tine_request *);
	void		(*do_OPTIONS)(struct tine_request *);
	void		(*do_TRACE)(struct tine_request *);
	void		(*do_PATCH)(struct tine_request *);
	void		(*do_method)(struct tine_request *);

	/*
	 * Before and after the method, for each request.  If setup returns -1
	 * neither the method nor finish is called, and a handler that has not
	 * replied is answered for: 500.
	 */
	int		(*setup)(struct tine_request *);
	void		(*finish)(struct tine_request *);

	/*
	 * Asked at the end of a head that expects 100 (Continue), which is
	 * sent then unless the body is there.  It may send an error and
	 * return false; the method is then not called.
	 */
	bool		(*handle_expect_100)(struct tine_request *);

	/*
	 * Called by tine_send_response() with the code.  The default notes
	 * the line of the request log, which is written when the reply was
	 * sent.  One that does nothing suppresses it; one that calls
	 * tine_log_message() replaces it.
	 */
	void		(*log_request)(struct tine_request *, int code);

	/* The sink of the request log; text is escaped and has no newline. */
	void		(*log_message)(struct tine_request *, const char *text);

	/* Makes the value of the field Server. */
	const char	*(*version_string)(struct tine_request *);

	/* "tine/VERSION" */
	const char	*server_version;
	/* Follows it after a space; "" for none.  The default is none. */
	const char	*sys_version;
	/* "HTTP/1.1".  With "HTTP/1.0" nothing is added to a reply. */
	const char	*protocol_version;
	/*
	 * The page of tine_send_error(), with Python's %(code)d, %(message)s
	 * and %(explain)s, and its type: "text/html;charset=utf-8".
	 */
	const char	*error_message_format;
	const char	*error_content_type;

	/*
	 * How long a connection of this class may be silent in its head, its
	 * body or its reply, in milliseconds; 0: as the options say.
	 */
	unsigned	 timeout;

	const struct tine_hooks	*hooks;

	/*
	 * The handler starts at the end of the head, and tine_read() reads
	 * the body as it comes: content_length is what the client said, -1
	 * for a chunked body.  100 (Continue) is sent at the first read.  In
	 * mode fork, whose children have no connection of a client's, the
	 * body is read before all the same.
	 */
	bool		 stream_body;
};

/*
 * A directory, served without code: Python's SimpleHTTPRequestHandler.  It is
 * the one of --directory (tine_server_set(server, "directory", "htdocs")), or
 * the one that the program works in.  Files, with conditional requests and
 * ranges, index.html, listings; OPTIONS, and 405 with Allow for other methods.
 * What is outside of the directory is not there.
 *
 * tine_files_get() is do_GET and do_HEAD of this class.  A handler may call it
 * for what it does not answer itself; it sends a whole reply, which may be an
 * error, for req->real_path.  Nothing of a reply may have been sent before.
 */
extern const struct tine_http_handler tine_files;
void	tine_files_get(struct tine_request *req);

/*
 * Makes a server for a handler class: Python's HTTPServer without an address.
 * The caller owns it.  NULL with errno ENOMEM.
 */
#define tine_http_server(handler) \
	tine_http_server_sized((handler), sizeof(struct tine_http_handler), \
	    sizeof(struct tine_hooks))
struct tine_server *tine_http_server_sized(
	    const struct tine_http_handler *handler, size_t size,
	    size_t hooks_size);

/*
 * A handler class of a protocol that is not HTTP: Python's subclass of
 * StreamRequestHandler.  Constant; zero means the default.  It must outlive
 * the server.
 */
struct tine_stream_handler {
	/*
	 * Before and after handle.  If setup returns -1 neither of the others
	 * is called, and the connection is closed.
	 */
	int		(*setup)(struct tine_stream *);
	void		(*handle)(struct tine_stream *);
	void		(*finish)(struct tine_stream *);

	const struct tine_hooks	*hooks;

	/*
	 * How long the client may be silent, or take nothing, each time that
	 * it is waited for, in milliseconds; 0: as the options say.
	 */
	unsigned	 timeout;

	/*
	 * The handler starts at accept, for it has the first word; else at
	 * the client's first byte, until when a client costs no worker.
	 */
	bool		 speaks_first;

	/* Sets TCP_NODELAY, so that small pieces are not gathered. */
	bool		 disable_nagle_algorithm;
};

/*
 * Makes a server for such a class: Python's TCPServer, or UnixStreamServer,
 * without an address.  The caller owns it.  NULL with errno ENOMEM.
 *
 * When the handler has returned, the client is told that nothing follows
 * (shutdown(2)), and what it still sends is read and dropped for a while, so
 * that it gets all that was written.
 */
#define tine_stream_server(handler) \
	tine_stream_server_sized((handler), \
	    sizeof(struct tine_stream_handler), sizeof(struct tine_hooks))
struct tine_server *tine_stream_server_sized(
	    const struct tine_stream_handler *handler, size_t size,
	    size_t hooks_size);

/*
 * A handler class for datagrams: Python's subclass of DatagramRequestHandler.
 * Constant; zero means the default.  It must outlive the server.
 */
struct tine_datagram_handler {
	/*
	 * Before and after handle, for each datagram.  If setup returns -1
	 * neither of the others is called, and there is no reply.
	 */
	int		(*setup)(struct tine_datagram *);
	void		(*handle)(struct tine_datagram *);
	void		(*finish)(struct tine_datagram *);

	const struct tine_hooks	*hooks;

	/* What is longer is cut to it, as Python does: 8192, 1 MiB at most. */
	size_t		 max_packet_size;
};

/*
 * Makes a server for such a class: Python's UDPServer, or UnixDatagramServer,
 * without an address.  The caller owns it.  NULL with errno ENOMEM.
 */
#define tine_datagram_server(handler) \
	tine_datagram_server_sized((handler), \
	    sizeof(struct tine_datagram_handler), sizeof(struct tine_hooks))
struct tine_server *tine_datagram_server_sized(
	    const struct tine_datagram_handler *handler, size_t size,
	    size_t hooks_size);

/*
 * Closes what the server has open and frees it: Python's server_close().
 * Socket files that it made are removed.  NULL is allowed.  Keeps errno.
 */
void	tine_server_free(struct tine_server *server);

/*
 * Sets an option by its name on the command line, without the dashes, and
 * with the same units: tine_server_set(server, "keep-alive", "30s").
 * Returns 0, or -1 with errno EINVAL and a sentence in tine_error().
 */
int	tine_server_set(struct tine_server *server, const char *option,
	    const char *value);

/*
 * Binds and listens: "localhost:8080", ":8080" (every address), "[::1]:0",
 * "unix:/run/x.sock", "fd:3"; of datagrams "udp:localhost:5353" (or without
 * the prefix) and "unixgram:/run/x.sock".  May be called any number of times.
 * A stale Unix socket file is replaced, a live one is not.  Returns 0, or -1
 * with errno: EINVAL (no such form, or not what this server serves),
 * EADDRINUSE, EACCES, ENOENT (unknown host), or another one of bind(2).
 */
int	tine_server_bind(struct tine_server *server, const char *endpoint);

/*
 * The address that the n-th listener really has, in the form above, or NULL
 * when there are fewer.  Valid as long as the server.
 */
const char *tine_server_address(struct tine_server *server, size_t n);

/* The first listener's descriptor, or -1: Python's fileno(). */
int	tine_server_fileno(const struct tine_server *server);

/* A pointer of yours that goes with the server. */
void	tine_server_set_data(struct tine_server *server, void *data);
void	*tine_server_data(const struct tine_server *server);

/*
 * Serves in this process until tine_shutdown(): Python's serve_forever().
 * Handlers run as --mode says.  Returns 0, or -1 with errno.
 */
int	tine_serve_forever(struct tine_server *server);

/*
 * Serves one request, from accept to its reply sent, and closes: Python's
 * handle_request().  timeout is in milliseconds, -1 for none.  Returns 1, 0
 * after handle_timeout, or -1 with errno.  tine_shutdown() does not end it.
 */
int	tine_handle_request(struct tine_server *server, int timeout);

/*
 * Serves with a master and its workers until a signal ends it.  Returns the
 * exit status (sysexits(3)); tine_error() has the reason if it is not 0.
 */
int	tine_prefork(struct tine_server *server);

/*
 * Ends tine_serve_forever(): Python's shutdown(), but at once and from
 * anywhere, a handler or a signal handler too.  Does not wait.  While it does
 * not run, the next one is ended, which then returns at once.
 */
void	tine_shutdown(struct tine_server *server);

/*
 * The main() of a program: takes the options that every program has, binds,
 * says where it listens, serves, and returns the exit status.  The environment
 * and the arguments may be overwritten by setproctitle(3).
 */
#define tine_main(argc, argv, handler) \
	tine_main_sized((argc), (argv), (handler), \
	    sizeof(struct tine_http_handler), sizeof(struct tine_hooks))
int	tine_main_sized(int argc, char *argv[],
	    const struct tine_http_handler *handler, size_t size,
	    size_t hooks_size);

/* The same for programs that do not speak HTTP. */
#define tine_stream_main(argc, argv, handler) \
	tine_stream_main_sized((argc), (argv), (handler), \
	    sizeof(struct tine_stream_handler), sizeof(struct tine_hooks))
int	tine_stream_main_sized(int argc, char *argv[],
	    const struct tine_stream_handler *handler, size_t size,
	    size_t hooks_size);

#define tine_datagram_main(argc, argv, handler) \
	tine_datagram_main_sized((argc), (argv), (handler), \
	    sizeof(struct tine_datagram_handler), sizeof(struct tine_hooks))
int	tine_datagram_main_sized(int argc, char *argv[],
	    const struct tine_datagram_handler *handler, size_t size,
	    size_t hooks_size);

/*
 * The same for a server that the program made, so that it can set defaults
 * with tine_server_set() first; the command line wins.  Takes server.
 */
int	tine_main_server(int argc, char *argv[], struct tine_server *server);

/*
 * The main() of the command tine(1): options, and a handler module.  Returns
 * the exit status.
 */
int	tine_command(int argc, char *argv[]);

/*
 * A module (tine hello.so) exports its handler class under one of these names.
 */
extern const struct tine_http_handler tine_http;
extern const struct tine_stream_handler tine_stream;
extern const struct tine_datagram_handler tine_datagram;

/*
 * Which tine.h a module was built with, so that a handler class and its hooks
 * can grow and an older module is still read within its bounds.  Every module has it by
 * including this header.
 */
struct tine_abi {
	unsigned	version;
	size_t		http_handler_size;
	/* Since version 2. */
	size_t		stream_handler_size;
	size_t		datagram_handler_size;
	/* Since version 3. */
	size_t		hooks_size;
};
#ifndef TINE_BUILDING
/* Declared first, or C++ would keep it to the file. */
extern TINE_WEAK const struct tine_abi tine_abi;
const struct tine_abi tine_abi = {
	3, sizeof(struct tine_http_handler),
	sizeof(struct tine_stream_handler),
	sizeof(struct tine_datagram_handler), sizeof(struct tine_hooks)
};
#endif

#ifdef __cplusplus
}
#endif
#endif
