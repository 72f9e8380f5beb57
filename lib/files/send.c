/* SPDX-License-Identifier: ISC */
/*
 * See send.h.  What the request means is decided in condition.c and range.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bsd/stdlib.h>

#include "../http/http.h"
#include "condition.h"
#include "file.h"
#include "range.h"
#include "send.h"

static const struct tine_field no_fields[] = { { NULL, NULL } };

/* ------------------------------------------------------------ the contents */

static void
send_contents(struct http *http, struct file *file, off_t offset,
    off_t length)
{
	const struct loan loan = { file_release, file };

	if (file->fd == -1 && (size_t)length <= SEND_COPIED) {
		(void)tine_write(&http->request, file->data + offset,
		    (size_t)length);
		return;
	}
	atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
	if (file->fd == -1)
		(void)reply_lend(http, file->data + offset, (size_t)length,
		    loan);
	else
		(void)reply_lend_file(http, file->fd, offset, length, loan);
}

static void
send_whole(struct http *http, struct file *file)
{
	struct tine_request *req = &http->request;

	if (tine_send_response(req, 200, NULL) == -1)
		return;
	(void)reply_add_fields(http, file->fields, file->fields_length,
	    file_size(file));
	(void)tine_end_headers(req);
	send_contents(http, file, 0, file_size(file));
}

static void
send_validators(struct tine_request *req, const struct file *file)
{
	(void)tine_send_header(req, "Last-Modified", file->last_modified);
	(void)tine_send_header(req, "ETag", file->etag);
}

static void
send_range(struct http *http, struct file *file, const struct range *range)
{
	struct tine_request *req = &http->request;

	(void)tine_send_response(req, 206, NULL);
	(void)tine_send_header(req, "Content-Type", file->type);
	(void)tine_send_headerf(req, "Content-Length", "%lld",
	    (long long)range->length);
	(void)tine_send_headerf(req, "Content-Range", "bytes %lld-%lld/%lld",
	    (long long)range->offset,
	    (long long)(range->offset + range->length - 1),
	    (long long)file_size(file));
	send_validators(req, file);
	(void)tine_end_headers(req);
	send_contents(http, file, range->offset, range->length);
}

/* --------------------------------------------------------- several ranges */

#define BOUNDARY	24	/* digits: no file contains them by chance */

static void
make_boundary(char boundary[BOUNDARY + 1])
{
	for (size_t i = 0; i < BOUNDARY; i += 8)
		(void)snprintf(boundary + i, 9, "%08x",
		    (unsigned)arc4random());
}

/* What stands before a part; with out NULL only its length. */
static size_t
part_head(char *out, size_t size, const char *boundary,
    const struct file *file, const struct range *range)
{
	/* cppcheck-suppress nullPointer ; with size 0 that is allowed */
	return (size_t)snprintf(out, size, "\r\n--%s\r\nContent-Type: %s\r\n"
	    "Content-Range: bytes %lld-%lld/%lld\r\n\r\n", boundary,
	    file->type, (long long)range->offset,
	    (long long)(range->offset + range->length - 1),
	    (long long)file_size(file));
}

/* "\r\n--boundary--\r\n" */
#define LAST_LINE	(BOUNDARY + 8)

static off_t
length_of_parts(const char *boundary, const struct file *file,
    const struct range *ranges, size_t count)
{
	off_t length = LAST_LINE;

	for (size_t i = 0; i < count; i++)
		length += (off_t)part_head(NULL, 0, boundary, file,
		    &ranges[i]) + ranges[i].length;
	return length;
}

static void
send_part(struct http *http, struct file *file, const char *boundary,
    const struct range *range)
{
	const size_t length = part_head(NULL, 0, boundary, file, range);
	char *head = tine_alloc(&http->request, length + 1);

	if (head == NULL)
		return;		/* too short: the connection ends */
	(void)part_head(head, length + 1, boundary, file, range);
	(void)tine_write(&http->request, head, length);
	send_contents(http, file, range->offset, range->length);
}

static void
send_ranges(struct http *http, struct file *file, const struct range *ranges,
    size_t count)
{
	struct tine_request *req = &http->request;
	char boundary[BOUNDARY + 1];

	make_boundary(boundary);
	(void)tine_send_response(req, 206, NULL);
	(void)tine_send_headerf(req, "Content-Type",
	    "multipart/byteranges; boundary=%s", boundary);
	(void)tine_send_headerf(req, "Content-Length", "%lld",
	    (long long)length_of_parts(boundary, file, ranges, count));
	send_validators(req, file);
	(void)tine_end_headers(req);
	for (size_t i = 0; i < count; i++)
		send_part(http, file, boundary, &ranges[i]);
	(void)tine_printf(req, "\r\n--%s--\r\n", boundary);
}

static void
send_unsatisfiable(struct http *http, const struct file *file)
{
	char range[48];
	const struct tine_field fields[] = {
		{ "Content-Range", range }, { NULL, NULL }
	};

	(void)snprintf(range, sizeof(range), "bytes */%lld",
	    (long long)file_size(file));
	(void)reply_send_error(http, 416, NULL, fields);
}

/* -------------------------------------------------------------- conditions */

static void
send_not_modified(struct http *http, const struct file *file)
{
	struct tine_request *req = &http->request;

	(void)tine_send_response(req, 304, NULL);
	send_validators(req, file);
	(void)tine_end_headers(req);
}

static void
send_wanted(struct http *http, struct file *file, const char *value)
{
	struct range ranges[RANGES_MOST];
	size_t count;

	switch (range_parse(value, strlen(value), file_size(file), ranges,
	    &count)) {
	case RANGE_IGNORED:
		send_whole(http, file);
		break;
	case RANGE_UNSATISFIABLE:
		send_unsatisfiable(http, file);
		break;
	case RANGE_FOUND:
		if (count == 1)
			send_range(http, file, &ranges[0]);
		else
			send_ranges(http, file, ranges, count);
		break;
	}
}

/* Range is for GET alone (RFC 9110, section 14.2). */
static bool
is_get(const struct http *http)
{
	return strcmp(http->request.command, "GET") == 0;
}

static void
send_on_condition(struct http *http, struct file *file,
    const struct conditions *conditions)
{
	const struct validators validators = {
		file->etag, file->modified, time(NULL)
	};

	switch (conditions_judge(conditions, &validators)) {
	case CONDITION_FAILED:
		(void)reply_send_error(http, 412, NULL, no_fields);
		break;
	case CONDITION_NOT_MODIFIED:
		send_not_modified(http, file);
		break;
	case CONDITION_TRUE:
		if (is_get(http) &&
		    conditions_want_range(conditions, &validators))
			send_wanted(http, file, conditions->range);
		else
			send_whole(http, file);
		break;
	}
}

void
send_found(struct http *http, struct file *file)
{
	struct conditions conditions;

	conditions_read(&conditions, http->request.headers);
	if (conditions.is_any)
		send_on_condition(http, file, &conditions);
	else
		send_whole(http, file);
	file_release(file);
}
