/* SPDX-License-Identifier: ISC */
/*
 * See system_log.h.  A message has no time of its own: whoever receives it
 * knows when.
 */
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "descriptor.h"
#include "system_log.h"
#include "text.h"

#define PATIENCE	10	/* ms that its reader may take */

/* Once there, its number stays: other threads may be about to use it. */
static atomic_int connected = -1;
static const char *ident = "tine";

static int
connect_log(void)
{
	const struct sockaddr_un address = {
		.sun_family = AF_UNIX, .sun_path = _PATH_LOG
	};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	if (fd != -1 && connect(fd, (const struct sockaddr *)&address,
	    sizeof(address)) == -1) {
		descriptor_close(fd);
		return -1;
	}
	return fd;
}

/* It was started anew, perhaps. */
static void
connect_again(void)
{
	const int fd = connect_log();
	int before = -1;

	if (fd == -1 || atomic_compare_exchange_strong(&connected, &before,
	    fd))
		return;
	(void)dup3(fd, before, O_CLOEXEC);
	descriptor_close(fd);
}

void
system_log_open(const char *name)
{
	ident = name;
	if (connected == -1)
		connect_again();
}

/* "<30>name[1234]: ", at most size bytes. */
static size_t
write_head(char *out, size_t size, int level)
{
	const size_t length = strnlen(ident, size - 32);
	size_t n = 0;

	out[n++] = '<';
	n += text_unsigned(out + n, (uint64_t)(LOG_DAEMON | level));
	out[n++] = '>';
	memcpy(out + n, ident, length);
	n += length;
	out[n++] = '[';
	n += text_unsigned(out + n, (uint64_t)getpid());
	memcpy(out + n, "]: ", 3);
	return n + 3;
}

int
system_log_send(int level, const char *text, size_t length)
{
	char head[96];
	struct iovec vector[2] = {
		{ head, write_head(head, sizeof(head), level) },
		{ (void *)(uintptr_t)text, length }
	};
	const struct msghdr message = {
		.msg_iov = vector, .msg_iovlen = 2
	};
	const int saved = errno;

	for (int i = 0; i < 3; i++) {
		const int fd = connected;
		struct pollfd wait = { .fd = fd, .events = POLLOUT };

		if (fd != -1 && sendmsg(fd, &message, MSG_NOSIGNAL) != -1) {
			errno = saved;
			return 0;
		}
		if (fd != -1 && errno == EAGAIN) {
			(void)poll(&wait, 1, PATIENCE);
			continue;
		}
		connect_again();
	}
	errno = saved;
	return -1;
}
