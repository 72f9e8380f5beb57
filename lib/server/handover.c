/* SPDX-License-Identifier: ISC */
/*
 * See handover.h.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "handover.h"
#include "loop.h"

#define MAGIC		UINT32_C(0x656e6974)
#define FORMAT		1
#define INLINE		HANDOVER_INLINE
#define MOST		((size_t)64 * 1024 * 1024)
#define PIECES		8
#define PARTS		32	/* of memory, that make one piece or more */
#define QUEUE		(4 * 1024 * 1024)	/* bytes */

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
	struct piece	piece[PIECES];
};

static_assert(sizeof(struct peer) - offsetof(struct peer, host) <= 16 + 4,
    "a peer's address fits");

int
handover_pair(int pair[2])
{
	const int size = QUEUE;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) == -1)
		return failure("no pair of sockets for hand-over: %s",
		    strerror(errno));
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof(size)) == -1)
		(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	return 0;
}

/* ----------------------------------------------------------------- sending */

/* What a message is made from. */
struct parcel {
	struct message		 head;
	struct iovec		 parts[2 + PARTS];	/* of the blob */
	size_t			 part_count;
	size_t			 length;		/* of the blob */
	int			 fds[3 + PIECES];
	size_t			 fd_count;
};

static enum moved
moved_of(const struct connection *conn)
{
	switch ((enum connection_state)conn->state) {
	case CONNECTION_PROXY:
		return MOVED_PROXY;
	case CONNECTION_IDLE:
		return MOVED_IDLE;
	case CONNECTION_HEAD:
		return MOVED_HEAD;
	case CONNECTION_BODY:
		return MOVED_BODY;
	case CONNECTION_PENDING:
		return MOVED_WHOLE;
	case CONNECTION_DRAINING:
		return MOVED_DRAINING;
	case CONNECTION_LINGERING:
		return MOVED_LINGERING;
	case CONNECTION_FREE:
	case CONNECTION_HANDLING:
	case CONNECTION_ENDING:
	case CONNECTION_STATES:
		break;
	}
	return 0;
}

static void
add_part(struct parcel *parcel, const void *data, size_t length)
{
	if (length == 0)
		return;
	parcel->parts[parcel->part_count++] = (struct iovec){
		(void *)(uintptr_t)data, length
	};
	parcel->length += length;
}

/* Memory that follows on memory makes one piece with it. */
static struct piece *
piece_for(struct message *head, const struct segment *segment)
{
	const bool is_file = segment->data == NULL;

	if (head->pieces > 0 && !is_file &&
	    head->piece[head->pieces - 1].is_file == 0)
		return &head->piece[head->pieces - 1];
	if (head->pieces == PIECES)
		return NULL;
	head->piece[head->pieces] = (struct piece){ .is_file = is_file };
	return &head->piece[head->pieces++];
}

static int
add_output(struct parcel *parcel, const struct output *output)
{
	struct message *head = &parcel->head;
	const struct segment *segment;

	STAILQ_FOREACH(segment, &output->segments, entry) {
		struct piece *piece = piece_for(head, segment);
		const size_t length = segment->end - segment->start;

		if (piece == NULL || parcel->part_count == 2 + PARTS) {
			errno = EINVAL;
			return -1;
		}
		if (segment->data != NULL) {
			piece->length += length;
			add_part(parcel, segment->data + segment->start,
			    length);
			head->output_length += length;
		} else {
			piece->offset = (uint64_t)segment->offset;
			piece->length = (uint64_t)(segment->limit -
			    segment->offset);
			parcel->fds[parcel->fd_count++] = segment->fd;
		}
	}
	return 0;
}

static int
add_exchange(struct loop *loop, struct parcel *parcel,
    const struct connection *conn)
{
	struct exchange *exchange = conn->exchange;
	const struct input *input = &exchange->input;
	struct message *head = &parcel->head;
	const bool is_request = head->state == MOVED_BODY ||
	    head->state == MOVED_WHOLE;
	size_t length = 0, used = 0;

	/* Whose reply is being sent has been a request: it is no other. */
	if (head->state == MOVED_DRAINING)
		used = loop->protocol->used(exchange);
	if (is_request && loop->protocol->pack(exchange, loop->handover.state,
	    sizeof(loop->handover.state), &length) == -1)
		return -1;
	head->state_length = length;
	head->input_length = input->end - input->start - used;
	head->flags |= (exchange->is_close ? FLAG_CLOSE : 0) |
	    (exchange->ends_by_close ? FLAG_BY_CLOSE : 0) |
	    (exchange->is_unread ? FLAG_UNREAD : 0) |
	    (exchange->is_cut ? FLAG_CUT : 0);
	add_part(parcel, loop->handover.state, length);
	add_part(parcel, input->data + input->start + used,
	    head->input_length);
	if (is_request && exchange->body.fd != -1) {
		head->flags |= FLAG_BODY;
		head->body_length = (uint64_t)exchange->body.length;
		parcel->fds[parcel->fd_count++] = exchange->body.fd;
	}
	if (head->state == MOVED_DRAINING)
		return add_output(parcel, &exchange->output);
	/* An interim reply must have gone before. */
	return output_is_empty(&exchange->output) ? 0 : (errno = EINVAL, -1);
}

static int
pack(struct loop *loop, struct parcel *parcel, const struct connection *conn)
{
	struct message *head = &parcel->head;

	memset(parcel, 0, sizeof(*parcel));
	head->magic = MAGIC;
	head->version = FORMAT;
	head->size = sizeof(*head);
	head->state = moved_of(conn);
	head->flags = (conn->is_eof ? FLAG_EOF : 0) |
	    (conn->is_armed ? FLAG_ARMED : 0);
	head->hops = conn->hops + 1U;
	head->listener = conn->listener;
	head->requests = conn->requests;
	head->begun = conn->begun;
	head->since = conn->since;
	head->bytes = conn->bytes;
	head->family = conn->peer.family;
	head->port = conn->peer.port;
	memcpy(head->host, &conn->peer.host, sizeof(conn->peer.host));
	parcel->fds[0] = conn->fd;
	parcel->fds[1] = -1;
	parcel->fd_count = 2;		/* the second is the blob's */
	if (head->state == 0) {
		errno = EINVAL;
		return -1;
	}
	return conn->exchange == NULL ? 0 : add_exchange(loop, parcel, conn);
}

/* A memfd with the blob, or -1. */
static int
make_blob(const struct parcel *parcel)
{
	const int fd = memfd_create("tine",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t at = 0;

	for (size_t i = 0; fd != -1 && i < parcel->part_count; i++) {
		const struct iovec *part = &parcel->parts[i];

		if (descriptor_write(fd, part->iov_base, part->iov_len, at) ==
		    -1) {
			descriptor_close(fd);
			return -1;
		}
		at += (off_t)part->iov_len;
	}
	return fd;
}

static int
post(const struct loop *loop, struct parcel *parcel)
{
	struct iovec vector[3 + PARTS];
	size_t count = 1;
	int blob = -1, result;

	if (parcel->length > INLINE) {
		blob = make_blob(parcel);
		if (blob == -1)
			return -1;
		parcel->head.flags |= FLAG_BLOB;
		parcel->fds[1] = blob;
	} else {
		/* No descriptor for it: the others move up. */
		memmove(&parcel->fds[1], &parcel->fds[2],
		    (parcel->fd_count - 2) * sizeof(int));
		parcel->fd_count--;
		memcpy(&vector[1], parcel->parts,
		    parcel->part_count * sizeof(struct iovec));
		count += parcel->part_count;
	}
	vector[0] = (struct iovec){ &parcel->head, sizeof(parcel->head) };
	result = descriptor_pass_vector(loop->handover.out, vector, count,
	    parcel->fds, parcel->fd_count);
	descriptor_close(blob);
	return result;
}

int
handover_rescue(struct loop *loop, const struct connection *conn)
{
	struct parcel parcel;

	if (loop->handover.out == -1) {
		errno = ENOTCONN;
		return -1;
	}
	if (pack(loop, &parcel, conn) == -1)
		return -1;
	return post(loop, &parcel);
}

bool
handover_send(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;

	if (handover_rescue(loop, conn) == -1)
		return false;
	if (exchange != NULL && conn->state == CONNECTION_DRAINING) {
		/* The log's line is ours: the other knows no request. */
		loop->protocol->done(exchange, OUTCOME_SENT);
		exchange->is_done = true;
	}
	/* The socket lives on elsewhere, so closing it would not do. */
	if (conn->is_polled)
		poller_remove(loop->poller, conn->fd);
	conn->is_polled = false;
	loop_forget(loop, conn);
	return true;
}

bool
handover_is_wanted(const struct loop *loop)
{
	const struct scoreboard *board = loop->board;

	if (loop->handover.out == -1)
		return false;
	for (unsigned i = 0; i < board->workers; i++) {
		if (i != loop->index && atomic_load_explicit(
		    &board->lines[i].state, memory_order_relaxed) ==
		    WORKER_IDLE)
			return true;
	}
	return false;
}

void
handover_all(struct loop *loop)
{
	static const enum connection_state movable[] = {
		CONNECTION_PENDING, CONNECTION_PROXY, CONNECTION_IDLE,
		CONNECTION_HEAD,
		CONNECTION_BODY, CONNECTION_DRAINING, CONNECTION_LINGERING
	};

	for (size_t i = 0; i < sizeof(movable) / sizeof(movable[0]); i++) {
		struct connection_list *list = &loop->lists[movable[i]];
		struct connection *conn, *next;

		for (conn = TAILQ_FIRST(list); conn != NULL; conn = next) {
			unsigned before = 0;

			next = TAILQ_NEXT(conn, entry);
			if (movable[i] == CONNECTION_PENDING)
				loop_unpend(loop);
			else
				before = atomic_fetch_or(&conn->ready,
				    CONNECTION_OWNED);
			if ((before & CONNECTION_OWNED) != 0)
				continue;
			if (handover_send(loop, conn))
				continue;
			/* Later, then: the queue is full. */
			if (movable[i] == CONNECTION_PENDING) {
				loop_pend_first(loop, conn);
				break;
			}
			drive(loop, conn);
			if (!thread_self->leads || errno == EAGAIN)
				return;
		}
	}
}

/* --------------------------------------------------------------- receiving */

/* What came, while it is looked at. */
struct arrival {
	struct message	 head;
	const char	*blob;
	size_t		 length;
	void		*mapped;
	int		 fds[3 + PIECES];
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
	    head->pieces > PIECES || head->state_length > MOST ||
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
	if (head->magic != MAGIC || head->version != FORMAT ||
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

/* False: it could not be taken up, and is closed. */
static bool
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
		return false;
	arrival->fds[0] = -1;
	fill(loop, conn, head);
	atomic_store_explicit(&loop->line->connections,
	    (int)loop->table.count, memory_order_relaxed);
	if (has_exchange && restore_exchange(loop, conn, arrival) == -1) {
		conn->is_reset = true;
		if (conn->exchange != NULL)
			conn->exchange->is_done = true;
		drive_end(loop, conn);
		return false;
	}
	conn->state = (uint8_t)state_of((enum moved)head->state);
	conn->is_admitted = conn->state != CONNECTION_PROXY;
	drive(loop, conn);
	return true;
}

static bool
is_taking(const struct loop *loop)
{
	const struct thread *self = thread_self;

	if (loop->end_seen == LOOP_MOVES || loop->end_seen >= LOOP_SHUTS ||
	    loop->table.count >= loop->table.size)
		return false;
	if (loop->settings->mode == MODE_SINGLE)
		return self->is_main;	/* no handler runs */
	return loop->settings->mode == MODE_FORK || atomic_load_explicit(
	    &loop->line->busy, memory_order_relaxed) <
	    (int)loop->settings->max_threads;
}

/* False when there was none, or it is for others. */
static bool
take(struct loop *loop)
{
	/* A process that takes connections has one loop, and one leader. */
	static char packet[HANDOVER_INLINE + 4096];
	const struct handover *handover = &loop->handover;
	struct arrival arrival = { .fd_count = 3 + PIECES };
	ssize_t n;

	if (handover->source.fd == -1 || !is_taking(loop))
		return false;
	n = descriptor_receive_now(handover->source.fd, packet,
	    sizeof(packet), arrival.fds, &arrival.fd_count);
	if (n == -1)
		return false;		/* another worker was quicker */
	if (arrival.fd_count > 0 &&
	    open_arrival(&arrival, packet, (size_t)n))
		(void)settle_in(loop, &arrival);
	close_arrival(&arrival);
	return true;
}

static void
arrived(struct loop *loop, struct source *source, unsigned events)
{
	(void)source;
	(void)events;
	(void)take(loop);
}

bool
handover_take_last(struct loop *loop)
{
	return loop->end_seen == LOOP_DRAINS && thread_self->leads &&
	    take(loop);
}

void
handover_balance(struct loop *loop)
{
	struct handover *handover = &loop->handover;
	const bool on = handover->source.fd != -1 && is_taking(loop);

	if (on == handover->is_watched)
		return;
	handover->is_watched = on;
	/*
	 * All are woken: if only one were, and could not take it after all,
	 * the message would lie there.
	 */
	if (on)
		(void)loop_watch(loop, &handover->source);
	else
		loop_unwatch(loop, &handover->source);
}

void
handover_open(struct loop *loop, const int pair[2])
{
	loop->handover.out = pair[0];
	loop->handover.source.fd = pair[1];
	loop->handover.source.ready = arrived;
}
