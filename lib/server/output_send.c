/* SPDX-License-Identifier: ISC */
/*
 * What waits to be sent goes to a socket: by send(2) where one piece of memory
 * is all there is, which is the common case and the cheapest, by sendmsg(2)
 * for several, and by sendfile(2) for files.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>

#include "../base/bare.h"
#include "../base/cold.h"
#include "output.h"

#define VECTOR	8

/* A handler may have its socket wait: see tine_stream_fileno(). */
#define SEND	(MSG_NOSIGNAL | MSG_DONTWAIT)

/*
 * Bytes of memory in one call: what is copied, and then read by a client on
 * this machine, stays in the processor's cache (100 KiB: 24 us, not 33).
 */
#define AT_ONCE	((size_t)64 * 1024)

/* Removes n bytes of memory that were sent from the front. */
static APART void
consume(struct output *output, size_t n)
{
	output->sent += n;
	for (;;) {
		struct segment *segment = STAILQ_FIRST(&output->segments);
		size_t there;

		if (segment == NULL || segment->data == NULL)
			return;
		there = segment->end - segment->start;
		if (n < there) {
			segment->start += n;
			if (segment->release == NULL)
				output->memory -= n;
			return;
		}
		n -= there;
		STAILQ_REMOVE_HEAD(&output->segments, entry);
		output_end_segment(output, segment);
	}
}

/* The pieces of memory at the front, as far as one call takes them. */
static size_t
gather_memory(const struct output *output, struct iovec vector[VECTOR],
    int *flags)
{
	const struct segment *segment = STAILQ_FIRST(&output->segments);
	size_t count = 0, room = AT_ONCE;

	while (segment != NULL && segment->data != NULL && count < VECTOR &&
	    room > 0) {
		size_t length = segment->end - segment->start;

		if (length > room)
			length = room;
		vector[count].iov_base = segment->data + segment->start;
		vector[count].iov_len = length;
		count++;
		room -= length;
		segment = STAILQ_NEXT(segment, entry);
	}
	*flags = SEND | (segment != NULL && room > 0 ? MSG_MORE : 0);
	return count;
}

static APART ssize_t
send_several(const struct output *output, int socket)
{
	struct iovec vector[VECTOR];
	struct msghdr message = { .msg_iov = vector };
	int flags;

	message.msg_iovlen = gather_memory(output, vector, &flags);
	return sendmsg(socket, &message, flags);
}

/* All that there was has been sent, and was in the output's own memory. */
static void
consume_first(struct output *output)
{
	struct segment *first = &output->first;

	output->sent += first->end - first->start;
	output->memory = 0;
	first->start = first->end = output->headroom;
	STAILQ_INIT(&output->segments);
}

static enum sent
send_memory(struct output *output, int socket)
{
	const struct segment *first = STAILQ_FIRST(&output->segments);
	const size_t length = first->end - first->start;
	const bool is_all = STAILQ_NEXT(first, entry) == NULL;
	const ssize_t n = is_all && length <= AT_ONCE ? bare_send(socket,
	    first->data + first->start, length, SEND)
	    : send_several(output, socket);

	if (n == -1) {
		if (errno == EINTR)
			return SENT_ALL;	/* so far: the caller goes on */
		return errno == EAGAIN ? SENT_PART : SENT_FAILED;
	}
	if (is_all && (size_t)n == length && first == &output->first)
		consume_first(output);
	else
		consume(output, (size_t)n);
	return SENT_ALL;
}

static APART enum sent
send_file(struct output *output, int socket)
{
	struct segment *segment = STAILQ_FIRST(&output->segments);
	const off_t left = segment->limit - segment->offset;
	ssize_t n;

	if (left > 0) {
		n = sendfile(socket, segment->fd, &segment->offset,
		    (size_t)(left < 0x40000000 ? left : 0x40000000));
		if (n == -1 && errno == EINTR)
			return SENT_ALL;
		if (n == -1)
			return errno == EAGAIN ? SENT_PART : SENT_FAILED;
		if (n == 0) {		/* the file has become shorter */
			output->missing = left;
			errno = ENODATA;
			return SENT_FAILED;
		}
		output->sent += (uint64_t)n;
	}
	if (segment->offset == segment->limit) {
		STAILQ_REMOVE_HEAD(&output->segments, entry);
		output_end_segment(output, segment);
	}
	return SENT_ALL;
}

enum sent
output_send(struct output *output, int socket)
{
	const struct segment *segment;
	enum sent sent = SENT_ALL;

	while (sent == SENT_ALL &&
	    (segment = STAILQ_FIRST(&output->segments)) != NULL)
		sent = segment->data != NULL ? send_memory(output, socket)
		    : send_file(output, socket);
	return sent;
}
