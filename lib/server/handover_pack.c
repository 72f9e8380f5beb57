/* SPDX-License-Identifier: ISC */
/*
 * A connection becomes a message to another worker.  A dying process does
 * this in its signal handler: all of it is async-signal-safe.
 */
#include <sys/mman.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>

#include "../base/descriptor.h"
#include "handover.h"
#include "handover_message.h"
#include "loop.h"

#define INLINE		HANDOVER_INLINE
#define PARTS		32	/* of memory, that make one piece or more */

static_assert(sizeof(struct peer) - offsetof(struct peer, host) <= 16 + 4,
    "a peer's address fits");

/* What a message is made from. */
struct parcel {
	struct message		 head;
	struct iovec		 parts[2 + PARTS];	/* of the blob */
	size_t			 part_count;
	size_t			 length;		/* of the blob */
	int			 fds[3 + MESSAGE_PIECES];
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
	if (head->pieces == MESSAGE_PIECES)
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
	head->magic = MESSAGE_MAGIC;
	head->version = MESSAGE_FORMAT;
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
