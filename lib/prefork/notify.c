/* SPDX-License-Identifier: ISC */
/*
 * See notify.h.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "notify.h"

#define EXTEND_EVERY	5000		/* ms between two askings for more time */
#define EXTENSION	15000000	/* us: two of them may be late */

static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t length = strlen(path);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';	/* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (const struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) ==
	    -1) {
		descriptor_close(fd);
		fd = -1;
	}
	return fd;
}

void
notify_open(struct notify *notify)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *interval = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	*notify = (struct notify){
		.fd = -1, .extend = clock_ms() + EXTEND_EVERY
	};
	if (path != NULL) {
		notify->fd = connect_to(path);
		(void)snprintf(notify->path, sizeof(notify->path), "%s",
		    path);
	}
	if (notify->fd != -1 && interval != NULL &&
	    (pid == NULL || strtol(pid, NULL, 10) == (long)getpid()))
		notify->interval = strtoull(interval, NULL, 10) / 2000;
}

void
notify_close(struct notify *notify)
{
	descriptor_close(notify->fd);
	notify->fd = -1;
}

void
notify_export(const struct notify *notify)
{
	char number[32];

	if (notify->fd == -1)
		return;
	(void)setenv("NOTIFY_SOCKET", notify->path, 1);
	if (notify->interval == 0)
		return;
	(void)snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)notify->interval * 2000);
	(void)setenv("WATCHDOG_USEC", number, 1);
}

void
notify_send(const struct notify *notify, const char *format, ...)
{
	char text[512];
	va_list ap;
	int n;

	if (notify->fd == -1)
		return;
	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n > 0)
		(void)send(notify->fd, text, (size_t)n < sizeof(text)
		    ? (size_t)n : sizeof(text) - 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
notify_watchdog(struct notify *notify, uint64_t now)
{
	if (notify->interval == 0 || now < notify->next)
		return;
	notify_send(notify, "WATCHDOG=1");
	notify->next = now + notify->interval;
}

void
notify_extend(struct notify *notify, uint64_t now, bool is_waiting)
{
	if (is_waiting && now < notify->extend)
		return;
	if (is_waiting)
		notify_send(notify, "EXTEND_TIMEOUT_USEC=%d", EXTENSION);
	notify->extend = now + EXTEND_EVERY;
}

uint64_t
notify_due(const struct notify *notify, bool is_waiting)
{
	const uint64_t next = notify->interval != 0 ? notify->next : 0;

	if (notify->fd == -1)
		return 0;
	if (!is_waiting || (next != 0 && next < notify->extend))
		return next;
	return notify->extend;
}
