/* SPDX-License-Identifier: ISC */
/*
 * See descriptor.h.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"

void
descriptor_close(int fd)
{
	const int saved = errno;

	if (fd != -1)
		(void)close(fd);
	errno = saved;
}

int
descriptor_nonblocking(int fd, bool on)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK
	    : flags & ~O_NONBLOCK);
}

bool
descriptor_has_hung_up(int fd)
{
	struct pollfd look = { .fd = fd };

	return poll(&look, 1, 0) == 1 &&
	    (look.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void
descriptor_leave_terminal(void)
{
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)fflush(NULL);
	for (int i = 0; fd != -1 && i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	descriptor_close(fd);
}

int
descriptor_temporary(const char *dir)
{
	char *path;
	int fd = -1;

#ifdef O_TMPFILE
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR &&
	    errno != EINVAL))
		return fd;
#endif
	if (asprintf(&path, "%s/tine.XXXXXXXX", dir) == -1)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd != -1)
		(void)unlink(path);
	free(path);
	return fd;
}

int
descriptor_write(int fd, const void *data, size_t length, off_t at)
{
	const char *next = data;

	while (length > 0) {
		const ssize_t n = pwrite(fd, next, length, at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		next += n;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

static int
copy_file(int to, int from)
{
	char buffer[4096];	/* the stack of all workers begins as large */
	off_t at = 0;
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 ||
		    descriptor_write(to, buffer, (size_t)n, at) == -1)
			return -1;
		at += n;
	}
	return 0;
}

int
descriptor_snapshot(int file, const char *name)
{
	const int copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (copy != -1 && copy_file(copy, file) == -1) {
		descriptor_close(copy);
		return -1;
	}
	if (copy != -1)
		(void)fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		    F_SEAL_WRITE | F_SEAL_SEAL);
	return copy;
}

union control {
	struct cmsghdr	header;
	char		room[CMSG_SPACE(DESCRIPTOR_PASSED * sizeof(int))];
};

int
descriptor_pass_vector(int socket, struct iovec *vector, size_t pieces,
    const int *fds, size_t count)
{
	union control control;
	struct msghdr message = { .msg_iov = vector, .msg_iovlen = pieces };
	ssize_t n;

	if (count > DESCRIPTOR_PASSED) {
		errno = EMSGSIZE;
		return -1;
	}
	if (count > 0) {
		struct cmsghdr *header;

		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	do
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
descriptor_pass(int socket, const void *data, size_t length, const int *fds,
    size_t count)
{
	struct iovec vector = {
		.iov_base = (void *)(uintptr_t)data, .iov_len = length
	};

	return descriptor_pass_vector(socket, &vector, 1, fds, count);
}

/* Keeps the first size descriptors of the message and closes the others. */
static size_t
collect(struct msghdr *message, int *fds, size_t size)
{
	struct cmsghdr *header;
	size_t count = 0;

	for (header = CMSG_FIRSTHDR(message); header != NULL;
	    header = CMSG_NXTHDR(message, header)) {
		const unsigned char *data = CMSG_DATA(header);
		size_t n;

		if (header->cmsg_level != SOL_SOCKET ||
		    header->cmsg_type != SCM_RIGHTS)
			continue;
		n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(int), sizeof(int));
			if (count < size)
				fds[count++] = fd;
			else
				descriptor_close(fd);
		}
	}
	return count;
}

static ssize_t
receive(int socket, struct iovec *vector, size_t pieces, int *fds,
    size_t *count, int flags)
{
	union control control;
	struct msghdr message = {
		.msg_iov = vector, .msg_iovlen = pieces,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	const size_t room = *count;
	ssize_t n;

	*count = 0;
	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	*count = collect(&message, fds, room);
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		while (*count > 0)
			descriptor_close(fds[--*count]);
		errno = EMSGSIZE;
		return -1;
	}
	return n;
}

ssize_t
descriptor_receive(int socket, void *data, size_t size, int *fds,
    size_t *count)
{
	struct iovec vector = { .iov_base = data, .iov_len = size };

	return receive(socket, &vector, 1, fds, count, 0);
}

ssize_t
descriptor_receive_now(int socket, void *data, size_t size, int *fds,
    size_t *count)
{
	struct iovec vector = { .iov_base = data, .iov_len = size };

	return receive(socket, &vector, 1, fds, count, MSG_DONTWAIT);
}

ssize_t
descriptor_receive_vector_now(int socket, struct iovec *vector,
    size_t pieces, int *fds, size_t *count)
{
	return receive(socket, vector, pieces, fds, count, MSG_DONTWAIT);
}
