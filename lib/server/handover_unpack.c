/* SPDX-License-Identifier: ISC */
/*
 * A message of another worker becomes a connection.  It is read as if anybody
 * had sent it: lengths are checked, and what a client sent is parsed anew.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>

#include "../base/descriptor.h"
#include "handover_message.h"
#include "loop.h"

#define MOST		((size_t)64 * 1024 * 1024)

/* What came, while it is looked at. */
struct arrival {
	struct message	 head;
	const char	*blob;
	size_t		 length;
	void		*mapped;
	int		 fds[3 + MESSAGE_PIECES];
	size_t		 fd_count, fd_next;
};

static int
next_fd(struct arrival *arrival)
{
	int fd;

	if (arrival->fd_next >= arrival->fd_count)
		return -1;
	fd = arrival->fds[arrival->fd_next];
	arrival->fds[arrival->fd_next++] = -1;	/* the caller's from now on */
	return fd;
}

/* Whether the lengths agree with each other, and with what came. */
static bool
is_sound(const struct message *head, size_t length)
{
	uint64_t output = 0;

	if (head->state < MOVED_IDLE || head->state > MOVED_PROXY ||
	    head->pieces > MESSAGE_PIECES || head->state_length > MOST ||
	    head->input_length > MOST || head->output_length > MOST ||
	    head->body_length > INT64_MAX)
		return false;
	for (uint32_t i = 0; i < head->pieces; i++) {
		const struct piece *piece = &head->piece[i];

		if (piece->offset > INT64_MAX / 2 ||
		    piece->length > INT64_MAX / 2)
			return false;
		if (piece->is_file == 0)
			output += piece->length;
		if (output > MOST)
			return false;
	}
	return output == head->output_length && length ==
	    head->state_length + head->input_length + head->output_length;
}

static bool
is_sealed(int fd)
{
	const int seals = fcntl(fd, F_GET_SEALS);

	return seals != -1 && (seals & F_SEAL_SHRINK) != 0;
}

/* The blob of a memfd. */
static bool
map_blob(struct arrival *arrival, int fd)
{
	struct stat there;

	/* It must not shrink under our eyes: no other file will do. */
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	if (!is_sealed(fd) || fstat(fd, &there) == -1 || there.st_size <= 0 ||
	    (uint64_t)there.st_size > 3 * MOST)
		return false;
	arrival->length = (size_t)there.st_size;
	arrival->mapped = mmap(NULL, arrival->length, PROT_READ, MAP_PRIVATE,
	    fd, 0);
	if (arrival->mapped == MAP_FAILED) {
		arrival->mapped = NULL;
		return false;
	}
	arrival->blob = arrival->mapped;
	return true;
}

static bool
open_arrival(struct arrival *arrival, const char *packet, size_t n)
{
	struct message *head = &arrival->head;
	int fd;
	bool is_good;

	if (n < sizeof(*head))
		return false;
	memcpy(head, packet, sizeof(*head));
	if (head->magic != MESSAGE_MAGIC || head->version != MESSAGE_FORMAT ||
	    head->size < sizeof(*head) || head->size > n)
		return false;
	arrival->blob = packet + head->size;
	arrival->length = n - head->size;
	arrival->fd_next = 1;		/* the first is the connection */
	if ((head->flags & FLAG_BLOB) != 0) {
		fd = next_fd(arrival);
		is_good = fd != -1 && map_blob(arrival, fd);
		descriptor_close(fd);
		if (!is_good)
			return false;
	}
	return is_sound(head, arrival->length);
}

static void
close_arrival(struct arrival *arrival)
{
	for (size_t i = 0; i < arrival->fd_count; i++)
		descriptor_close(arrival->fds[i]);
	if (arrival->mapped != NULL)
		(void)munmap(arrival->mapped, arrival->length);
}

static int
restore_output(struct output *output, struct arrival *arrival,
    const char *bytes)
{
	const struct message *head = &arrival->head;

	for (uint32_t i = 0; i < head->pieces; i++) {
		const struct piece *piece = &head->piece[i];
		int fd;

		if (piece->is_file == 0) {
			if (output_append(output, bytes,
			    (size_t)piece->length) == -1)
				return -1;
			bytes += piece->length;
			continue;
		}
		fd = next_fd(arrival);
		if (fd == -1 || output_append_file(output, fd,
		    (off_t)piece->offset, (off_t)piece->length, true) == -1)
			return -1;
	}
	return 0;
}

/*
 * What was within the other's bounds need not be within ours; the next reply
 * on the connection has ours again.
 */
static int
restore_all_output(struct output *output, struct arrival *arrival,
    const char *bytes)
{
	const size_t limit = output->memory_limit;
	int result;

	output->memory_limit = SIZE_MAX / 2;
	result = restore_output(output, arrival, bytes);
	output->memory_limit = limit;
	return result;
}

/* A body's spool is as long as the message says, and counted as ours. */
static int
restore_body(struct loop *loop, struct exchange *exchange,
    struct arrival *arrival)
{
	struct stat there;
	const int fd = next_fd(arrival);

	if (fd == -1 || fstat(fd, &there) == -1 ||
	    (uint64_t)there.st_size < arrival->head.body_length) {
		descriptor_close(fd);
		return -1;
	}
	exchange->body.fd = fd;
	exchange->body.length = (off_t)arrival->head.body_length;
	atomic_fetch_add(loop->space.used, exchange->body.length);
	return 0;
}

static int
restore_exchange(struct loop *loop, struct connection *conn,
    struct arrival *arrival)
{
	const struct message *head = &arrival->head;
	struct exchange *exchange = loop_exchange(loop, conn);
	const char *input = arrival->blob + head->state_length;

	if (exchange == NULL ||
	    input_reserve(&exchange->input, head->input_length + 1) == -1)
		return -1;
	memcpy(exchange->input.data, input, head->input_length);
	exchange->input.end = head->input_length;
	exchange->is_close = (head->flags & FLAG_CLOSE) != 0;
	exchange->ends_by_close = (head->flags & FLAG_BY_CLOSE) != 0;
	exchange->is_unread = (head->flags & FLAG_UNREAD) != 0;
	exchange->is_cut = (head->flags & FLAG_CUT) != 0;
	if ((head->flags & FLAG_BODY) != 0 &&
	    restore_body(loop, exchange, arrival) == -1)
		return -1;
	if (head->state == MOVED_DRAINING)
		return restore_all_output(&exchange->output, arrival,
		    input + head->input_length);
	if (head->state == MOVED_BODY || head->state == MOVED_WHOLE)
		return loop->protocol->unpack(exchange, arrival->blob,
		    head->state_length);
	return 0;
}

static enum connection_state
state_of(enum moved moved)
{
	switch (moved) {
	case MOVED_HEAD:
		return CONNECTION_HEAD;
	case MOVED_BODY:
		return CONNECTION_BODY;
	case MOVED_DRAINING:
		return CONNECTION_DRAINING;
	case MOVED_LINGERING:
		return CONNECTION_LINGERING;
	case MOVED_PROXY:
		return CONNECTION_PROXY;
	case MOVED_IDLE:
	case MOVED_WHOLE:
		break;
	}
	return CONNECTION_IDLE;		/* with input, that is framed first */
}

static void
fill(struct loop *loop, struct connection *conn, const struct message *head)
{
	conn->hops = (uint8_t)(head->hops < UINT8_MAX ? head->hops
	    : UINT8_MAX);
	conn->listener = head->listener < loop->listener_count
	    ? (uint16_t)head->listener : 0;
	conn->requests = head->requests;
	conn->begun = head->begun;
	conn->since = head->since;
	conn->bytes = head->bytes;
	conn->is_eof = (head->flags & FLAG_EOF) != 0;
	conn->is_armed = (head->flags & FLAG_ARMED) != 0;
	conn->peer.family = (sa_family_t)head->family;
	conn->peer.port = (in_port_t)head->port;
	memcpy(&conn->peer.host, head->host, sizeof(conn->peer.host));
}

/* What cannot be taken up is closed. */
static void
settle_in(struct loop *loop, struct arrival *arrival)
{
	const struct message *head = &arrival->head;
	const bool has_exchange = head->state_length + head->input_length +
	    head->output_length + head->pieces > 0 ||
	    (head->state != MOVED_IDLE && head->state != MOVED_LINGERING &&
	    head->state != MOVED_PROXY);
	struct connection *conn;

	conn = connection_new(&loop->table, arrival->fds[0]);
	if (conn == NULL)
		return;
	arrival->fds[0] = -1;
	fill(loop, conn, head);
	atomic_store_explicit(&loop->line->connections,
	    (int)loop->table.count, memory_order_relaxed);
	if (has_exchange && restore_exchange(loop, conn, arrival) == -1) {
		conn->is_reset = true;
		if (conn->exchange != NULL)
			conn->exchange->is_done = true;
		drive_end(loop, conn);
		return;
	}
	conn->state = (uint8_t)state_of((enum moved)head->state);
	conn->is_admitted = conn->state != CONNECTION_PROXY;
	drive(loop, conn);
}

bool
handover_unpack(struct loop *loop)
{
	/* A process that takes connections has one loop, and one leader. */
	static char packet[HANDOVER_INLINE + 4096];
	struct arrival arrival = { .fd_count = 3 + MESSAGE_PIECES };
	ssize_t n;

	n = descriptor_receive_now(loop->handover.source.fd, packet,
	    sizeof(packet), arrival.fds, &arrival.fd_count);
	if (n == -1)
		return false;		/* another worker was quicker */
	if (arrival.fd_count > 0 &&
	    open_arrival(&arrival, packet, (size_t)n))
		settle_in(loop, &arrival);
	close_arrival(&arrival);
	return true;
}
