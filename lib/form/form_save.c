/* SPDX-License-Identifier: ISC */
/*
 * tine_form_save(): a field becomes a file, whole or not at all.
 *
 * Whatever the way, the name is given by link(2), which takes no other file's
 * place.  The temporary file itself is linked where it can be: it is in the
 * same file system and still has an inode that may be linked (O_TMPFILE).
 * Else the contents are copied, to a file without a name if the system has
 * such files and /proc to name them by, or to one with a temporary name.
 */
#include <sys/stat.h>

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "form.h"

#define PIECE	((size_t)65536)
#define TRIES	100

/* Where a field is to be saved. */
struct place {
	int		 dirfd;
	const char	*path;
	mode_t		 mode;
	char		 dir[PATH_MAX];		/* of path */
};

static int
place_init(struct place *place, int dirfd, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	if (*path == '\0' || (slash != NULL && slash[1] == '\0')) {
		errno = EINVAL;
		return -1;
	}
	if (length >= sizeof(place->dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(place->dir, path, length);
	place->dir[length] = '\0';
	if (length == 0)
		strcpy(place->dir, slash != NULL ? "/" : ".");
	place->dirfd = dirfd;
	place->path = path;
	place->mode = mode;
	return 0;
}

/* The name by which a descriptor can be linked. */
static void
format_proc(char out[32], int fd)
{
	(void)snprintf(out, 32, "/proc/self/fd/%d", fd);
}

/* Gives an open file its mode and its name. */
static int
link_file(const struct place *place, int fd)
{
	char name[32];

	format_proc(name, fd);
	if (fchmod(fd, place->mode) == -1)
		return -1;
	return linkat(AT_FDCWD, name, place->dirfd, place->path,
	    AT_SYMLINK_FOLLOW);
}

static int
link_spool(const struct place *place, struct form_field *field)
{
	if (link_file(place, field->spool.fd) == -1)
		return -1;
	field->is_linked = true;	/* a second name would be no copy */
	return 0;
}

/* ----------------------------------------------------------------- copying */

static int
write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		const ssize_t n = write(fd, data, length);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static int
copy_pieces(const struct form_field *field, int fd, char *piece)
{
	off_t at = 0;

	while (at < field->face.length) {
		const ssize_t n = form_contents_read(field, at, piece, PIECE);

		if (n == 0)
			errno = EIO;	/* somebody has made it shorter */
		if (n <= 0 || write_all(fd, piece, (size_t)n) == -1)
			return -1;
		at += n;
	}
	return 0;
}

static int
copy(const struct form_field *field, int fd)
{
	char *piece;
	int result, saved;

	if (field->face.value != NULL)
		return write_all(fd, field->face.value,
		    (size_t)field->face.length);
	piece = malloc(PIECE);
	if (piece == NULL)
		return -1;
	result = copy_pieces(field, fd, piece);
	saved = errno;
	free(piece);
	errno = saved;
	return result;
}

/* A file without a name in the place's directory, or -1. */
static int
open_nameless(const struct place *place)
{
#ifdef O_TMPFILE
	char name[32];
	const int fd = openat(place->dirfd, place->dir,
	    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	format_proc(name, fd);
	if (fd == -1 || access(name, F_OK) == 0)
		return fd;
	descriptor_close(fd);		/* a chroot without /proc */
#endif
	errno = EOPNOTSUPP;
	return -1;
}

static int
save_nameless(const struct place *place, const struct form_field *field,
    int fd)
{
	int result = copy(field, fd);

	if (result == 0)
		result = link_file(place, fd);
	descriptor_close(fd);
	return result;
}

/* A file with a temporary name, which is written to name. */
static int
open_named(const struct place *place, char *name, size_t size)
{
	const size_t room = size - sizeof("/.tine.01234567");

	if (strlen(place->dir) > room) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (int i = 0; i < TRIES; i++) {
		int fd;

		(void)snprintf(name, size, "%s/.tine.%08x", place->dir,
		    (unsigned)arc4random());
		fd = openat(place->dirfd, name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd != -1 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static int
save_named(const struct place *place, const struct form_field *field)
{
	char name[PATH_MAX + 16];
	int result, saved;
	const int fd = open_named(place, name, sizeof(name));

	if (fd == -1)
		return -1;
	result = copy(field, fd);
	if (result == 0)
		result = fchmod(fd, place->mode);
	if (result == 0)
		result = linkat(place->dirfd, name, place->dirfd, place->path,
		    0);
	saved = errno;
	(void)unlinkat(place->dirfd, name, 0);
	errno = saved;
	descriptor_close(fd);
	return result;
}

static int
save(const struct place *place, struct form_field *field)
{
	int fd;

	if (field->spool.fd != -1 && !field->is_linked) {
		if (link_spool(place, field) == 0)
			return 0;
		if (errno == EEXIST)
			return -1;
	}
	fd = open_nameless(place);
	if (fd != -1)
		return save_nameless(place, field, fd);
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -1;
	return save_named(place, field);
}

TINE_PUBLIC int
tine_form_save(const struct tine_form_field *face, int dirfd,
    const char *path, mode_t mode)
{
	struct place place;

	if (place_init(&place, dirfd, path, mode) == -1 ||
	    save(&place, form_field(face)) == -1)
		return failure("a field cannot be saved as '%s': %s", path,
		    strerror(errno));
	return 0;
}
