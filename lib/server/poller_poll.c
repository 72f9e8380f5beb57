/* SPDX-License-Identifier: ISC */
/*
 * The poller by poll(2), for systems without epoll(7) and for its tests.
 *
 * poll(2) reports levels.  An edge is made of them by not asking again for
 * what the owner has been told and has not used up: that is in the word that
 * it gave to poller_add().
 */
#include <poll.h>
#include <stdlib.h>
#include <errno.h>

#include "poller.h"

struct entry {
	uint64_t		 tag;
	unsigned		 events;
	const atomic_uint	*ready;
};

struct table {
	struct poller	 poller;
	struct pollfd	*fds;
	struct entry	*entries;
	size_t		 count, size;
	size_t		 next;		/* whose turn it is to be reported */
};

static struct poller *
make(void)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->poller.methods = &poller_poll;
	return &table->poller;
}

static void
end(struct poller *poller)
{
	struct table *table = (struct table *)poller;

	free(table->fds);
	free(table->entries);
	free(table);
}

static int
grow(struct table *table)
{
	const size_t size = table->size == 0 ? 64 : table->size * 2;
	struct pollfd *fds;
	struct entry *entries;

	fds = reallocarray(table->fds, size, sizeof(*fds));
	if (fds == NULL)
		return -1;
	table->fds = fds;
	entries = reallocarray(table->entries, size, sizeof(*entries));
	if (entries == NULL)
		return -1;
	table->entries = entries;
	table->size = size;
	return 0;
}

static int
add(struct poller *poller, int fd, uint64_t tag, unsigned events,
    const atomic_uint *ready)
{
	struct table *table = (struct table *)poller;

	if (table->count == table->size && grow(table) == -1)
		return -1;
	table->fds[table->count] = (struct pollfd){ .fd = fd };
	table->entries[table->count] = (struct entry){ tag, events, ready };
	table->count++;
	return 0;
}

static size_t
find(const struct table *table, int fd)
{
	size_t i = 0;

	while (i < table->count && table->fds[i].fd != fd)
		i++;
	return i;
}

static int
change(struct poller *poller, int fd, uint64_t tag, unsigned events)
{
	struct table *table = (struct table *)poller;
	const size_t i = find(table, fd);

	if (i == table->count) {
		errno = ENOENT;
		return -1;
	}
	table->entries[i].tag = tag;
	table->entries[i].events = events;
	return 0;
}

static void
forget(struct poller *poller, int fd)
{
	struct table *table = (struct table *)poller;
	const size_t i = find(table, fd);

	if (i == table->count)
		return;
	table->count--;
	table->fds[i] = table->fds[table->count];
	table->entries[i] = table->entries[table->count];
}

static short
wanted(const struct entry *entry)
{
	unsigned asked = entry->events;
	short events = 0;

	if (entry->ready != NULL) {
		const unsigned known = atomic_load(entry->ready);

		if ((known & POLLER_ERROR) != 0)
			return 0;
		if ((known & POLLER_HANGUP) != 0)
			asked &= ~(unsigned)POLLER_READ;
		asked &= ~known;
	}
	if ((asked & POLLER_READ) != 0)
		events |= POLLIN | POLLRDHUP;
	if ((asked & POLLER_WRITE) != 0)
		events |= POLLOUT;
	return events;
}

static unsigned
from_poll(short got)
{
	unsigned ready = 0;

	if ((got & POLLIN) != 0)
		ready |= POLLER_READ;
	if ((got & POLLOUT) != 0)
		ready |= POLLER_WRITE;
	if ((got & POLLRDHUP) != 0)
		ready |= POLLER_HANGUP;
	if ((got & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		ready |= POLLER_HANGUP | POLLER_ERROR;
	return ready;
}

/*
 * Tells poll(2) what to look at.  An entry that waits for nothing is shown as
 * a negative descriptor, or its hang-up would be reported again and again.
 */
static void
ask(struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct pollfd *fd = &table->fds[i];

		fd->events = wanted(&table->entries[i]);
		fd->revents = 0;
		if (fd->events == 0)
			fd->fd = ~fd->fd;
	}
}

static void
restore(struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->fds[i].fd < 0)
			table->fds[i].fd = ~table->fds[i].fd;
	}
}

static int
wait_for(struct poller *poller, struct poller_event *events, int size,
    int timeout)
{
	struct table *table = (struct table *)poller;
	int found = 0;

	ask(table);
	(void)poll(table->fds, table->count, timeout);
	restore(table);
	for (size_t n = 0; n < table->count && found < size; n++) {
		const size_t i = (table->next + n) % table->count;

		if (table->fds[i].revents == 0)
			continue;
		events[found].tag = table->entries[i].tag;
		events[found].ready = from_poll(table->fds[i].revents);
		found++;
	}
	table->next++;
	return found;
}

const struct poller_methods poller_poll = {
	make, end, add, change, forget, wait_for
};
