/* SPDX-License-Identifier: ISC */
/*
 * See below.h.  Where the kernel has openat2(2) (Linux 5.6) it sees to it
 * that no link leads outside.  It refuses every absolute link, though, so
 * those, and all where there is no such call, are followed first and then
 * asked for the place they have come to.
 */
#include <sys/syscall.h>

#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "below.h"

/* A FIFO does not keep its reader waiting, nor a terminal become ours. */
#define FLAGS	(O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

#define TRIES	8	/* while somebody renames what is on the way */

int
below_init(struct below *below, const char *directory, bool follows)
{
	below->follows = follows;
	below->root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return below->root == -1 ? -1 : 0;
}

void
below_close(struct below *below)
{
	descriptor_close(below->root);
	below->root = -1;
}

/* The directory itself is the empty name. */
static const char *
or_dot(const char *name)
{
	return *name == '\0' ? "." : name;
}

/* ----------------------------------------------------- asking for the place */

static int
place_of(int fd, char *link, size_t link_size, char *place)
{
	ssize_t n;

	(void)snprintf(link, link_size, "/proc/self/fd/%d", fd);
	n = readlink(link, place, PATH_MAX - 1);
	if (n == -1)
		return -1;
	place[n] = '\0';
	return 0;
}

static bool
is_inside(const char *root, const char *place)
{
	const size_t length = strlen(root);

	if (strcmp(root, "/") == 0)
		return true;
	return strncmp(root, place, length) == 0 &&
	    (place[length] == '/' || place[length] == '\0');
}

/*
 * Finds the thing, without opening it, and opens it when its place is known.
 * Between the two nothing can change: the link in /proc is the thing itself.
 */
static int
open_found(int root, const char *name)
{
	char link[32], root_place[PATH_MAX], place[PATH_MAX];
	const int found = openat(root, or_dot(name), O_PATH | O_CLOEXEC);
	int fd = -1, saved;

	if (found == -1)
		return -1;
	if (place_of(root, link, sizeof(link), root_place) == -1 ||
	    place_of(found, link, sizeof(link), place) == -1 ||
	    !is_inside(root_place, place))
		errno = EXDEV;
	else
		fd = open(link, FLAGS);
	saved = errno;
	descriptor_close(found);
	errno = saved;
	return fd;
}

/* ---------------------------------------------------------- asking openat2 */

#ifdef SYS_openat2
static int
open_beneath(int root, const char *name)
{
	struct open_how how = {
		.flags = FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
	};

	for (int i = 0; i < TRIES; i++) {
		const long fd = syscall(SYS_openat2, root, or_dot(name), &how,
		    sizeof(how));

		if (fd != -1 || (errno != EAGAIN && errno != EINTR))
			return (int)fd;
	}
	return -1;
}
#else
static int
open_beneath(int root, const char *name)
{
	(void)root;
	(void)name;
	errno = ENOSYS;
	return -1;
}
#endif

static int
open_inside(const struct below *below, const char *name)
{
	int fd;

	if (below->follows)
		return openat(below->root, or_dot(name), FLAGS);
	fd = open_beneath(below->root, name);
	/* EPERM is what filters of system calls say that do not know it. */
	if (fd == -1 && (errno == EXDEV || errno == ENOSYS || errno == EPERM))
		fd = open_found(below->root, name);
	return fd;
}

static bool
is_served(const struct stat *status)
{
	return S_ISREG(status->st_mode) || S_ISDIR(status->st_mode);
}

int
below_status(const struct below *below, const char *name, struct stat *status)
{
	return fstatat(below->root, or_dot(name), status, 0);
}

int
below_open(const struct below *below, const char *name, struct stat *status)
{
	int fd;

	/* To open a device, or a FIFO, can do something to it. */
	if (below_status(below, name, status) == -1)
		return -1;
	if (!is_served(status)) {
		errno = ENXIO;
		return -1;
	}
	fd = open_inside(below, name);
	if (fd == -1)
		return -1;
	if (fstat(fd, status) == 0 && is_served(status))
		return fd;
	descriptor_close(fd);
	errno = ENXIO;
	return -1;
}
