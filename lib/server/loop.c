/* SPDX-License-Identifier: ISC */
/*
 * The turn of the loop: wait, look at what is ready, look at what is late.
 * What a connection does next is drive.c's affair, who may lead is step.c's.
 */
#include <sys/eventfd.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/cold.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "crash.h"
#include "handover.h"
#include "listener.h"
#include "loop.h"
#include "server.h"

#define LOG_DELAY	100	/* ms that a line of a log may wait */
#define MOVE_AGAIN	5	/* ms until a hand-over is tried once more */
#define LAST_TURNS	32	/* of accepting, in a worker that leaves */
#define SHARED_LOOK	500	/* ms: a listener may have woken one that died */
#define HELD_LOOK	10	/* ms between two tries to send for children */
#define PAUSED_LOOK	100	/* ms between two looks for memory */
#define TICK		1000	/* ms: four looks at what runs long */
#define LATE		1000	/* ms: the process itself was held up */

_Thread_local struct thread *thread_self;

/* ------------------------------------------------------- what it waits for */

static void
kicked(struct loop *loop, struct source *source, unsigned events)
{
	uint64_t count;

	(void)events;
	(void)!read(source->fd, &count, sizeof(count));
	atomic_store(&loop->is_kicked, false);
}

void
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

/* ------------------------------------------------------ lists and the table */

static struct connection_list *
list_of(struct loop *loop, const struct connection *conn)
{
	return &loop->lists[conn->list];
}

/*
 * How long a connection of that list may stand in it.  Idle connections have
 * less when the loop is ending.
 */
static unsigned
patience_of(const struct loop *loop, unsigned list)
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
	const unsigned patience = patience_of(loop, list);

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

void
loop_unpoll(struct loop *loop, struct connection *conn)
{
	assert(loop_leads(loop));
	if (conn->is_polled)
		poller_remove(loop->poller, conn->fd);
	conn->is_polled = conn->is_polled_write = false;
}

static void
push(_Atomic(struct connection *) *list, struct connection *conn)
{
	struct connection *first = atomic_load(list);

	do
		conn->returned = first;
	while (!atomic_compare_exchange_weak(list, &first, conn));
}

void
loop_return(struct loop *loop, struct connection *conn)
{
	push(&loop->returned, conn);
}

void
loop_pause(struct loop *loop, struct connection *conn)
{
	push(&loop->paused, conn);
}

static bool
has_returned(const struct loop *loop)
{
	return loop->returning != NULL || atomic_load_explicit(
	    &loop->returned, memory_order_relaxed) != NULL;
}

static struct connection *
take_first(struct connection **list)
{
	struct connection *conn = *list;

	if (conn != NULL)
		*list = conn->returned;
	return conn;
}

/*
 * The list is the loop's: if a handler takes the loop away the next leader
 * goes on with it, and if one crashes the others are not lost with it.
 */
static bool
take_returned(struct loop *loop, struct thread *self)
{
	struct connection *conn, *next;

	if (!has_returned(loop))
		return true;
	if (loop->returning == NULL) {
		conn = atomic_exchange(&loop->returned, NULL);
		for (; conn != NULL; conn = next) {
			next = conn->returned;	/* the last came first */
			conn->returned = loop->returning;
			loop->returning = conn;
		}
	}
	while (self->leads && !crash_is_there() &&
	    (conn = take_first(&loop->returning)) != NULL) {
		if (conn->state == CONNECTION_ENDING)
			loop_forget(loop, conn);
		else
			drive(loop, conn);
	}
	return self->leads;
}

void
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

struct exchange *
loop_exchange(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;
	struct exchange *exchange = self->kept;

	if (exchange != NULL) {
		self->kept = NULL;
	} else {
		(void)pthread_mutex_lock(&loop->pool_lock);
		exchange = exchange_get(&loop->pool);
		(void)pthread_mutex_unlock(&loop->pool_lock);
	}
	if (exchange == NULL)
		return NULL;
	exchange->conn = conn;
	exchange->loop = loop;
	exchange->output.memory_limit = loop->settings->reply_memory;
	exchange->output.spool_limit = loop->settings->reply_spool;
	exchange->output.spool.space = &loop->space;
	exchange->body.space = &loop->space;
	conn->exchange = exchange;
	loop->protocol->begin(exchange);
	return exchange;
}

void
loop_exchange_end(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;
	struct exchange *exchange = conn->exchange;

	conn->exchange = NULL;
	if (self->kept == NULL && exchange->input.data == exchange->input.own) {
		exchange_reset(exchange);
		exchange->input.start = exchange->input.end = 0;
		exchange->input.wanted = 0;
		self->kept = exchange;
		return;
	}
	(void)pthread_mutex_lock(&loop->pool_lock);
	exchange_put(&loop->pool, exchange);
	(void)pthread_mutex_unlock(&loop->pool_lock);
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

/* --------------------------------------------------------------- deadlines */

/*
 * The lists are lazy: activity only stores its time in the connection.  When
 * the first of a list is due by its place there and yet not late by its own
 * time, it goes to the end; so each list stays ordered by place, and only its
 * head has to be looked at.
 */
static void
expire_list(struct loop *loop, unsigned list)
{
	const unsigned patience = patience_of(loop, list);
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

static void
expire(struct loop *loop)
{
	if (loop_now(loop) < loop->due)
		return;
	for (unsigned list = 0; list < CONNECTION_STATES; list++) {
		if (!thread_self->leads)
			return;
		if (list != CONNECTION_PENDING && patience_of(loop, list) != 0)
			expire_list(loop, list);
	}
	if (thread_self->leads)
		find_next_deadline(loop);
}

static bool
has_paused(const struct loop *loop)
{
	return loop->resuming != NULL || atomic_load_explicit(&loop->paused,
	    memory_order_relaxed) != NULL;
}

/*
 * What was not read for want of memory is tried again, or is too late by now:
 * nobody else looks at it.
 */
static void
resume_paused(struct loop *loop)
{
	struct connection *conn;

	if (!has_paused(loop) || (memory_is_short(&loop->memory) &&
	    loop_now(loop) - loop->resumed < PAUSED_LOOK))
		return;
	loop->resumed = loop_now(loop);
	if (loop->resuming == NULL)
		loop->resuming = atomic_exchange(&loop->paused, NULL);
	while (thread_self->leads && !crash_is_there() &&
	    (conn = take_first(&loop->resuming)) != NULL)
		drive_expired(loop, conn);
}

/* -1 is for ever, and without its sign later than all. */
static inline int
sooner(int a, int b)
{
	return (unsigned)b < (unsigned)a ? b : a;
}

/* When the next deadline of a list is due, or -1. */
static int
next_deadline(const struct loop *loop)
{
	const uint64_t now = loop_now(loop);

	if (loop->due == UINT64_MAX)
		return -1;
	if (loop->due <= now)
		return 0;
	return loop->due - now < INT_MAX ? (int)(loop->due - now) : INT_MAX;
}

/* ------------------------------------------------------------------ ending */

void
loop_end(struct loop *loop, enum loop_end how)
{
	int before = atomic_load(&loop->end_wanted);

	while (before < (int)how && !atomic_compare_exchange_weak(
	    &loop->end_wanted, &before, (int)how))
		;
	loop_kick(loop);
}

/* Has each connection of a list looked at, as if its time had come. */
static void
end_list(struct loop *loop, enum connection_state list)
{
	struct connection_list *idle = &loop->lists[list];
	struct connection *conn, *last = TAILQ_LAST(idle, connection_list);

	while ((conn = TAILQ_FIRST(idle)) != NULL) {
		const bool is_taken = connection_take(conn, 0);

		TAILQ_REMOVE(idle, conn, entry);
		TAILQ_INSERT_TAIL(idle, conn, entry);
		conn->placed = loop_now(loop);
		if (is_taken)
			drive_expired(loop, conn);
		if (conn == last || !thread_self->leads)
			break;
	}
}

/* Their patience has changed, and begins now. */
static void
place_anew(struct loop *loop, enum connection_state list)
{
	struct connection *conn;

	TAILQ_FOREACH(conn, &loop->lists[list], entry)
		conn->placed = loop_now(loop);
}

/* How long what is in hand may still take, or -1 if there is no limit. */
static int
grace_left(const struct loop *loop)
{
	const unsigned grace = loop->settings->graceful_timeout;
	const uint64_t past = loop_now(loop) - loop->end_since;

	if (loop->end_seen == LOOP_RUNS || loop->end_seen == LOOP_QUITS ||
	    grace == 0)
		return -1;
	return past < grace ? (int)(grace - past) : 0;
}

/* What is in hand when the time is over.  A master says it itself. */
static void
log_cut(const struct loop *loop)
{
	char client[64], request[256];

	for (unsigned i = 0; i < loop->board->handlers; i++) {
		const uint64_t since = handler_line_read(scoreboard_handler(
		    loop->board, loop->index, i), client, request);

		if (since != 0)
			server_log(loop->server, TINE_LOG_WARNING, "cut off: "
			    "client %s, request \"%s\", for %llu ms", client,
			    request, (unsigned long long)(loop_now(loop) -
			    since));
	}
}

static void
note_end(struct loop *loop)
{
	enum loop_end wanted = (enum loop_end)atomic_load(&loop->end_wanted);

	if (wanted == LOOP_RUNS)
		return;
	if (grace_left(loop) == 0) {
		wanted = LOOP_QUITS;
		if (loop->server->control == -1)
			log_cut(loop);
	}
	if (wanted == loop->end_seen)
		return;
	if (loop->end_seen == LOOP_RUNS)
		worker_line_state(loop->line, WORKER_LEAVING,
		    loop_now(loop));
	loop->end_since = loop_now(loop);
	/*
	 * The wake-up for a client may have come to this worker alone, so one
	 * that leaves others behind takes some, too.
	 */
	accept_end(loop, wanted == LOOP_DRAINS ? UINT_MAX
	    : wanted == LOOP_MOVES ? LAST_TURNS : 0);
	loop->end_seen = wanted;
	loop->due = 0;			/* patience is another one now */
	if (wanted == LOOP_MOVES)
		return;
	atomic_store(&loop->line->is_closing, 1);
	place_anew(loop, CONNECTION_LINGERING);
	if (wanted >= LOOP_SHUTS) {
		end_list(loop, CONNECTION_PROXY);
		end_list(loop, CONNECTION_IDLE);
	} else {
		place_anew(loop, CONNECTION_PROXY);
		place_anew(loop, CONNECTION_IDLE);
	}
}

static bool
has_ended(const struct loop *loop)
{
	if (loop->accept_limit == 0 && loop->table.count == 0)
		return true;
	if (loop->accept_until != 0 && loop->accept_limit > 0 &&
	    loop_now(loop) >= loop->accept_until)
		return true;
	return loop->end_seen != LOOP_RUNS &&
	    ((loop->table.count == loop->written_off && !loop->is_emptying) ||
	    loop->end_seen == LOOP_QUITS);
}

/* ---------------------------------------------------------------- the turn */

static void
dispatch(struct loop *loop, const struct poller_event *event)
{
	struct connection *conn;

	if ((event->tag & 1) == 0) {
		struct source *source = (struct source *)(uintptr_t)event->tag;

		if (event->ready != 0)
			source->ready(loop, source, event->ready);
		return;
	}
	conn = connection_of_tag(&loop->table, event->tag);
	if (conn != NULL && connection_take(conn, event->ready))
		drive(loop, conn);
}

static void
set_now(struct loop *loop)
{
	const uint64_t now = clock_ms();

	atomic_store_explicit(&loop->now, now, memory_order_relaxed);
	atomic_store_explicit(&loop->line->turn, now, memory_order_relaxed);
}

/*
 * Waits for events.  A process that was stopped itself, or frozen, must judge
 * nobody by the time that went by: clients and handlers have their say first.
 */
static int
wait_for_events(struct loop *loop, int timeout)
{
	const uint64_t before = loop_now(loop);
	int count;

	assert(loop_leads(loop));
	count = poller_wait(loop->poller, loop->events, LOOP_BATCH, timeout);
	set_now(loop);
	if (timeout >= 0 &&
	    loop_now(loop) > before + (unsigned)timeout + LATE) {
		loop->judge_after = loop_now(loop) + LATE;
		if (loop->due < loop->judge_after)
			loop->due = loop->judge_after;
	}
	return count;
}

static bool
is_closed(int fd)
{
	return fd != -1 && fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

/*
 * A handler may have closed what is not its own.  A loop that hears nothing
 * any more serves nobody: it crashes, and its connections go to others.
 */
static void
check_descriptors(struct loop *loop, bool is_broken)
{
	if (!is_broken && (!loop->server->is_program ||
	    loop_now(loop) - loop->checked < TICK))
		return;
	loop->checked = loop_now(loop);
	for (size_t i = 0; i < loop->listener_count; i++)
		is_broken |= is_closed(loop->listeners[i].source.fd);
	if (!is_broken && !is_closed(loop->kick.fd) &&
	    !is_closed(loop->server->control))
		return;
	server_log(loop->server, TINE_LOG_ERROR, "a handler has closed "
	    "descriptors that are not its own: this process cannot go on");
	abort();
}

/* Whether requests come and go, and nothing else is the case. */
static bool
is_usual(const struct loop *loop)
{
	return loop->end_seen == LOOP_RUNS && loop->held == 0 &&
	    loop->accept_until == 0 && !has_paused(loop) &&
	    atomic_load_explicit(&loop->pending, memory_order_relaxed) == 0 &&
	    atomic_load_explicit(&loop->line->busy, memory_order_relaxed) == 0;
}

/* How long the poller may wait for what is else the case. */
static COLD int
unusual_patience(const struct loop *loop, int timeout)
{
	const uint64_t now = loop_now(loop);

	timeout = sooner(timeout, grace_left(loop));
	if (loop->end_seen == LOOP_MOVES || (!thread_self->is_main &&
	    loop->settings->mode == MODE_SINGLE &&
	    atomic_load_explicit(&loop->pending, memory_order_relaxed) > 0))
		timeout = sooner(timeout, MOVE_AGAIN);
	if (loop->held > 0)
		timeout = sooner(timeout, HELD_LOOK);
	if (has_paused(loop))
		timeout = sooner(timeout, PAUSED_LOOK);
	if (loop->accept_until != 0 && loop->accept_limit > 0)
		timeout = sooner(timeout, loop->accept_until > now
		    ? (int)(loop->accept_until - now) : 0);
	if (loop->is_threaded &&
	    atomic_load_explicit(&loop->line->busy, memory_order_relaxed) > 0)
		timeout = sooner(timeout, TICK / 4);
	return timeout;
}

/* How long the poller may wait: until the first thing that is due. */
static int
patience(struct loop *loop, int timeout)
{
	const uint64_t now = loop_now(loop);

	if (has_returned(loop))
		return 0;
	timeout = sooner(timeout, next_deadline(loop));
	timeout = sooner(timeout, accept_patience(loop));
	if (loop->strategy->patience != NULL)
		timeout = sooner(timeout, loop->strategy->patience(loop));
	timeout = sooner(timeout, journal_tick(loop->requests, now,
	    LOG_DELAY));
	timeout = sooner(timeout, journal_tick(loop->errors, now, LOG_DELAY));
	if (!is_usual(loop))
		timeout = unusual_patience(loop, timeout);
	if (loop->board->workers > 1 && loop->end_seen == LOOP_RUNS)
		timeout = sooner(timeout, SHARED_LOOK);
	return sooner(timeout, loop->turn_within);
}

static void
tick(struct loop *loop)
{
	if (loop->strategy->tick == NULL || !thread_self->leads ||
	    loop_now(loop) - loop->ticked < (loop->held > 0 ? HELD_LOOK
	    : TICK / 4))
		return;
	loop->ticked = loop_now(loop);
	loop->strategy->tick(loop);
}

/*
 * Requests that wait may go on: also when this thread has just been given
 * the loop, so this is looked at before waiting, too.
 */
static bool
resume(struct loop *loop, const struct thread *self)
{
	if (!crash_is_there() && atomic_load_explicit(&loop->pending,
	    memory_order_relaxed) > 0)
		loop->strategy->resume(loop);
	return self->leads;
}

bool
loop_turn(struct loop *loop, struct thread *self, int timeout)
{
	if (loop->event_next == loop->event_count) {
		if (!resume(loop, self))
			return false;
		loop->event_next = loop->event_count = 0;
		loop->event_count = wait_for_events(loop,
		    patience(loop, timeout));
		atomic_store_explicit(&loop->turns, loop_turns(loop) + 1,
		    memory_order_relaxed);
		check_descriptors(loop, loop->event_count == -1);
	}
	while (loop->event_next < loop->event_count) {
		if (crash_is_there())
			return false;
		dispatch(loop, &loop->events[loop->event_next++]);
		if (!self->leads || crew_yield(loop, self))
			return false;
	}
	if (crash_is_there() || !resume(loop, self) || !take_returned(loop, self))
		return false;
	if (loop->strategy->settle != NULL)
		loop->strategy->settle(loop);
	note_end(loop);
	expire(loop);
	resume_paused(loop);
	tick(loop);
	if (!self->leads)
		return false;
	if (loop->end_seen == LOOP_MOVES)
		handover_all(loop);
	if (!self->leads)
		return false;
	accept_balance(loop);
	handover_balance(loop);
	if (loop->is_emptying)
		accept_rest(loop);
	if (!self->leads)
		return false;
	if (loop->turned != NULL)
		loop->turned(loop->server);
	return !crew_yield(loop, self);
}

/* Leads until the loop has ended or is led by another thread. */
void
loop_lead(struct loop *loop, struct thread *self)
{
	set_now(loop);
	/* Another thread's step has stalled: that may be news before a turn. */
	if (!self->is_main && loop->server->turned != NULL)
		loop->server->turned(loop->server);
	while (!has_ended(loop) || handover_take_last(loop)) {
		if (crash_is_there()) {
			crash_finish(loop);
			for (;;)	/* the process ends soon */
				(void)pause();
		}
		/* The last one taken may have taken the loop away. */
		if (!self->leads || (!loop_turn(loop, self, -1) &&
		    !(self->leads && crash_is_there())))
			return;
	}
	if (loop->written_off > 0 && loop->server->control != -1)
		server_abandon(loop->server);
}

void
loop_run(struct loop *loop)
{
	struct thread *self = thread_self;

	for (;;) {
		if (self->leads)
			loop_lead(loop, self);
		if (self->leads || !crew_wait(loop, self))
			break;
	}
	journal_flush(loop->requests);
	journal_flush(loop->errors);
}

/* --------------------------------------------------------- opening, closing */

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

static int
open_kick(struct loop *loop)
{
	loop->kick.ready = kicked;
	loop->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->kick.fd == -1)
		return -1;
	return loop_watch(loop, &loop->kick);
}

int
loop_open(struct loop *loop)
{
	static _Thread_local struct thread main_thread;

	for (size_t i = 0; i < CONNECTION_STATES; i++)
		TAILQ_INIT(&loop->lists[i]);
	set_patience(loop);
	set_now(loop);
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
