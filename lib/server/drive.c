/* SPDX-License-Identifier: ISC */
/*
 * What a connection does next: the table of its states, and the one function
 * that moves it from one to another.
 *
 * A connection is driven by its owner: the leader of the loop, or the thread
 * that ran its handler and lost the loop meanwhile.  The second touches no
 * list and no poller: it sets the connection idle by one atomic exchange, or
 * gives it back to the leader.
 */
#include <sys/socket.h>

#include <errno.h>

#include "../base/cold.h"
#include "drive_parts.h"

static enum next drop_input(struct loop *, struct connection *);

/*
 * What each state waits for, and where that leads.  A connection that is
 * pending or being handled waits for nothing: it belongs to its handler.
 */
static const struct {
	unsigned	  events;
	enum next	(*ready)(struct loop *, struct connection *);
	void		(*expired)(struct loop *, struct connection *);
} states[CONNECTION_STATES] = {
	[CONNECTION_PROXY] = {
	    POLLER_READ | POLLER_HANGUP, drive_receive, late_proxy },
	[CONNECTION_IDLE] = {
	    POLLER_READ | POLLER_HANGUP, drive_receive, late_idle },
	[CONNECTION_HEAD] = {
	    POLLER_READ | POLLER_HANGUP, drive_receive, late_request },
	[CONNECTION_BODY] = {
	    POLLER_READ | POLLER_HANGUP, drive_receive, late_request },
	[CONNECTION_DRAINING] = {
	    POLLER_WRITE | POLLER_ERROR, drive_send, late_sending },
	[CONNECTION_LINGERING] = {
	    POLLER_READ | POLLER_HANGUP, drop_input, late_lingering },
};

/*
 * Has the kernel end the connection by a reset: a reply that only the end of
 * the connection delimits must not look whole when it is not.
 */
static APART void
set_reset(const struct connection *conn, bool on)
{
	const struct linger now = { .l_onoff = on, .l_linger = 0 };

	(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

APART void
drive_arm(struct connection *conn)
{
	if (!conn->is_armed)
		set_reset(conn, true);
	conn->is_armed = true;
}

void
drive_disarm(struct connection *conn)
{
	if (conn->is_armed)
		set_reset(conn, false);
	conn->is_armed = false;
}

APART void
drive_end(struct loop *loop, struct connection *conn)
{
	if (conn->exchange != NULL) {
		if (!conn->exchange->is_done)
			loop->protocol->done(conn->exchange, OUTCOME_CUT);
		if (conn->exchange->is_broken)
			conn->is_reset = true;
		loop_exchange_end(loop, conn);
	}
	if (conn->is_reset)
		set_reset(conn, true);
	conn->state = CONNECTION_ENDING;
	if (thread_self->leads) {
		loop_forget(loop, conn);
	} else {
		loop_return(loop, conn);
		loop_kick(loop);
	}
}

/*
 * Closing with input unread would have the kernel send a reset, which can
 * overtake the reply: so read on for a while (RFC 9112, section 9.6).
 */
APART enum next
drive_linger(struct loop *loop, struct connection *conn)
{
	loop_exchange_end(loop, conn);
	if (shutdown(conn->fd, SHUT_WR) == -1)
		return drive_over(loop, conn);
	drive_enter(loop, conn, CONNECTION_LINGERING);
	return NEXT_GO;
}

static enum next
drop_input(struct loop *loop, struct connection *conn)
{
	char waste[8192];
	ssize_t n;

	for (int i = 0; i < TURN; i++) {
		connection_clear(conn, POLLER_READ, thread_self->leads);
		/* A handler may have had it wait. */
		n = recv(conn->fd, waste, sizeof(waste), MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			return NEXT_WAIT;
		if (n <= 0)
			return drive_over(loop, conn);
		conn->since = loop_now(loop);
	}
	loop_return(loop, conn);	/* others have a turn */
	return NEXT_LEFT;
}

void
drive_expired(struct loop *loop, struct connection *conn)
{
	states[conn->state].expired(loop, conn);
}

/* As park(), for a thread that does not lead: it may touch no list. */
static enum next
park_apart(struct loop *loop, struct connection *conn)
{
	const unsigned wanted = states[conn->state].events;
	unsigned ready;

	if (conn->list != conn->state || !conn->is_polled) {
		loop_return(loop, conn);
		loop_kick(loop);
		return NEXT_LEFT;
	}
	ready = atomic_load_explicit(&conn->ready, memory_order_relaxed);
	do {
		if ((ready & wanted) != 0)
			return NEXT_GO;
	} while (!atomic_compare_exchange_weak_explicit(&conn->ready, &ready,
	    ready & ~CONNECTION_OWNED, memory_order_release,
	    memory_order_relaxed));
	return NEXT_LEFT;
}

/* Lets go of conn, which waits, unless what it waits for has come. */
static enum next
park(struct loop *loop, struct connection *conn)
{
	const unsigned ready = atomic_load_explicit(&conn->ready,
	    memory_order_relaxed);

	if (!thread_self->leads)
		return park_apart(loop, conn);
	if (loop_settle(loop, conn, conn->state) == -1)
		return drive_over(loop, conn);
	if ((ready & states[conn->state].events) != 0)
		return NEXT_GO;
	connection_clear(conn, CONNECTION_OWNED, true);
	return NEXT_LEFT;
}

static void
go_on(struct loop *loop, struct connection *conn, enum next next)
{
	while (next != NEXT_LEFT) {
		if (next == NEXT_WAIT)
			next = park(loop, conn);
		else
			next = states[conn->state].ready(loop, conn);
	}
}

void
drive(struct loop *loop, struct connection *conn)
{
	thread_self->driven = conn;
	/* Input that came with the request before is framed first. */
	if (conn->state == CONNECTION_PENDING)
		go_on(loop, conn, drive_run(loop, conn));
	else if (conn->state == CONNECTION_IDLE && conn->exchange != NULL)
		go_on(loop, conn, drive_frame(loop, conn));
	else
		go_on(loop, conn, NEXT_GO);
	thread_self->driven = NULL;
}

void
drive_handled(struct loop *loop, struct connection *conn)
{
	thread_self->driven = conn;
	drive_enter(loop, conn, CONNECTION_DRAINING);
	go_on(loop, conn, drive_send(loop, conn));
	thread_self->driven = NULL;
}
