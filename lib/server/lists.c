/* SPDX-License-Identifier: ISC */
/*
 * The lists of connections, one for each state that waits, and the deadlines
 * of those in them.
 */
#include <assert.h>
#include <limits.h>

#include "../base/cold.h"
#include "../base/descriptor.h"
#include "loop.h"
#include "loop_parts.h"

static struct connection_list *
list_of(struct loop *loop, const struct connection *conn)
{
	return &loop->lists[conn->list];
}

unsigned
lists_patience(const struct loop *loop, unsigned list)
{
	if (loop->end_seen > LOOP_MOVES && (list == CONNECTION_IDLE ||
	    list == CONNECTION_PROXY || list == CONNECTION_LINGERING))
		return loop->settings->drain_idle;
	return loop->patience[list];
}

/* The lists need not be looked at before the first deadline there may be. */
static void
note_deadline(struct loop *loop, uint64_t placed, unsigned list)
{
	const unsigned patience = lists_patience(loop, list);

	if (patience != 0 && placed + patience < loop->due)
		loop->due = placed + patience;
}

int
loop_settle(struct loop *loop, struct connection *conn,
    enum connection_state state)
{
	const bool writes = state == CONNECTION_DRAINING;
	const unsigned events = POLLER_READ | (writes ? POLLER_WRITE : 0);

	assert(loop_leads(loop));
	if (conn->list != state) {
		if (conn->list != CONNECTION_FREE)
			TAILQ_REMOVE(list_of(loop, conn), conn, entry);
		conn->list = (uint8_t)state;
		conn->placed = loop_now(loop);
		TAILQ_INSERT_TAIL(list_of(loop, conn), conn, entry);
		note_deadline(loop, conn->placed, state);
	}
	if (!conn->is_polled) {
		if (conn->fd == -1)
			return 0;	/* a datagram */
		if (poller_add(loop->poller, conn->fd,
		    connection_tag(&loop->table, conn), events,
		    &conn->ready) == -1)
			return -1;
		conn->is_polled = true;
		conn->is_polled_write = writes;
	} else if (writes && !conn->is_polled_write) {
		if (poller_change(loop->poller, conn->fd,
		    connection_tag(&loop->table, conn), events) == -1)
			return -1;
		conn->is_polled_write = true;
	}
	return 0;
}

APART void
loop_unpoll(struct loop *loop, struct connection *conn)
{
	assert(loop_leads(loop));
	if (conn->is_polled)
		poller_remove(loop->poller, conn->fd);
	conn->is_polled = conn->is_polled_write = false;
}

APART void
loop_forget(struct loop *loop, struct connection *conn)
{
	assert(loop_leads(loop));
	if (conn->is_written_off)
		loop->written_off--;	/* it has come back after all */
	if (conn->exchange != NULL)
		loop_exchange_end(loop, conn);
	if (conn->list != CONNECTION_FREE)
		TAILQ_REMOVE(list_of(loop, conn), conn, entry);
	if (conn->is_polled && loop->settings->use_poll)
		poller_remove(loop->poller, conn->fd);
	descriptor_close(conn->fd);
	connection_free(&loop->table, conn);
	atomic_store_explicit(&loop->line->connections,
	    (int)loop->table.count, memory_order_relaxed);
}

static void
count_pending(struct loop *loop, int change)
{
	atomic_fetch_add(&loop->pending, (unsigned)change);
	atomic_fetch_add_explicit(&loop->line->pending, change,
	    memory_order_relaxed);
}

void
loop_pend(struct loop *loop, struct connection *conn)
{
	conn->state = CONNECTION_PENDING;
	if (!thread_self->leads) {
		loop_return(loop, conn);
		loop_kick(loop);
		return;
	}
	if (conn->list != CONNECTION_FREE)
		TAILQ_REMOVE(list_of(loop, conn), conn, entry);
	conn->list = CONNECTION_PENDING;
	TAILQ_INSERT_TAIL(list_of(loop, conn), conn, entry);
	count_pending(loop, 1);
}

void
loop_pend_first(struct loop *loop, struct connection *conn)
{
	assert(loop_leads(loop));
	if (conn->list != CONNECTION_FREE)
		TAILQ_REMOVE(list_of(loop, conn), conn, entry);
	conn->list = CONNECTION_PENDING;
	TAILQ_INSERT_HEAD(list_of(loop, conn), conn, entry);
	count_pending(loop, 1);
}

struct connection *
loop_unpend(struct loop *loop)
{
	struct connection *conn =
	    TAILQ_FIRST(&loop->lists[CONNECTION_PENDING]);

	assert(loop_leads(loop));
	if (conn == NULL)
		return NULL;
	TAILQ_REMOVE(list_of(loop, conn), conn, entry);
	conn->list = CONNECTION_FREE;
	count_pending(loop, -1);
	return conn;
}

/*
 * The lists are lazy: activity only stores its time in the connection.  When
 * the first of a list is due by its place there and yet not late by its own
 * time, it goes to the end; so each list stays ordered by place, and only its
 * head has to be looked at.
 */
static void
expire_list(struct loop *loop, unsigned list)
{
	const unsigned patience = lists_patience(loop, list);
	const uint64_t now = loop_now(loop);
	struct connection *conn;

	assert(loop_leads(loop));
	while ((conn = TAILQ_FIRST(&loop->lists[list])) != NULL &&
	    conn->placed + patience <= now) {
		const bool is_taken = connection_take(conn, 0);

		TAILQ_REMOVE(&loop->lists[list], conn, entry);
		TAILQ_INSERT_TAIL(&loop->lists[list], conn, entry);
		conn->placed = now;
		if (is_taken)
			drive_expired(loop, conn);
		if (!thread_self->leads)
			break;
	}
}

static void
find_next_deadline(struct loop *loop)
{
	loop->due = UINT64_MAX;
	for (unsigned list = 0; list < CONNECTION_STATES; list++) {
		const struct connection *conn = TAILQ_FIRST(&loop->lists[list]);

		if (conn != NULL && list != CONNECTION_PENDING)
			note_deadline(loop, conn->placed, list);
	}
}

void
lists_expire(struct loop *loop)
{
	if (loop_now(loop) < loop->due)
		return;
	for (unsigned list = 0; list < CONNECTION_STATES; list++) {
		if (!thread_self->leads)
			return;
		if (list != CONNECTION_PENDING && lists_patience(loop, list) != 0)
			expire_list(loop, list);
	}
	if (thread_self->leads)
		find_next_deadline(loop);
}

int
lists_deadline(const struct loop *loop)
{
	const uint64_t now = loop_now(loop);

	if (loop->due == UINT64_MAX)
		return -1;
	if (loop->due <= now)
		return 0;
	return loop->due - now < INT_MAX ? (int)(loop->due - now) : INT_MAX;
}
