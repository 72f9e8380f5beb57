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
#include <poll.h>

#include "../base/bare.h"
#include "../base/clock.h"
#include "../base/descriptor.h"
#include "loop.h"

/* How many requests that are already there one connection may go on with. */
#define TURN	16

/* ms between two notes that a handler waits for its client. */
#define WAIT_LOOK	100

enum next {
	NEXT_GO,	/* there is more to do */
	NEXT_WAIT,	/* nothing to do until something comes */
	NEXT_LEFT	/* the connection is no longer ours */
};

static enum next receive(struct loop *, struct connection *);
static enum next send_reply(struct loop *, struct connection *);
static enum next drop_input(struct loop *, struct connection *);
static void expire_proxy(struct loop *, struct connection *);
static void expire_idle(struct loop *, struct connection *);
static void expire_request(struct loop *, struct connection *);
static void expire_sending(struct loop *, struct connection *);
static void expire_lingering(struct loop *, struct connection *);

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
	    POLLER_READ | POLLER_HANGUP, receive, expire_proxy },
	[CONNECTION_IDLE] = {
	    POLLER_READ | POLLER_HANGUP, receive, expire_idle },
	[CONNECTION_HEAD] = {
	    POLLER_READ | POLLER_HANGUP, receive, expire_request },
	[CONNECTION_BODY] = {
	    POLLER_READ | POLLER_HANGUP, receive, expire_request },
	[CONNECTION_DRAINING] = {
	    POLLER_WRITE | POLLER_ERROR, send_reply, expire_sending },
	[CONNECTION_LINGERING] = {
	    POLLER_READ | POLLER_HANGUP, drop_input, expire_lingering },
};

/*
 * Moves conn to the state next.  Nothing else writes conn->state, so its
 * deadline and what it waits for cannot disagree.  The leader puts it into
 * the list of that state when it has to wait there, not before.
 */
static void
enter(struct loop *loop, struct connection *conn, enum connection_state next)
{
	if (conn->state == next)
		return;
	conn->state = (uint8_t)next;
	conn->begun = conn->since = loop_now(loop);
	conn->bytes = 0;
}

/* ------------------------------------------------------------------ ending */

/*
 * Has the kernel end the connection by a reset: a reply that only the end of
 * the connection delimits must not look whole when it is not.
 */
static void
set_reset(const struct connection *conn, bool on)
{
	const struct linger now = { .l_onoff = on, .l_linger = 0 };

	(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void
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

void
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

static enum next
end(struct loop *loop, struct connection *conn)
{
	drive_end(loop, conn);
	return NEXT_LEFT;
}

/*
 * Closing with input unread would have the kernel send a reset, which can
 * overtake the reply: so read on for a while (RFC 9112, section 9.6).
 */
static enum next
linger(struct loop *loop, struct connection *conn)
{
	loop_exchange_end(loop, conn);
	if (shutdown(conn->fd, SHUT_WR) == -1)
		return end(loop, conn);
	enter(loop, conn, CONNECTION_LINGERING);
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
			return end(loop, conn);
		conn->since = loop_now(loop);
	}
	loop_return(loop, conn);	/* others have a turn */
	return NEXT_LEFT;
}

/* --------------------------------------------------------------- receiving */

static enum next
run(struct loop *loop, struct connection *conn)
{
	enter(loop, conn, CONNECTION_HANDLING);
	if (!loop->strategy->start(loop, conn))
		return NEXT_LEFT;
	enter(loop, conn, CONNECTION_DRAINING);
	return send_reply(loop, conn);
}

static enum framing
spool(struct loop *loop, struct exchange *exchange)
{
	struct thread *self = thread_self;
	enum framing framing;

	step_begin(loop, self);
	framing = loop->protocol->spool(exchange);
	(void)step_end(loop, self);
	return framing;
}

/*
 * An interim reply is short, and nothing is before it in the socket.  It is no
 * part of the reply: that may still be any, an error too.
 */
static bool
send_interim(struct connection *conn)
{
	struct output *output = &conn->exchange->output;

	if (output_is_empty(output))
		return true;
	if (output_send(output, conn->fd) != SENT_ALL)
		return false;
	output->sent = 0;
	return true;
}

static enum next
frame(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;
	enum framing framing = loop->protocol->frame(exchange);

	while (framing == FRAMING_SPOOL)
		framing = spool(loop, exchange);
	switch (framing) {
	case FRAMING_HEAD:
		if (exchange->input.end > exchange->input.start)
			enter(loop, conn, CONNECTION_HEAD);
		return NEXT_GO;
	case FRAMING_BODY:
	case FRAMING_SPOOL:
		enter(loop, conn, CONNECTION_BODY);
		if (!send_interim(conn))
			return end(loop, conn);
		return NEXT_GO;
	case FRAMING_WHOLE:
		return run(loop, conn);
	case FRAMING_REPLY:
		enter(loop, conn, CONNECTION_DRAINING);
		return send_reply(loop, conn);
	case FRAMING_END:
		break;
	}
	return end(loop, conn);
}

/* Behind the header of a proxy its client is as any other. */
static enum next
frame_proxy(struct loop *loop, struct connection *conn)
{
	const struct input *input = &conn->exchange->input;

	switch (proxied_read(loop, conn)) {
	case PROXIED_MORE:
		return NEXT_GO;
	case PROXIED_BAD:
		return end(loop, conn);
	case PROXIED_DONE:
		break;
	}
	if (!accept_admit(loop, conn))
		return NEXT_LEFT;
	enter(loop, conn, CONNECTION_IDLE);
	if (input->start < input->end || loop->protocol->speaks_first)
		return frame(loop, conn);
	loop_exchange_end(loop, conn);
	return NEXT_GO;
}

/* The client will send no more: what it began is no request. */
static enum next
half_closed(struct loop *loop, struct connection *conn)
{
	/* Without a byte it is a look at whether the port is open. */
	if (conn->state == CONNECTION_PROXY && conn->exchange->input.end > 0)
		proxied_complain(loop, conn, "is cut off");
	conn->is_eof = true;
	return end(loop, conn);
}

static enum next
nothing_there(struct loop *loop, struct connection *conn)
{
	if (conn->state == CONNECTION_IDLE ||
	    (conn->state == CONNECTION_PROXY &&
	    conn->exchange->input.end == 0))
		loop_exchange_end(loop, conn);
	return NEXT_WAIT;
}

/* Whether reading has to wait for memory that other clients have. */
static bool
has_to_pause(const struct loop *loop, const struct exchange *exchange)
{
	if (!memory_is_short(&loop->memory))
		return false;
	return exchange == NULL || !input_has_room(&exchange->input,
	    exchange->input.wanted > 0 ? exchange->input.wanted : 1);
}

static enum next
receive(struct loop *loop, struct connection *conn)
{
	unsigned ready = atomic_load_explicit(&conn->ready,
	    memory_order_relaxed);
	struct exchange *exchange = conn->exchange;
	struct input *input;
	size_t room;
	ssize_t n;

	if ((ready & (POLLER_READ | POLLER_HANGUP)) == 0)
		return NEXT_WAIT;
	if (has_to_pause(loop, exchange)) {
		loop_pause(loop, conn);
		return NEXT_LEFT;
	}
	if (exchange == NULL && (exchange = loop_exchange(loop, conn)) == NULL)
		return end(loop, conn);
	input = &exchange->input;
	room = input->wanted > 0 ? input->wanted : 1;
	if (!input_is_ready(input, room) && input_reserve(input, room) == -1)
		return end(loop, conn);
	room = input->size - input->end;
	/* Cleared before the call: what comes after it sets it again. */
	connection_clear(conn, POLLER_READ, thread_self->leads);
	do
		n = bare_recv(conn->fd, input->data + input->end, room, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return nothing_there(loop, conn);
	if (n == -1)
		return end(loop, conn);
	if (n == 0)
		return half_closed(loop, conn);
	input->end += (size_t)n;
	conn->bytes += (uint64_t)n;
	conn->since = loop_now(loop);
	if ((size_t)n == room)		/* else the socket is empty */
		atomic_fetch_or(&conn->ready, POLLER_READ);
	if (conn->state == CONNECTION_PROXY)
		return frame_proxy(loop, conn);
	return frame(loop, conn);
}

/* ----------------------------------------------------------------- sending */

/* The next request may be there already. */
static enum next
next_request(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;

	if (exchange->input.start == exchange->input.end) {
		loop_exchange_end(loop, conn);
		enter(loop, conn, CONNECTION_IDLE);
		return NEXT_WAIT;
	}
	exchange_reset(exchange);
	input_compact(&exchange->input);
	loop->protocol->begin(exchange);
	enter(loop, conn, CONNECTION_IDLE);
	if (conn->requests % TURN == 0) {
		loop_return(loop, conn);
		if (!thread_self->leads)
			loop_kick(loop);
		return NEXT_LEFT;
	}
	return frame(loop, conn);
}

static bool
has_input(const struct connection *conn)
{
	const struct input *input = &conn->exchange->input;

	return input->start < input->end || (atomic_load_explicit(
	    &conn->ready, memory_order_relaxed) & POLLER_READ) != 0;
}

static enum next
sent_all(struct loop *loop, struct connection *conn)
{
	struct exchange *exchange = conn->exchange;

	if (exchange->is_cut)
		return end(loop, conn);
	drive_disarm(conn);
	conn->requests++;
	conn->hops = 0;
	loop->protocol->done(exchange, OUTCOME_SENT);
	exchange->is_done = true;
	if (!exchange->is_close && !loop_is_shut(loop))
		return next_request(loop, conn);
	if ((exchange->is_unread || has_input(conn)) && !conn->is_eof)
		return linger(loop, conn);
	return end(loop, conn);
}

static enum sent
send_some(struct loop *loop, struct connection *conn)
{
	struct output *output = &conn->exchange->output;
	struct thread *self = thread_self;
	enum sent sent;

	if (loop->protocol->send != NULL)
		return packets_send(loop, conn);
	if (!output_has_file(output))
		return output_send(output, conn->fd);
	step_begin(loop, self);		/* the file may not be in memory */
	sent = output_send(output, conn->fd);
	(void)step_end(loop, self);
	return sent;
}

static enum next
send_reply(struct loop *loop, struct connection *conn)
{
	const uint64_t before = conn->exchange->output.sent;
	enum sent sent = send_some(loop, conn);

	if (sent == SENT_PART) {
		/* Cleared, then tried again: no edge can get lost between. */
		connection_clear(conn, POLLER_WRITE, thread_self->leads);
		sent = send_some(loop, conn);
	}
	if (conn->exchange->output.sent != before)
		conn->since = loop_now(loop);
	switch (sent) {
	case SENT_ALL:
		return sent_all(loop, conn);
	case SENT_PART:
		connection_note_untaken(conn);
		if (conn->exchange->ends_by_close)
			drive_arm(conn);
		return NEXT_WAIT;
	case SENT_FAILED:
		break;
	}
	conn->exchange->is_broken = errno == ENODATA &&
	    conn->exchange->ends_by_close;
	return end(loop, conn);
}

/*
 * Waits until the socket is ready; false after limit ms.  Such waiting is the
 * client's doing, so it is no time of the handler's.
 */
static bool
wait_for(struct exchange *exchange, short events, unsigned limit)
{
	struct connection *conn = exchange->conn;
	struct pollfd wait = { .fd = conn->fd, .events = events };
	uint64_t begun = clock_ms();
	int n;

	if (events == POLLOUT)
		connection_note_untaken(conn);
	do {
		handler_progress(exchange->loop, exchange->thread);
		n = poll(&wait, 1, WAIT_LOOK);
		if (n == 0 && events == POLLOUT && connection_has_taken(conn))
			begun = clock_ms();
		if (n == 0 && limit != 0 && clock_ms() - begun >= limit) {
			errno = ETIMEDOUT;
			return false;
		}
	} while (n == 0 || (n == -1 && errno == EINTR));
	return n == 1;
}

ssize_t
drive_pull(struct exchange *exchange, void *data, size_t size,
    unsigned limit, bool look)
{
	const int flags = MSG_DONTWAIT | (look ? MSG_PEEK : 0);
	struct connection *conn = exchange->conn;
	struct claim *claim = handler_claim(exchange->loop, exchange->thread);
	ssize_t n;

	/* What was sent before was only to ask for the body. */
	if (claim != NULL && exchange->output.sent == 0)
		claim_sent_none(claim);
	for (;;) {
		n = recv(conn->fd, data, size, flags);
		if (n > 0) {
			handler_progress(exchange->loop, exchange->thread);
			/* The poller told of what is now taken, or of more. */
			atomic_fetch_or(&conn->ready, POLLER_READ);
			return n;
		}
		if (n == 0)
			return 0;
		if (errno == EAGAIN && !wait_for(exchange, POLLIN, limit))
			return -1;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
	}
}

int
drive_push(struct exchange *exchange, bool wait)
{
	struct connection *conn = exchange->conn;
	const uint64_t before = exchange->output.sent;
	struct claim *claim = handler_claim(exchange->loop, exchange->thread);

	if (claim != NULL && !claim_send(claim)) {
		errno = EPIPE;		/* its client was told otherwise */
		return -1;
	}
	if (exchange->ends_by_close)
		drive_arm(conn);
	for (;;) {
		const enum sent sent = output_send(&exchange->output,
		    conn->fd);

		/* A handler that moves bytes is not stuck. */
		if (exchange->output.sent != before)
			handler_progress(exchange->loop, exchange->thread);
		switch (sent) {
		case SENT_ALL:
			/* Its file may be begun anew. */
			if (exchange->output.spool.length > 0)
				spool_end(&exchange->output.spool);
			return 0;
		case SENT_FAILED:
			if (errno == ECONNRESET)
				errno = EPIPE;	/* it is gone either way */
			return -1;
		case SENT_PART:
			if (!wait)
				return 0;
			if (!wait_for(exchange, POLLOUT,
			    exchange->loop->settings->send_timeout))
				return -1;
			break;
		}
	}
}

/* --------------------------------------------------------------- deadlines */

/* Until its time a stop leaves it as long as an idle connection. */
static void
expire_proxy(struct loop *loop, struct connection *conn)
{
	const unsigned most = loop->settings->header_timeout;
	const bool is_late = most != 0 && loop_now(loop) - conn->begun >= most;

	if (is_late)
		proxied_complain(loop, conn, "does not come");
	if (is_late || loop->end_seen >= LOOP_SHUTS ||
	    (loop->end_seen == LOOP_DRAINS && loop_now(loop) >=
	    loop->end_since + loop->settings->drain_idle))
		drive_end(loop, conn);
	else
		drive(loop, conn);
}

static void
expire_idle(struct loop *loop, struct connection *conn)
{
	uint64_t due = conn->since + loop->settings->keep_alive;

	if (loop->end_seen == LOOP_DRAINS)
		due = loop->end_since + loop->settings->drain_idle;
	if (due <= loop_now(loop) || loop->end_seen >= LOOP_SHUTS)
		drive_end(loop, conn);
	else
		drive(loop, conn);
}

/*
 * Whether a head or a body still comes fast enough: a head at the minimum
 * rate has twice its time in all, a body as long as it takes.
 */
static bool
comes(const struct loop *loop, const struct connection *conn)
{
	const struct settings *settings = loop->settings;
	const uint64_t past = loop_now(loop) - conn->begun;
	const uint64_t silent = loop_now(loop) - conn->since;
	const uint64_t first = conn->state == CONNECTION_HEAD
	    ? settings->header_timeout : settings->body_timeout;

	if (past < first)
		return true;
	if (conn->state == CONNECTION_BODY && silent >= first)
		return false;
	if (conn->state == CONNECTION_HEAD && past >= 2 * first)
		return false;
	return conn->bytes * 1000 >= settings->minimum_rate * (past - first) &&
	    silent < first;
}

static void
expire_request(struct loop *loop, struct connection *conn)
{
	if (comes(loop, conn)) {
		drive(loop, conn);
		return;
	}
	conn->exchange->is_close = true;
	loop->protocol->late(conn->exchange);
	if (output_is_empty(&conn->exchange->output)) {
		drive_end(loop, conn);
		return;
	}
	conn->exchange->is_unread = true;
	enter(loop, conn, CONNECTION_DRAINING);
	atomic_fetch_or(&conn->ready, POLLER_WRITE);
	drive(loop, conn);
}

static void
expire_sending(struct loop *loop, struct connection *conn)
{
	if (loop_now(loop) - conn->since < loop->settings->send_timeout) {
		drive(loop, conn);
		return;
	}
	if (connection_has_taken(conn)) {
		conn->since = loop_now(loop);
		drive(loop, conn);
		return;
	}
	conn->exchange->is_broken = conn->exchange->ends_by_close;
	drive_end(loop, conn);
}

static void
expire_lingering(struct loop *loop, struct connection *conn)
{
	const struct settings *settings = loop->settings;
	const uint64_t now = loop_now(loop);

	if (now - conn->since >= settings->linger_read ||
	    now - conn->begun >= settings->linger_limit ||
	    loop->end_seen > LOOP_MOVES)
		drive_end(loop, conn);
	else
		drive(loop, conn);
}

void
drive_expired(struct loop *loop, struct connection *conn)
{
	states[conn->state].expired(loop, conn);
}

/* ----------------------------------------------------------------- driving */

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
		return end(loop, conn);
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
		go_on(loop, conn, run(loop, conn));
	else if (conn->state == CONNECTION_IDLE && conn->exchange != NULL)
		go_on(loop, conn, frame(loop, conn));
	else
		go_on(loop, conn, NEXT_GO);
	thread_self->driven = NULL;
}

void
drive_handled(struct loop *loop, struct connection *conn)
{
	thread_self->driven = conn;
	enter(loop, conn, CONNECTION_DRAINING);
	go_on(loop, conn, send_reply(loop, conn));
	thread_self->driven = NULL;
}
