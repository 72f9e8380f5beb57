/* SPDX-License-Identifier: ISC */
/*
 * Accepting, evenly over the workers that share the listeners.
 *
 * An exclusive wake-up alone would give all connections to one worker.  So a
 * worker that has more than the mean and one takes its listeners out of its
 * poll set.  While they are out it waits a few milliseconds at most; then it
 * puts them back and is obliged to accept one, or clients whose other workers
 * are stopped would wait for ever.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "listener.h"
#include "loop.h"
#include "server.h"

#define PAUSE	2	/* ms that the listeners stay out of the poll set */
#define REST	100	/* ms without accepting when descriptors ran out */
#define STUCK	10	/* ms: a busy worker that has no turns is not counted */
#define FEW	16	/* clients for each worker that wait are no crowd */
#define LOOK	10	/* ms between two looks at what the others have */

/* ------------------------------------------------------------- who accepts */

static bool
takes_part(const struct worker_line *line, uint64_t now)
{
	const unsigned state = atomic_load_explicit(&line->state,
	    memory_order_relaxed);
	const uint64_t turn = atomic_load_explicit(&line->turn,
	    memory_order_relaxed);

	if (state == WORKER_FULL)
		return now < turn + STUCK;
	return state == WORKER_IDLE || state == WORKER_BUSY;
}

/* How many wait to be accepted, beyond what the careful way soon takes. */
static uint64_t
crowd(const struct loop *loop, uint64_t workers)
{
	uint64_t count = 0;

	for (size_t i = 0; i < loop->listener_count; i++)
		count += listener_waiting(&loop->listeners[i]);
	return count > workers * FEW ? count - workers * FEW : 0;
}

/*
 * Whether this worker has no more than its share, and one; with a single
 * connection it never has more.  A crowd that waits to be accepted counts, so
 * that each worker takes its part of it without a pause.
 */
static bool
has_room(const struct loop *loop)
{
	const struct scoreboard *board = loop->board;
	const uint64_t now = loop_now(loop);
	uint64_t sum = 0, workers = 0;

	if (board->workers == 1 ||
	    (loop->table.count <= 1 && loop->table.count < loop->table.size))
		return true;
	for (unsigned i = 0; i < board->workers; i++) {
		const struct worker_line *line = &board->lines[i];
		const int count = atomic_load_explicit(&line->connections,
		    memory_order_relaxed);

		if (i != loop->index && !takes_part(line, now))
			continue;
		sum += count > 0 ? (uint64_t)count : 0;
		workers++;
	}
	if (loop->table.count >= loop->table.size)
		return sum >= workers * loop->table.size;
	return loop->table.count * workers <= sum + workers ||
	    loop->table.count * workers < sum + crowd(loop, workers);
}

static void
unpoll_listeners(struct loop *loop)
{
	if (!loop->is_accepting)
		return;
	loop->is_accepting = false;
	for (size_t i = 0; i < loop->listener_count; i++)
		loop_unwatch(loop, &loop->listeners[i].source);
}

/*
 * One of the workers is woken for a connection.  For a datagram all are: the
 * one that was woken may leave it there, for it has begun a handler meanwhile.
 */
static void
poll_listeners(struct loop *loop)
{
	const unsigned shared = loop->protocol->receive == NULL
	    ? POLLER_SHARED : 0;

	if (loop->is_accepting)
		return;
	loop->is_accepting = true;
	for (size_t i = 0; i < loop->listener_count; i++) {
		struct source *source = &loop->listeners[i].source;

		if (poller_add(loop->poller, source->fd,
		    (uint64_t)(uintptr_t)source,
		    POLLER_READ | POLLER_LEVEL | shared, NULL) == -1) {
			/* The kernel has no memory for it: later, then. */
			unpoll_listeners(loop);
			loop->accept_after = loop_now(loop) + REST;
			return;
		}
	}
}

static void
rest(struct loop *loop, unsigned ms)
{
	unpoll_listeners(loop);
	loop->is_obliged = false;
	loop->accept_after = loop_now(loop) + ms;
}

/*
 * The lines of all workers are in the caches of those who write them: they
 * are not looked at in each turn, but when this worker has more connections
 * or fewer, and now and then.
 */
static bool
has_to_look(const struct loop *loop)
{
	return loop->table.count != loop->balanced ||
	    loop_now(loop) >= loop->balance_after;
}

/* Whoever has a handler free looks for datagrams. */
static void
balance_packets(struct loop *loop)
{
	if (!packets_are_wanted(loop))
		unpoll_listeners(loop);
	else if (loop_now(loop) >= loop->accept_after)
		poll_listeners(loop);
}

void
accept_balance(struct loop *loop)
{
	if (loop->protocol->receive != NULL) {
		balance_packets(loop);
		return;
	}
	if (loop->end_seen != LOOP_RUNS || loop->listener_count == 0 ||
	    loop->accept_limit == 0 || loop->is_obliged)
		return;
	if (!loop->is_accepting && loop_now(loop) >= loop->accept_after) {
		poll_listeners(loop);
		loop->is_obliged = loop->is_accepting && !has_room(loop);
	} else if (loop->is_accepting && has_to_look(loop)) {
		loop->balanced = loop->table.count;
		loop->balance_after = loop_now(loop) + LOOK;
		if (!has_room(loop))
			rest(loop, PAUSE);
	}
}

int
accept_patience(const struct loop *loop)
{
	const uint64_t now = loop_now(loop);

	if (loop->is_emptying)
		return 0;
	if (loop->is_accepting || loop->end_seen != LOOP_RUNS ||
	    loop->listener_count == 0 || loop->accept_limit == 0)
		return -1;
	if (loop->protocol->receive != NULL && !packets_are_wanted(loop))
		return -1;
	return loop->accept_after > now ? (int)(loop->accept_after - now) : 0;
}

/* --------------------------------------------------------------- accepting */

/*
 * Says that there is no room.  What the client has sent is read first, or the
 * close would make a reset of it that overtakes the reply.
 */
static void
turn_away(const struct loop *loop, int fd)
{
	char waste[4096];
	size_t length = 0;
	const char *text = loop->protocol->full(loop, &length);

	if (fd == -1)
		return;
	(void)recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
	if (text != NULL)
		(void)send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
	descriptor_close(fd);
}

/* The client that has been idle for longest makes room for a new one. */
static void
evict_idle(struct loop *loop)
{
	struct connection *conn;

	TAILQ_FOREACH(conn, &loop->lists[CONNECTION_IDLE], entry) {
		if (!connection_take(conn, 0))
			continue;
		if ((atomic_load_explicit(&conn->ready, memory_order_relaxed) &
		    POLLER_READ) == 0 && conn->exchange == NULL &&
		    conn->requests > 0) {
			drive_end(loop, conn);
			return;
		}
		connection_clear(conn, CONNECTION_OWNED, true);
	}
}

/* Whether one address has all the connections that it may have. */
static bool
has_enough(const struct loop *loop, const struct connection *conn)
{
	const unsigned most = loop->settings->max_per_client;
	const struct peer *peer = &conn->peer;
	unsigned count = 0;

	if (most == 0 || peer->family == AF_UNIX)
		return false;
	for (uint32_t i = 0; i < loop->table.used; i++) {
		const struct connection *other = &loop->table.entries[i];

		/* Whose a proxy's connection will be nobody knows yet. */
		count += other->is_admitted && other != conn &&
		    peer_has_host_of(&other->peer, peer);
	}
	return count >= most;
}

/*
 * No descriptor is left for a client: the reserve is given up to take it and
 * tell it so, and then nobody is taken for a while.
 */
static void
shed(struct loop *loop, int listener)
{
	int fd;

	descriptor_close(loop->reserve);
	/* cppcheck-suppress nullPointer ; nobody asks for the address */
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	turn_away(loop, fd);
	loop->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rest(loop, REST);
}

static bool
is_welcome(struct loop *loop, const struct peer *peer)
{
	return loop->verify == NULL || loop->verify(loop->server, peer);
}

bool
accept_admit(struct loop *loop, struct connection *conn)
{
	const bool is_known = is_welcome(loop, &conn->peer);

	conn->is_admitted = is_known && !has_enough(loop, conn);
	if (conn->is_admitted)
		return true;
	if (is_known)
		turn_away(loop, dup(conn->fd));
	drive_end(loop, conn);
	return false;
}

/* The peers whose connections begin with a PROXY header. */
static bool
is_proxy(const struct loop *loop, const struct peer *peer)
{
	const struct network_list *proxies = &loop->settings->proxies;

	return proxies->count > 0 &&
	    network_list_has(proxies, peer->family, &peer->host);
}

static void
welcome(struct loop *loop, const struct listener *listener, int fd,
    const struct sockaddr *address)
{
	struct connection *conn;
	unsigned ready = 0;

	if (loop->table.count >= loop->table.size)
		evict_idle(loop);
	conn = connection_new(&loop->table, fd);
	if (conn == NULL) {
		turn_away(loop, fd);
		return;
	}
	atomic_store_explicit(&loop->line->connections,
	    (int)loop->table.count, memory_order_relaxed);
	atomic_fetch_add_explicit(&loop->line->accepted, 1,
	    memory_order_relaxed);
	peer_set(&conn->peer, address, fd);
	conn->listener = (uint16_t)(listener - loop->listeners);
	conn->since = conn->begun = loop_now(loop);
	if (is_proxy(loop, &conn->peer))
		conn->state = CONNECTION_PROXY;	/* admitted later, or not */
	else if (!accept_admit(loop, conn))
		return;
	if (listener->is_deferred)
		ready = POLLER_READ;	/* it has spoken already */
	atomic_store(&conn->ready, CONNECTION_OWNED | ready);
	/* With an exchange it is framed without a byte. */
	if (loop->protocol->speaks_first && conn->state == CONNECTION_IDLE &&
	    loop_exchange(loop, conn) == NULL)
		drive_end(loop, conn);
	else
		drive(loop, conn);
}

/* False when there was nobody. */
static bool
accept_one(struct loop *loop, const struct listener *listener)
{
	union {
		struct sockaddr		any;
		struct sockaddr_storage	storage;
	} address;
	socklen_t length = sizeof(address);
	int fd;

	fd = accept4(listener->source.fd, &address.any, &length,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			shed(loop, listener->source.fd);
		return errno == ECONNABORTED || errno == EINTR;
	}
	loop->is_obliged = false;
	if (loop->accept_limit != UINT32_MAX && --loop->accept_limit == 0)
		unpoll_listeners(loop);
	welcome(loop, listener, fd, &address.any);
	return true;
}

void
accept_ready(struct loop *loop, struct source *source, unsigned events)
{
	(void)events;
	/* If nobody is there another worker was quicker. */
	if (loop->accept_limit > 0)
		(void)accept_one(loop, (struct listener *)source);
}

void
accept_end(struct loop *loop, unsigned turns)
{
	assert(loop_leads(loop));
	unpoll_listeners(loop);
	loop->emptying_left = turns;
	/* Replies go out by the sockets that datagrams come in by. */
	loop->is_emptying = turns > 0 && loop->accept_limit > 0 &&
	    loop->protocol->receive == NULL;
}

/*
 * A balancer would find the port open as long as one copy is: in a worker,
 * and in a program that serves alone, they are of no more use.
 */
static void
close_listeners(struct loop *loop)
{
	if (!loop->server->is_program)
		return;
	for (size_t i = 0; i < loop->listener_count; i++)
		listener_close(&loop->listeners[i],
		    loop->settings->workers == 0);
}

void
accept_rest(struct loop *loop)
{
	bool found = false;

	for (size_t i = 0; loop->is_emptying && i < loop->listener_count;
	    i++) {
		found |= accept_one(loop, &loop->listeners[i]);
		if (!thread_self->leads)
			return;
	}
	if (found && --loop->emptying_left > 0)
		return;
	loop->is_emptying = false;
	close_listeners(loop);
}
