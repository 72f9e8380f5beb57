/* SPDX-License-Identifier: ISC */
/*
 * See file.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/date.h"
#include "../base/descriptor.h"
#include "file.h"

#define FRESH	2	/* s: how slowly clocks of file systems may tick */
#define FIELDS	512	/* bytes that the fields may need, beside the type */

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
	    same_time(&a->st_ctim, &b->st_ctim);
}

/*
 * A tag may name one version only.  A file that was modified just now can be
 * modified again without a change of its time, so its contents are not kept;
 * and where times are whole seconds the tag is weak until then (RFC 9110,
 * section 8.8.1).
 */
static void
describe(struct file *file)
{
	const struct timespec *at = &file->status.st_mtim;
	const time_t now = time(NULL);

	file->is_fresh = now - at->tv_sec < FRESH;
	/* RFC 9110, section 8.8.2.1: not later than the reply. */
	file->modified = at->tv_sec > now ? now : at->tv_sec;
	if (file->modified < 0)
		file->modified = 0;
	date_http(file->last_modified, file->modified);
	(void)snprintf(file->etag, sizeof(file->etag), "%s\"%llx-%llx\"",
	    file->is_fresh && at->tv_nsec == 0 ? "W/" : "",
	    (unsigned long long)at->tv_sec * 1000000000 +
	    (unsigned long long)at->tv_nsec,
	    (unsigned long long)file->status.st_size);
}

static void
make_fields(struct file *file, size_t room)
{
	file->fields_length = (size_t)snprintf(file->fields, room,
	    "Content-Type: %s\r\nContent-Length: %lld\r\n"
	    "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n",
	    file->type, (long long)file_size(file), file->last_modified,
	    file->etag);
}

static char *
put(char **at, const char *text, size_t length)
{
	char *place = *at;

	memcpy(place, text, length);
	place[length] = '\0';
	*at += length + 1;
	return place;
}

static struct file *
make(const struct file_wanted *wanted, const struct stat *status)
{
	const size_t name = strlen(wanted->name), type = strlen(wanted->type);
	const size_t texts = name + wanted->key_length + type + 3;
	const size_t contents = status->st_size <= (off_t)wanted->most
	    ? (size_t)status->st_size : 0;
	const size_t size = sizeof(struct file) + texts + FIELDS + type +
	    contents;
	struct file *file = malloc(size);
	char *at;

	if (file == NULL)
		return NULL;
	at = (char *)(file + 1);
	memset(file, 0, sizeof(*file));
	atomic_init(&file->references, 1);
	file->size = size;
	file->fd = -1;
	file->status = *status;
	file->name = put(&at, wanted->name, name);
	file->key = put(&at, wanted->key, wanted->key_length);
	file->key_length = wanted->key_length;
	file->type = put(&at, wanted->type, type);
	describe(file);
	file->fields = at;
	make_fields(file, FIELDS + type);
	file->data = at + FIELDS + type;
	return file;
}

/* It may have become shorter: then it is not what was described. */
static int
read_all(int fd, char *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		const ssize_t n = pread(fd, data + done, length - done,
		    (off_t)done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static struct file *
take(int fd, const struct file_wanted *wanted, const struct stat *status)
{
	struct file *file = make(wanted, status);
	int saved;

	if (file == NULL)
		goto fail;
	if (file_size(file) > (off_t)wanted->most) {
		file->fd = fd;
		return file;
	}
	if (read_all(fd, file->data, (size_t)file_size(file)) == -1)
		goto fail;
	descriptor_close(fd);
	return file;

fail:
	saved = errno;
	free(file);
	descriptor_close(fd);
	errno = saved;
	return NULL;
}

struct file *
file_open(const struct below *below, const struct file_wanted *wanted)
{
	struct stat status;
	const int fd = below_open(below, wanted->name, &status);

	if (fd == -1)
		return NULL;
	if (S_ISDIR(status.st_mode)) {
		descriptor_close(fd);
		errno = EISDIR;
		return NULL;
	}
	return take(fd, wanted, &status);
}

bool
file_is_current(const struct file *file, const struct below *below)
{
	struct stat status;

	return !file->is_fresh &&
	    below_status(below, file->name, &status) == 0 &&
	    same(&file->status, &status);
}

void
file_release(void *lender)
{
	struct file *file = lender;

	if (atomic_fetch_sub_explicit(&file->references, 1,
	    memory_order_acq_rel) != 1)
		return;
	descriptor_close(file->fd);
	free(file);
}
