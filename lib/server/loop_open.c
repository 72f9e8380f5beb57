/* SPDX-License-Identifier: ISC */
/*
 * How a loop is opened and closed, and what it hears besides its connections:
 * sources, and the kick by which others wake it.
 */
#include <sys/eventfd.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/cold.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "loop.h"
#include "loop_parts.h"

static void
kicked(struct loop *loop, struct source *source, unsigned events)
{
	uint64_t count;

	(void)events;
	(void)!read(source->fd, &count, sizeof(count));
	atomic_store(&loop->is_kicked, false);
}

static int
open_kick(struct loop *loop)
{
	loop->kick.ready = kicked;
	loop->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->kick.fd == -1)
		return -1;
	return loop_watch(loop, &loop->kick);
}

APART void
loop_kick(struct loop *loop)
{
	const uint64_t one = 1;
	const int saved = errno;

	if (!atomic_exchange(&loop->is_kicked, true))
		(void)!write(loop->kick.fd, &one, sizeof(one));
	errno = saved;
}

int
loop_watch(struct loop *loop, struct source *source)
{
	assert(loop_leads(loop));
	return poller_add(loop->poller, source->fd,
	    (uint64_t)(uintptr_t)source, POLLER_READ | POLLER_LEVEL, NULL);
}

void
loop_unwatch(struct loop *loop, struct source *source)
{
	assert(loop_leads(loop));
	poller_remove(loop->poller, source->fd);
	/* It may be in this batch, and its memory be gone by then. */
	for (int i = loop->event_next; i < loop->event_count; i++) {
		if (loop->events[i].tag == (uint64_t)(uintptr_t)source)
			loop->events[i].ready = 0;
	}
}

static void
set_patience(struct loop *loop)
{
	const struct settings *settings = loop->settings;

	loop->patience[CONNECTION_PROXY] = settings->header_timeout;
	loop->patience[CONNECTION_IDLE] = settings->keep_alive;
	loop->patience[CONNECTION_HEAD] = settings->header_timeout;
	loop->patience[CONNECTION_BODY] = settings->body_timeout;
	loop->patience[CONNECTION_DRAINING] = settings->send_timeout;
	loop->patience[CONNECTION_LINGERING] = settings->linger_read;
}

struct loop *
loop_new(struct scoreboard *board)
{
	const unsigned count = board->handlers < SLOTS ? board->handlers
	    : SLOTS;
	struct loop *loop = calloc(1, sizeof(*loop) +
	    count * sizeof(loop->claims[0]));

	if (loop == NULL)
		return NULL;
	loop->board = board;
	loop->claim_count = count;
	return loop;
}

int
loop_open(struct loop *loop)
{
	static _Thread_local struct thread main_thread;

	for (size_t i = 0; i < CONNECTION_STATES; i++)
		TAILQ_INIT(&loop->lists[i]);
	set_patience(loop);
	loop_set_now(loop);
	loop->kick.fd = loop->reserve = -1;
	if (loop->strategy->open != NULL && loop->strategy->open(loop) == -1)
		return -1;
	loop->pool.protocol_size = loop->protocol->exchange_size;
	loop->pool.counted = &loop->memory;
	loop->memory.limit = loop->settings->memory;
	(void)pthread_mutex_init(&loop->pool_lock, NULL);
	loop->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (connection_table_open(&loop->table,
	    loop->settings->max_connections) == -1)
		return failure("no memory for %u connections",
		    loop->settings->max_connections);
	loop->poller = poller_new(loop->settings->use_poll);
	if (loop->poller == NULL || open_kick(loop) == -1)
		return failure("no event loop can be had");
	main_thread = (struct thread){ .loop = loop, .leads = true,
	    .is_main = true };
	thread_self = &main_thread;
	return 0;
}

int
loop_start(struct loop *loop)
{
	crew_open(loop, thread_self);
	return loop->strategy->begin == NULL ? 0
	    : loop->strategy->begin(loop);
}

/*
 * Ends the connections that are left, and their requests with them: those
 * that were given back are in the table like the others.
 */
static void
close_connections(struct loop *loop)
{
	atomic_store(&loop->returned, NULL);
	atomic_store(&loop->paused, NULL);
	loop->returning = loop->resuming = NULL;
	for (uint32_t i = 0; i < loop->table.used; i++) {
		struct connection *conn = &loop->table.entries[i];

		if (conn->state != CONNECTION_FREE)
			drive_end(loop, conn);
	}
}

void
loop_close(struct loop *loop)
{
	struct thread *self = thread_self;

	if (self != NULL) {
		crew_close(loop, self);
		self->leads = true;
	}
	if (loop->strategy->close != NULL)
		loop->strategy->close(loop);
	if (self != NULL && loop->table.entries != NULL)
		close_connections(loop);
	if (self != NULL && self->kept != NULL) {
		exchange_put(&loop->pool, self->kept);
		self->kept = NULL;
	}
	exchange_pool_close(&loop->pool);
	connection_table_close(&loop->table);
	poller_free(loop->poller);
	loop->poller = NULL;
	descriptor_close(loop->kick.fd);
	descriptor_close(loop->reserve);
	thread_self = NULL;
}
