/* SPDX-License-Identifier: ISC */
/*
 * See crew.h.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/base/descriptor.h"
#include "../../lib/server/children.h"

#include "crew.h"
#include "serving.h"

void
crew_pair(int type, int pair[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		abort();
}

static struct child *
make_child(struct loop *serving, int fd, struct connection *conn)
{
	struct child *child = calloc(1, sizeof(*child));

	if (child == NULL)
		abort();
	child->source.fd = fd;
	child->source.ready = child_ready;
	child->pid = INT32_MAX;		/* nobody's */
	children.count++;
	child_add_spare(child);
	if (loop_watch(serving, &child->source) == -1)
		abort();
	child_begin(serving, child, conn);
	return child;
}

static void
begin_crew(struct loop *serving, int channel)
{
	if (children_open(serving->settings) == -1)
		abort();
	children.channel.fd = channel;
	if (loop_watch(serving, &children.channel) == -1)
		abort();
}

/* Everything as it was; what still waits is ended as at a stop. */
static void
end_crew(struct loop *serving)
{
	struct child *child;

	while ((child = TAILQ_FIRST(&children.busy)) != NULL)
		child_failed(serving, child);
	poller_remove(serving->poller, children.channel.fd);
	children_close();
	descriptor_close(children.channel.fd);
	for (uint32_t i = 0; i < serving->table.used; i++) {
		struct connection *conn = &serving->table.entries[i];

		if (conn->state == CONNECTION_FREE)
			continue;
		atomic_fetch_or(&conn->ready, CONNECTION_OWNED);
		drive_end(serving, conn);
	}
	atomic_store(&serving->end_wanted, LOOP_RUNS);
	if (serving->table.count != 0 || serving->held != 0 ||
	    atomic_load(&serving->line->busy) != 0 ||
	    atomic_load(serving->space.used) != 0)
		abort();
}

static void
say_packet(int socket, const uint8_t *data, size_t length, bool has_fd)
{
	const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)descriptor_pass(socket, data, length, &fd, has_fd ? 1 : 0);
	(void)close(fd);
}

static void
feed(struct loop *serving, const uint8_t *data, size_t size,
    struct child *child, int childs, int forkers)
{
	while (size >= 3) {
		size_t length = data[1] | (size_t)data[2] << 8;

		if (length > size - 3)
			length = size - 3;
		if ((data[0] & 2) == 0)
			say_packet(childs, data + 3, length,
			    (data[0] & 1) != 0);
		else
			say_packet(forkers, data + 3, length,
			    (data[0] & 1) != 0);
		/* A child that was let go is in another list, or freed. */
		if (TAILQ_FIRST(&children.busy) == child)
			child_ready(serving, &child->source, POLLER_READ);
		if ((data[0] & 2) != 0)
			children_hear(serving, &children.channel, POLLER_READ);
		children_send_held(serving);
		data += 3 + length;
		size -= 3 + length;
	}
}

void
crew_say(struct loop *serving, struct connection *conn, const uint8_t *data,
    size_t size)
{
	int childs[2], channel[2];
	struct child *child;

	crew_pair(SOCK_SEQPACKET, childs);
	crew_pair(SOCK_SEQPACKET, channel);
	begin_crew(serving, channel[0]);
	child = make_child(serving, childs[0], conn);
	feed(serving, data, size, child, childs[1], channel[1]);
	end_crew(serving);
	(void)close(childs[1]);
	(void)close(channel[1]);
}
