/* SPDX-License-Identifier: ISC */
/*
 * Mode fork: a whole request goes to a child that waits for one, or waits for
 * a child itself.  See children.h.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>

#include <bsd/string.h>

#include "../base/descriptor.h"
#include "children.h"
#include "server.h"

static int
send_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		const size_t n = length < RECORD_DATA ? length : RECORD_DATA;

		if (send(fd, data, n, MSG_NOSIGNAL) != (ssize_t)n) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		data += n;
		length -= n;
	}
	return 0;
}

static int
send_request(struct loop *loop, const struct child *child,
    struct connection *conn)
{
	unsigned char state[RECORD_STATE];
	struct exchange *exchange = conn->exchange;
	char *input = exchange->input.data + exchange->input.start;
	const int fd = loop->protocol->is_conversation ? conn->fd
	    : exchange->body.fd;
	struct child_request request = { .peer = conn->peer };
	struct iovec packet[3];
	size_t length, first;

	request.state_length = (uint32_t)loop->protocol->save(exchange, state,
	    sizeof(state), &length);
	first = length < RECORD_DATA ? length : RECORD_DATA;
	request.input_length = (uint32_t)length;
	request.first_length = (uint32_t)first;
	request.slot = child->slot;
	request.ordinal = atomic_fetch_add(&loop->ordinals, 1) + 1;
	request.is_last = loop_is_ending(loop) || loop_is_single_shot(loop);
	request.is_calm = TAILQ_EMPTY(&loop->lists[CONNECTION_PENDING]);
	request.now = loop_now(loop);
	packet[0] = (struct iovec){ &request, sizeof(request) };
	packet[1] = (struct iovec){ state, request.state_length };
	packet[2] = (struct iovec){ input, first };
	if (descriptor_pass_vector(child->source.fd, packet, 3, &fd,
	    fd != -1 ? 1 : 0) == -1)
		return -1;
	return send_all(child->source.fd, input + first, length - first);
}

void
child_begin(struct loop *loop, struct child *child, struct connection *conn)
{
	const char *text;
	size_t length;

	child->conn = conn;
	child->state = CHILD_BUSY;
	child->progress = loop_now(loop);
	child->requests++;
	child->slot = crew_slot(loop);
	peer_format(&conn->peer, child->client, sizeof(child->client));
	text = loop->protocol->describe(conn->exchange, &length);
	(void)strlcpy(child->request, text, sizeof(child->request));
	if (child->slot != SLOT_NONE) {
		struct handler_line *line = scoreboard_handler(loop->board,
		    loop->index, child->slot);

		atomic_store(&line->trouble, 0);
		handler_line_begin(line, loop_now(loop), &conn->peer, text,
		    length);
	}
	atomic_fetch_add(&loop->line->busy, 1);
	child_remove_spare(child);
	TAILQ_INSERT_TAIL(&children.busy, child, entry);
}

void
child_hold(struct loop *loop, struct child *child, bool is_held,
    bool is_flushing)
{
	loop->held -= child->is_held || child->is_flushing;
	if (is_held && !child->is_held)
		loop_unwatch(loop, &child->source);
	else if (!is_held && child->is_held)
		(void)loop_watch(loop, &child->source);
	child->is_held = is_held;
	child->is_flushing = is_flushing;
	loop->held += is_held || is_flushing;
}

void
child_end(struct loop *loop, struct child *child)
{
	child->conn = NULL;
	child_hold(loop, child, false, false);
	child->is_dropped = false;
	crew_slot_end(loop, child->slot);
	atomic_fetch_sub(&loop->line->busy, 1);
	TAILQ_REMOVE(&children.busy, child, entry);
}

/*
 * The oldest has everything ready when the request comes, whatever post_fork
 * does.  Where requests have had to wait a moment more is no loss, and the
 * youngest is the one whose memory the caches still have.
 */
static struct child *
next_spare(const struct loop *loop)
{
	if (children.target > loop->settings->spare_children &&
	    loop->server->hooks.post_fork == NULL)
		return TAILQ_LAST(&children.spares, child_list);
	return TAILQ_FIRST(&children.spares);
}

static bool
give(struct loop *loop, struct connection *conn)
{
	struct child *child;

	while ((child = next_spare(loop)) != NULL) {
		child_begin(loop, child, conn);
		if (send_request(loop, child, conn) == 0) {
			/* What it hears of its client is no news here. */
			if (loop->protocol->is_conversation)
				loop_unpoll(loop, conn);
			return true;
		}
		/* It died as a spare: another one is tried. */
		child_end(loop, child);
		child_add_spare(child);
		child_died_idle(loop, child);
	}
	return false;
}

bool
children_start(struct loop *loop, struct connection *conn)
{
	if (!thread_self->leads) {
		loop_pend(loop, conn);
		return false;
	}
	/* Those that came before have their turn before. */
	if (TAILQ_EMPTY(&loop->lists[CONNECTION_PENDING]) &&
	    give(loop, conn)) {
		/* Forking now would hold up this child: rather when it ends. */
		if (TAILQ_EMPTY(&children.spares))
			children_refill(loop);
		return false;
	}
	loop_pend(loop, conn);
	children_want_more(loop);
	return false;
}

void
children_resume(struct loop *loop)
{
	struct connection *conn;

	while (!TAILQ_EMPTY(&children.spares) &&
	    (conn = loop_unpend(loop)) != NULL) {
		conn->state = CONNECTION_HANDLING;
		if (!give(loop, conn)) {
			loop_pend(loop, conn);
			break;
		}
	}
	if (atomic_load(&loop->pending) > 0)
		children_want_more(loop);
	else if (TAILQ_EMPTY(&children.done) || TAILQ_EMPTY(&children.spares))
		children_refill(loop);
}
