/* SPDX-License-Identifier: ISC */
/*
 * The contents of a field: in memory, or in a temporary file that is read
 * back as a descriptor, a stream or mapped memory.
 */
#include <sys/mman.h>

#include <bsd/stdio.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "form.h"

int
form_contents_append(struct form_field *field, const void *data,
    size_t length)
{
	if (spool_append(&field->spool, data, length) == 0)
		return 0;
	return failure("a temporary file in %s cannot be written: %s",
	    field->form->space.dir, strerror(errno));
}

/*
 * Maps the file over anonymous memory that is a byte longer: that byte is the
 * final NUL, even where the file fills its last page.
 */
static char *
map(int fd, size_t length)
{
	char *memory = mmap(NULL, length + 1, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	/* cppcheck-suppress leakReturnValNotUsed ; it stays where it is */
	if (mmap(memory, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) !=
	    MAP_FAILED)
		return memory;
	(void)munmap(memory, length + 1);
	errno = ENOMEM;
	return NULL;
}

int
form_contents_map(struct form_field *field)
{
	const uintmax_t length = (uintmax_t)field->face.length;

	if (field->map != NULL)
		return 0;
	if (length >= SIZE_MAX)
		return failure_errno(EFBIG,
		    "the file is larger than the address space");
	field->map = map(field->spool.fd, (size_t)length);
	if (field->map == NULL)
		return failure("the file cannot be mapped: %s",
		    strerror(errno));
	field->map_length = (size_t)length + 1;
	return 0;
}

void
form_contents_end(struct form_field *field)
{
	const int saved = errno;

	if (field->stream != NULL)
		(void)fclose(field->stream);
	if (field->map != NULL)
		(void)munmap(field->map, field->map_length);
	spool_end(&field->spool);
	errno = saved;
}

/* Contents in memory are told by value, which a mapped text has as well. */
static size_t
copy_memory(const struct form_field *field, off_t at, void *buffer,
    size_t size)
{
	const off_t left = field->face.length - at;

	if (left <= 0)
		return 0;
	if ((off_t)size > left)
		size = (size_t)left;
	memcpy(buffer, field->face.value + at, size);
	return size;
}

ssize_t
form_contents_read(const struct form_field *field, off_t at, void *buffer,
    size_t size)
{
	ssize_t n;

	if (field->face.value != NULL)
		return (ssize_t)copy_memory(field, at, buffer, size);
	do
		n = pread(field->spool.fd, buffer, size, at);
	while (n == -1 && errno == EINTR);
	return n;
}

/* --------------------------------------------------------- to the handler */

TINE_PUBLIC const char *
tine_form_data(const struct tine_form_field *face, size_t *length)
{
	struct form_field *field = form_field(face);

	if (face->value == NULL && form_contents_map(field) == -1)
		return NULL;
	if (length != NULL)
		*length = (size_t)face->length;
	return face->value != NULL ? face->value : field->map;
}

TINE_PUBLIC int
tine_form_fd(const struct tine_form_field *face)
{
	struct form_field *field = form_field(face);

	if (field->spool.fd == -1 && form_contents_append(field, face->value,
	    (size_t)face->length) == -1) {
		spool_end(&field->spool);
		return -1;
	}
	if (lseek(field->spool.fd, 0, SEEK_SET) == -1)
		return failure("a temporary file cannot be read: %s",
		    strerror(errno));
	return field->spool.fd;
}

static int
stream_read(void *cookie, char *buffer, int size)
{
	struct form_field *field = cookie;
	const ssize_t n = form_contents_read(field, field->stream_at, buffer,
	    (size_t)size);

	if (n > 0)
		field->stream_at += n;
	return (int)n;
}

static off_t
stream_seek(void *cookie, off_t offset, int whence)
{
	struct form_field *field = cookie;

	if (whence == SEEK_CUR)
		offset += field->stream_at;
	else if (whence == SEEK_END)
		offset += field->face.length;
	if (offset < 0) {
		errno = EINVAL;
		return -1;
	}
	field->stream_at = offset;
	return offset;
}

TINE_PUBLIC FILE *
tine_form_file(const struct tine_form_field *face)
{
	struct form_field *field = form_field(face);

	if (field->stream != NULL) {
		rewind(field->stream);
		return field->stream;
	}
	field->stream_at = 0;
	field->stream = funopen(field, stream_read, NULL, stream_seek, NULL);
	if (field->stream == NULL)
		(void)failure("there is no stream for a field: %s",
		    strerror(errno));
	return field->stream;
}
