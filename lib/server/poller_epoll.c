/* SPDX-License-Identifier: ISC */
/*
 * The poller by Linux' epoll(7).
 */
#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/bare.h"
#include "../base/descriptor.h"
#include "poller.h"

#define BATCH	64

struct epoll {
	struct poller	poller;
	int		fd;
};

static struct poller *
make(void)
{
	struct epoll *epoll = malloc(sizeof(*epoll));

	if (epoll == NULL)
		return NULL;
	epoll->poller.methods = &poller_epoll;
	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd == -1) {
		/* cppcheck-suppress memleak ; there is no descriptor */
		free(epoll);
		return NULL;
	}
	return &epoll->poller;
}

static void
end(struct poller *poller)
{
	struct epoll *epoll = (struct epoll *)poller;

	descriptor_close(epoll->fd);
	free(epoll);
}

static uint32_t
to_epoll(unsigned events)
{
	uint32_t wanted = 0;

	if ((events & POLLER_READ) != 0)
		wanted |= EPOLLIN;
	if ((events & POLLER_WRITE) != 0)
		wanted |= EPOLLOUT;
	if ((events & POLLER_LEVEL) == 0)
		wanted |= EPOLLET | EPOLLRDHUP;
	if ((events & POLLER_SHARED) != 0)
		wanted |= EPOLLEXCLUSIVE;
	return wanted;
}

static unsigned
from_epoll(uint32_t got)
{
	unsigned ready = 0;

	if (got == EPOLLIN)
		return POLLER_READ;	/* as nearly always */
	if ((got & EPOLLIN) != 0)
		ready |= POLLER_READ;
	if ((got & EPOLLOUT) != 0)
		ready |= POLLER_WRITE;
	if ((got & EPOLLRDHUP) != 0)
		ready |= POLLER_HANGUP;
	if ((got & (EPOLLERR | EPOLLHUP)) != 0)
		ready |= POLLER_HANGUP | POLLER_ERROR;
	return ready;
}

static int
add(struct poller *poller, int fd, uint64_t tag, unsigned events,
    const atomic_uint *ready)
{
	struct epoll *epoll = (struct epoll *)poller;
	struct epoll_event event = {
		.events = to_epoll(events), .data.u64 = tag
	};

	(void)ready;
	return epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &event);
}

static int
change(struct poller *poller, int fd, uint64_t tag, unsigned events)
{
	struct epoll *epoll = (struct epoll *)poller;
	struct epoll_event event = {
		.events = to_epoll(events), .data.u64 = tag
	};

	return epoll_ctl(epoll->fd, EPOLL_CTL_MOD, fd, &event);
}

static void
forget(struct poller *poller, int fd)
{
	struct epoll *epoll = (struct epoll *)poller;
	const int saved = errno;

	(void)epoll_ctl(epoll->fd, EPOLL_CTL_DEL, fd, NULL);
	errno = saved;
}

static int
wait_for(struct poller *poller, struct poller_event *events, int size,
    int timeout)
{
	struct epoll *epoll = (struct epoll *)poller;
	struct epoll_event got[BATCH];
	int n;

	n = bare_epoll_wait(epoll->fd, got, size < BATCH ? size : BATCH,
	    timeout);
	for (int i = 0; i < n; i++) {
		events[i].tag = got[i].data.u64;
		events[i].ready = from_epoll(got[i].events);
	}
	return n >= 0 ? n : errno == EINTR ? 0 : -1;
}

const struct poller_methods poller_epoll = {
	make, end, add, change, forget, wait_for
};
