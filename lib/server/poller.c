/* SPDX-License-Identifier: ISC */
/*
 * Chooses the kernel facility; everything else is done by its own file.
 */
#include <errno.h>
#include <stddef.h>

#include "poller.h"

struct poller *
poller_new(bool use_poll)
{
	struct poller *poller = NULL;

	if (!use_poll)
		poller = poller_epoll.make();
	if (poller == NULL && (use_poll || errno == ENOSYS))
		poller = poller_poll.make();
	return poller;
}

void
poller_free(struct poller *poller)
{
	if (poller != NULL)
		poller->methods->end(poller);
}

int
poller_add(struct poller *poller, int fd, uint64_t tag, unsigned events,
    const atomic_uint *ready)
{
	return poller->methods->add(poller, fd, tag, events, ready);
}

int
poller_change(struct poller *poller, int fd, uint64_t tag, unsigned events)
{
	return poller->methods->change(poller, fd, tag, events);
}

void
poller_remove(struct poller *poller, int fd)
{
	poller->methods->remove(poller, fd);
}

int
poller_wait(struct poller *poller, struct poller_event *events, int size,
    int timeout)
{
	return poller->methods->wait(poller, events, size, timeout);
}
