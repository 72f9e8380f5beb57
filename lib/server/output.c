/* SPDX-License-Identifier: ISC */
/*
 * See output.h.  Here the segments are made, filled and dropped; they are sent
 * in output_send.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cold.h"
#include "../base/descriptor.h"
#include "output.h"

#define PIECE	((size_t)32 * 1024)
#define GATHER	((size_t)64 * 1024)	/* of each write to the spool */

void
output_init(struct output *output, char *memory, size_t size, size_t headroom)
{
	memset(output, 0, sizeof(*output));
	STAILQ_INIT(&output->segments);
	output->headroom = headroom;
	output->first.data = memory;
	output->first.size = size;
	output->first.start = output->first.end = headroom;
	output->spool.fd = -1;
}

static COLD void
end_loan(struct output *output, struct segment *segment)
{
	void (*release)(void *) = segment->release;
	void *lender = segment->lender;

	if (segment == &output->lent)
		segment->release = NULL;	/* it can be lent again */
	else
		free(segment);
	release(lender);
}

APART void
output_end_segment(struct output *output, struct segment *segment)
{
	if (segment->release != NULL) {
		end_loan(output, segment);
		return;
	}
	if (segment->data == NULL) {
		if (segment->is_owner)
			descriptor_close(segment->fd);
	} else {
		output->memory -= segment->end - segment->start;
	}
	if (segment == &output->first) {
		segment->start = segment->end = output->headroom;
		return;
	}
	if (segment == output->gathered) {
		segment->start = segment->end = 0;
		return;
	}
	memory_give(output->counted, segment->size);
	free(segment);		/* its data is in the same block */
}

void
output_reset(struct output *output)
{
	struct segment *segment;

	while ((segment = STAILQ_FIRST(&output->segments)) != NULL) {
		STAILQ_REMOVE_HEAD(&output->segments, entry);
		output_end_segment(output, segment);
	}
	if (output->gathered != NULL) {
		memory_give(output->counted, output->gathered->size);
		free(output->gathered);
		output->gathered = NULL;
	}
	if (output->spool.fd != -1)
		spool_end(&output->spool);
	output->sent = 0;
	output->missing = 0;
}

void
output_drop(struct output *output)
{
	const uint64_t sent = output->sent +
	    (uint64_t)output_pending(output);
	const off_t missing = output->missing;

	output_reset(output);
	output->sent = sent;
	output->missing = missing;
}

static COLD struct segment *
segment_new(struct output *output, size_t size)
{
	struct segment *segment = malloc(sizeof(*segment) + size);

	if (segment == NULL)
		return NULL;
	memset(segment, 0, sizeof(*segment));
	segment->fd = -1;
	if (size > 0) {
		segment->data = (char *)(segment + 1);
		segment->size = size;
	}
	memory_take(output->counted, size);
	return segment;
}

/* The segment that takes more memory, or NULL. */
static struct segment *
last_memory(struct output *output)
{
	struct segment *last;

	if (STAILQ_EMPTY(&output->segments)) {
		STAILQ_INSERT_TAIL(&output->segments, &output->first, entry);
		return &output->first;
	}
	last = STAILQ_LAST(&output->segments, segment, entry);
	if (last->data == NULL || last->end == last->size)
		return NULL;
	return last;
}

/*
 * What is past the memory's bound goes to the spool by way of one more piece
 * of memory, the last of all, so that the file is written in large pieces.
 */
static size_t
gathered(const struct output *output)
{
	return output->gathered == NULL ? 0
	    : output->gathered->end - output->gathered->start;
}

static bool
is_spooling(const struct output *output)
{
	return output->spool.length > 0 || gathered(output) > 0;
}

/* What there is left of the memory that the output was given. */
static size_t
first_room(const struct output *output)
{
	const struct segment *first = STAILQ_FIRST(&output->segments);

	if (first != NULL && (first != &output->first ||
	    STAILQ_NEXT(first, entry) != NULL))
		return 0;
	return output->first.size - output->first.end;
}

/* The same where nothing is in the spool. */
static bool
fits_memory(const struct output *output, size_t length)
{
	if (memory_is_short(output->counted))
		return length <= first_room(output);
	return length <= output->memory_limit &&
	    output->memory <= output->memory_limit - length;
}

bool
output_fits(const struct output *output, size_t length)
{
	if (is_spooling(output))
		return output->gathered != NULL &&
		    length <= output->gathered->size - output->gathered->end;
	return fits_memory(output, length);
}

off_t
output_spooled(const struct output *output)
{
	return output->spool.length + (off_t)gathered(output);
}

static int
append_file(struct output *output, int fd, off_t offset, off_t length,
    bool is_owner)
{
	struct segment *segment = segment_new(output, 0);

	if (segment == NULL) {
		if (is_owner)
			descriptor_close(fd);
		return -1;
	}
	segment->fd = fd;
	segment->is_owner = is_owner;
	segment->offset = offset;
	segment->limit = offset + length;
	STAILQ_INSERT_TAIL(&output->segments, segment, entry);
	return 0;
}

/* Puts data at the end of the spool, and of what is to be sent. */
static int
spill(struct output *output, const char *data, size_t length)
{
	const off_t from = output->spool.length;
	struct segment *last;

	if (spool_append(&output->spool, data, length) == -1)
		return -1;
	last = STAILQ_LAST(&output->segments, segment, entry);
	if (last != NULL && last->data == NULL &&
	    last->fd == output->spool.fd && last->limit == from) {
		last->limit = output->spool.length;
		return 0;
	}
	return append_file(output, output->spool.fd, from, (off_t)length,
	    false);
}

static int
spill_gathered(struct output *output)
{
	struct segment *segment = output->gathered;
	const size_t length = gathered(output);

	if (length == 0)
		return 0;
	STAILQ_REMOVE(&output->segments, segment, segment, entry);
	if (spill(output, segment->data + segment->start, length) == -1) {
		STAILQ_INSERT_TAIL(&output->segments, segment, entry);
		return -1;
	}
	output_end_segment(output, segment);
	return 0;
}

static int
gather(struct output *output, const char *data, size_t length)
{
	struct segment *segment = output->gathered;

	if (segment == NULL)
		segment = output->gathered = segment_new(output, GATHER);
	if (segment == NULL)
		return -1;
	if (gathered(output) == 0)
		STAILQ_INSERT_TAIL(&output->segments, segment, entry);
	memcpy(segment->data + segment->end, data, length);
	segment->end += length;
	output->memory += length;
	return 0;
}

static COLD int
append_spool(struct output *output, const char *data, size_t length)
{
	if (output->spool_limit < output_spooled(output) || length >
	    (uint64_t)(output->spool_limit - output_spooled(output))) {
		errno = EFBIG;
		return -1;
	}
	if (is_spooling(output) && output_fits(output, length))
		return gather(output, data, length);
	if (spill_gathered(output) == -1)
		return -1;
	if (length >= GATHER || memory_is_short(output->counted))
		return spill(output, data, length);
	return gather(output, data, length);
}

static int
append_memory(struct output *output, const char *data, size_t length)
{
	while (length > 0) {
		struct segment *last = last_memory(output);
		size_t n;

		if (last == NULL) {
			last = segment_new(output, length > PIECE ? length
			    : PIECE);
			if (last == NULL)
				return -1;
			STAILQ_INSERT_TAIL(&output->segments, last, entry);
		}
		n = last->size - last->end;
		if (n > length)
			n = length;
		memcpy(last->data + last->end, data, n);
		last->end += n;
		output->memory += n;
		data += n;
		length -= n;
	}
	return 0;
}

APART int
output_keep(struct output *output, const void *data, size_t length)
{
	if (length == 0)
		return 1;
	if (is_spooling(output) || !fits_memory(output, length))
		return 0;
	return append_memory(output, data, length) == 0 ? 1 : -1;
}

APART int
output_append(struct output *output, const void *data, size_t length)
{
	const int kept = output_keep(output, data, length);

	if (kept != 0)
		return kept == 1 ? 0 : -1;
	return append_spool(output, data, length);
}

APART int
output_append_file(struct output *output, int fd, off_t offset, off_t length,
    bool is_owner)
{
	/* It may come from a child, that is from whoever took one over. */
	if (offset < 0 || length < 0 || length > INT64_MAX - offset) {
		if (is_owner)
			descriptor_close(fd);
		errno = EINVAL;
		return -1;
	}
	/* What is gathered stays the last of all. */
	if (spill_gathered(output) == -1) {
		if (is_owner)
			descriptor_close(fd);
		return -1;
	}
	return append_file(output, fd, offset, length, is_owner);
}

/* Puts a segment for what is lent at the end. */
static struct segment *
lend(struct output *output, struct loan loan)
{
	struct segment *segment = &output->lent;

	if (spill_gathered(output) == -1 || (segment->release != NULL &&
	    (segment = malloc(sizeof(*segment))) == NULL)) {
		loan.release(loan.lender);
		return NULL;
	}
	memset(segment, 0, sizeof(*segment));
	segment->fd = -1;
	segment->release = loan.release;
	segment->lender = loan.lender;
	STAILQ_INSERT_TAIL(&output->segments, segment, entry);
	return segment;
}

int
output_lend(struct output *output, const void *data, size_t length,
    struct loan loan)
{
	struct segment *segment = lend(output, loan);

	if (segment == NULL)
		return -1;
	segment->data = (char *)(uintptr_t)data;
	segment->end = segment->size = length;
	return 0;
}

int
output_lend_file(struct output *output, int fd, off_t offset, off_t length,
    struct loan loan)
{
	struct segment *segment = lend(output, loan);

	if (segment == NULL)
		return -1;
	segment->fd = fd;
	segment->offset = offset;
	segment->limit = offset + length;
	return 0;
}

int
output_prepend(struct output *output, const void *data, size_t length)
{
	struct segment *head = STAILQ_FIRST(&output->segments);

	if (head == NULL)
		head = last_memory(output);
	if (head != &output->first || head->start < length) {
		head = segment_new(output, length);
		if (head == NULL)
			return -1;
		head->start = head->end = length;
		STAILQ_INSERT_HEAD(&output->segments, head, entry);
	}
	head->start -= length;
	memcpy(head->data + head->start, data, length);
	output->memory += length;
	return 0;
}

bool
output_has_file(const struct output *output)
{
	const struct segment *segment;

	STAILQ_FOREACH(segment, &output->segments, entry) {
		if (segment->data == NULL)
			return true;
	}
	return false;
}

/* What there is to send of a segment and is not in output's memory. */
static off_t
beside_memory(const struct segment *segment)
{
	if (segment->data == NULL)
		return segment->limit - segment->offset;
	if (segment->release != NULL)
		return (off_t)(segment->end - segment->start);
	return 0;
}

off_t
output_pending(const struct output *output)
{
	const struct segment *segment;
	off_t pending = (off_t)output->memory;

	STAILQ_FOREACH(segment, &output->segments, entry) {
		const off_t length = beside_memory(segment);

		if (length > INT64_MAX - pending)
			return INT64_MAX;	/* parts of files, all of them */
		pending += length;
	}
	return pending;
}
