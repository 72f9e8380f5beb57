/* SPDX-License-Identifier: ISC */
/*
 * See daemon.h.  daemon(3) returns before anything has been tried, so its
 * caller never learns of a port in use.
 */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "daemon.h"

static int parent = -1;		/* who waits for the result */
static volatile pid_t child;

/* Who stops the process that was started means the server. */
static void
forward(int sig)
{
	const int saved = errno;

	(void)kill(child, sig);
	errno = saved;
}

static void
forward_signals(void)
{
	static const int stops[] = { SIGTERM, SIGQUIT, SIGINT };
	struct sigaction action = { .sa_handler = forward };
	sigset_t none;

	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		(void)sigaction(stops[i], &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* No result: the child has died of a signal, and could not say why. */
static noreturn void
await(int fd)
{
	static const char died[] =
	    "tine: the server died while it was starting\n";
	unsigned char status = EX_SOFTWARE;
	ssize_t n;

	forward_signals();
	do
		n = read(fd, &status, 1);
	while (n == -1 && errno == EINTR);
	if (n != 1)
		(void)!write(STDERR_FILENO, died, sizeof(died) - 1);
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
		child = pid;
		descriptor_close(fds[1]);
		await(fds[0]);
	}
	descriptor_close(fds[0]);
	parent = fds[1];
	(void)setsid();
	return 0;
}

void
daemon_tell(int status)
{
	const unsigned char byte = (unsigned char)status;

	if (parent == -1)
		return;
	if (status == 0)
		descriptor_leave_terminal();
	(void)!write(parent, &byte, 1);
	descriptor_close(parent);
	parent = -1;
}
