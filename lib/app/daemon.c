/* SPDX-License-Identifier: ISC */
/*
 * See daemon.h.  daemon(3) returns before anything has been tried, so its
 * caller never learns of a port in use.
 */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "daemon.h"

static int parent = -1;		/* who waits for the result */

/* No result: the child has died, and said why if it could. */
static void
await(int fd)
{
	unsigned char status = EX_SOFTWARE;
	ssize_t n;

	do
		n = read(fd, &status, 1);
	while (n == -1 && errno == EINTR);
	_exit(n == 1 ? status : EX_SOFTWARE);
}

int
daemon_start(void)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return failure("no pipe: %s", strerror(errno));
	(void)fflush(NULL);
	pid = fork();
	if (pid == -1)
		return failure("cannot fork: %s", strerror(errno));
	if (pid != 0) {
		descriptor_close(fds[1]);
		await(fds[0]);
	}
	descriptor_close(fds[0]);
	parent = fds[1];
	(void)setsid();
	return 0;
}

/* Nobody sees the terminal's descriptors any more. */
static void
leave_terminal(void)
{
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)fflush(NULL);
	for (int i = 0; fd != -1 && i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	descriptor_close(fd);
}

void
daemon_tell(int status)
{
	const unsigned char byte = (unsigned char)status;

	if (parent == -1)
		return;
	if (status == 0)
		leave_terminal();
	(void)!write(parent, &byte, 1);
	descriptor_close(parent);
	parent = -1;
}
