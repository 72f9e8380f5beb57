/* SPDX-License-Identifier: ISC */
/*
 * Mode fork: what a child answers.  The worker keeps the reply, or sends it
 * to the client, while the child does the next thing.  See children.h.
 */
#include <sys/uio.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../base/descriptor.h"
#include "children.h"
#include "server.h"

/*
 * The child has done its request; another may follow.  After drive_handled()
 * the loop may be another thread's.
 */
static void
end_request(struct loop *loop, struct child *child, struct connection *conn)
{
	children.deaths = 0;
	child_end(loop, child);
	atomic_fetch_add(&loop->line->requests, 1);
	if (child->requests < loop->settings->child_requests) {
		child->progress = loop_now(loop);
		child_add_spare(child);
	} else {
		child_done(loop, child);
	}
	drive_handled(loop, conn);
}

void
child_failed(struct loop *loop, struct child *child)
{
	struct connection *conn = child->conn;

	child->is_failed = true;
	child_end(loop, child);
	child_let_go(loop, child);
	loop->protocol->failed(conn->exchange, child->is_late ? 504 : 500);
	drive_handled(loop, conn);
}

/* The reply's bytes could not be kept; the child need not go on. */
static void
reply_lost(struct loop *loop, struct child *child)
{
	server_log(loop->server, TINE_LOG_ERROR,
	    "cannot keep the reply to client %s, request \"%s\": %s",
	    child->client, child->request, strerror(errno));
	child_kill(child);
	child_failed(loop, child);
}

/* It died as a spare, before it read the request: another one has it. */
static void
give_again(struct loop *loop, struct child *child)
{
	struct connection *conn = child->conn;

	child_end(loop, child);
	child_add_spare(child);
	child_died_idle(loop, child);
	conn->state = CONNECTION_PENDING;
	loop_pend_first(loop, conn);
}

/* Whether the next record can be kept, or has to wait for the client. */
static bool
has_room(const struct child *child)
{
	const struct output *output = &child->conn->exchange->output;

	return output_spooled(output) + (off_t)RECORD_DATA <=
	    output->spool_limit || output_is_empty(output);
}

/* The client is gone, or takes nothing: the handler's next write says it. */
static void
drop_reply(struct loop *loop, struct child *child, int error)
{
	struct exchange *exchange = child->conn->exchange;

	child->is_dropped = true;
	output_drop(&exchange->output);
	exchange->is_cut = exchange->is_broken = true;
	if (child->slot != SLOT_NONE)
		atomic_store(&scoreboard_handler(loop->board, loop->index,
		    child->slot)->trouble, error);
	child_hold(loop, child, false, false);
}

static void
send_held(struct loop *loop, struct child *child)
{
	struct connection *conn = child->conn;
	struct output *output = &conn->exchange->output;
	const uint64_t before = output->sent;
	const enum sent sent = output_send(output, conn->fd);

	/* It waits for its client, which is no fault of the handler's. */
	child->progress = loop_now(loop);
	if (output->sent != before)
		conn->since = loop_now(loop);
	if (sent == SENT_ALL) {
		if (output->spool.length > 0)
			spool_end(&output->spool);
		child_hold(loop, child, false, false);
	} else if (sent == SENT_FAILED) {
		drop_reply(loop, child, errno == ENODATA ? ENODATA : EPIPE);
	} else if (output->sent != before) {
		connection_note_untaken(conn);
	} else if (loop->settings->send_timeout != 0 &&
	    loop_now(loop) - conn->since >= loop->settings->send_timeout) {
		if (connection_has_taken(conn))
			conn->since = loop_now(loop);
		else
			drop_reply(loop, child, ETIMEDOUT);
	}
}

void
children_send_held(struct loop *loop)
{
	struct child *child;

	TAILQ_FOREACH(child, &children.busy, entry) {
		if (child->is_held || child->is_flushing)
			send_held(loop, child);
	}
}

/* A datagram goes out as one piece, when all of it is there. */
static bool
is_datagram(const struct loop *loop)
{
	return loop->protocol->send != NULL;
}

static int
keep(const struct loop *loop, struct output *output, const char *data,
    size_t length)
{
	int kept;

	if (!is_datagram(loop))
		return output_append(output, data, length);
	kept = output_keep(output, data, length);
	if (kept == 0)
		errno = ENOMEM;		/* --memory is taken */
	return kept == 1 ? 0 : -1;
}

/* Whether it is time to send although the reply may yet fail. */
static void
send_some(struct loop *loop, struct child *child, bool is_flush)
{
	struct connection *conn = child->conn;
	struct output *output = &conn->exchange->output;

	if (is_datagram(loop))
		return;
	if (is_flush || output->spool.length > 0 || output->sent > 0 ||
	    output->memory > loop->settings->reply_memory / 2) {
		drive_arm(conn);	/* how it ends is not known here */
		if (!child->is_flushing)
			conn->since = loop_now(loop);
		child_hold(loop, child, false, is_flush ||
		    child->is_flushing);
		send_held(loop, child);
	}
}

static void
take_line(struct loop *loop, const struct child_record *record,
    const char *data)
{
	journal_line(record->which == 1 ? loop->errors : loop->requests,
	    loop_now(loop), data, record->length);
}

/* False if the child is gone by what was done. */
static bool
take_record(struct loop *loop, struct child *child,
    const struct child_record *record, const char *data, int *fd)
{
	struct connection *conn = child->conn;
	struct output *output = &conn->exchange->output;

	child->progress = loop_now(loop);
	switch ((enum record)record->record) {
	case RECORD_BYTES:
	case RECORD_FLUSH:
		if (child->is_dropped)
			return true;
		if (keep(loop, output, data, record->length) == -1)
			break;
		send_some(loop, child, record->record == RECORD_FLUSH);
		return true;
	case RECORD_FILE:
		if (child->is_dropped)
			return true;
		if (*fd == -1 || record->offset < 0 || record->size < 0)
			break;
		if (output_append_file(output, *fd, record->offset,
		    record->size, true) == -1)
			break;
		*fd = -1;
		return true;
	case RECORD_LOG:
		take_line(loop, record, data);
		return true;
	case RECORD_END:
		if (record->state_length > sizeof(record->state) ||
		    (!child->is_dropped &&
		    keep(loop, output, data, record->length) == -1))
			break;
		loop->protocol->restore_outcome(conn->exchange, record->state,
		    record->state_length);
		if (child->is_dropped)
			conn->exchange->is_cut = conn->exchange->is_broken =
			    true;
		end_request(loop, child, conn);
		/* Without a master what tine_shutdown() means is this loop. */
		if (record->which == 1 && loop->settings->workers == 0)
			tine_shutdown(loop->server);
		return false;
	}
	reply_lost(loop, child);
	return false;
}

/*
 * One packet; 1, 0 if there is none, -1 at the end or if it is broken: with
 * errno ECONNRESET if the child has not read all that was sent to it.
 */
static int
receive_record(const struct child *child, struct child_record *record,
    char *data, int *fd)
{
	struct iovec packet[2] = {
		{ record, sizeof(*record) }, { data, RECORD_DATA }
	};
	size_t count = 1;
	const ssize_t n = descriptor_receive_vector_now(child->source.fd,
	    packet, 2, fd, &count);

	if (count == 0)
		*fd = -1;
	if (n == -1)
		return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS
		    ? 0 : -1;
	errno = EPROTO;			/* if it is no record */
	if (n < (ssize_t)sizeof(*record))
		return -1;
	return (size_t)n == sizeof(*record) + record->length ? 1 : -1;
}

/* It has ended; errno is of receive_record(). */
static void
lose(struct loop *loop, struct child *child)
{
	if (child->state == CHILD_DONE)
		child_let_go_done(loop, child);
	else if (child->state == CHILD_SPARE)
		child_died_idle(loop, child);
	else if (errno == ECONNRESET)
		give_again(loop, child);
	else
		child_failed(loop, child);
}

void
child_ready(struct loop *loop, struct source *source, unsigned events)
{
	static char data[RECORD_DATA];
	struct child *child = (struct child *)source;
	struct child_record record;
	bool there = true;

	(void)events;
	for (int i = 0; there && i < 16; i++) {
		int fd = -1, got;

		if (child->state == CHILD_BUSY && !child->is_dropped &&
		    !has_room(child)) {
			child->conn->since = loop_now(loop);
			child_hold(loop, child, true, child->is_flushing);
			break;
		}
		got = receive_record(child, &record, data, &fd);
		if (got == 0)
			break;
		if (got == -1)
			lose(loop, child);
		else if (child->state == CHILD_BUSY)
			there = take_record(loop, child, &record, data, &fd);
		else if (record.record == RECORD_LOG)
			take_line(loop, &record, data);	/* of post_fork */
		there = there && got != -1;
		descriptor_close(fd);
	}
	if (!there && thread_self->leads)
		children_resume(loop);
}
