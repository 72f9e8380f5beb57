/* SPDX-License-Identifier: ISC */
/*
 * Mode fork: a process for each request.  The worker's side: it keeps
 * children forked ahead, sends a whole request to one of them, and gathers
 * the reply, which it sends while the child does the next thing.
 *
 * All of it belongs to the leader of the loop.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "forker.h"
#include "loop.h"
#include "record.h"
#include "server.h"

#define DECAY	1000	/* ms after which fewer spares are wanted again */
#define LOOK	250	/* ms: no ticks come more often */
#define RETRY	((uint64_t)100)	/* ms after which to fork again */
#define DEATHS	6		/* the pause doubles so many times at most */

enum child_state {
	CHILD_SPARE, CHILD_BUSY,
	CHILD_FAILED		/* its socket is closed; its status is not here */
};

struct child {
	struct source		 source;	/* first; its socket */
	TAILQ_ENTRY(child)	 entry;
	enum child_state	 state;
	pid_t			 pid;
	int			 pidfd;		/* -1: none */
	unsigned		 requests;
	unsigned		 slot;		/* on the scoreboard */
	struct connection	*conn;		/* while it is busy */
	uint64_t		 progress;	/* ms; of a spare: its birth */
	bool			 is_failed;	/* ended without END */
	bool			 is_late;	/* killed for its --timeout */
	bool			 is_held;	/* not read: its reply is full */
	bool			 is_flushing;	/* a part has still to go */
	bool			 is_dropped;	/* nobody wants the reply */
	char			 request[256];	/* for the log */
	char			 client[64];
};

TAILQ_HEAD(child_list, child);

/* One in a process: the loop's strategy has no place of its own in it. */
static struct {
	struct source		 channel;	/* to the forker */
	pid_t			 forker;
	struct child_list	 spares, busy, failed;
	unsigned		 count;		/* children, spare or busy */
	unsigned		 spare_count;
	unsigned		 asked;		/* to be born */
	unsigned		 target;	/* spares wanted */
	uint64_t		 decay;		/* ms: when that may shrink */
	bool			 is_failing;	/* fork(2) fails */
	uint64_t		 retry;		/* ms: to ask again */
	unsigned		 deaths;	/* of spares, one after another */
	struct forker_gone	*gone;		/* max_children; not told yet */
	unsigned		 gone_count;
} crew;

/* ------------------------------------------------------------- more children */

static void
add_spare(struct child *child)
{
	child->state = CHILD_SPARE;
	TAILQ_INSERT_TAIL(&crew.spares, child, entry);
	crew.spare_count++;
}

static void
remove_spare(struct child *child)
{
	TAILQ_REMOVE(&crew.spares, child, entry);
	crew.spare_count--;
}

/*
 * How many children there should be more.  While more spares than usual are kept, so
 * that there are many requests, they are asked for by the dozen.
 */
static unsigned
lacking(const struct loop *loop)
{
	const unsigned most = loop->settings->max_children;
	const bool is_usual = crew.target <= loop->settings->spare_children;
	unsigned count;

	if (crew.spare_count >= crew.target || crew.count >= most)
		return 0;
	if (!is_usual && crew.spare_count > crew.target / 2)
		return 0;
	count = crew.target - crew.spare_count;
	return count < most - crew.count ? count : most - crew.count;
}

static int
send_order(unsigned count, unsigned gone_count)
{
	struct forker_order order = {
		.count = count, .gone_count = gone_count
	};
	const size_t told = gone_count * sizeof(order.gone[0]);
	const size_t size = offsetof(struct forker_order, gone) + told;

	memcpy(order.gone, crew.gone + crew.gone_count - gone_count, told);
	if (send(crew.channel.fd, &order, size,
	    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		return -1;
	crew.gone_count -= gone_count;
	crew.asked += count;
	return 0;
}

/*
 * Tells the forker how many children are wanted and which have ended.  It
 * gets one order at a time: what happens while it forks goes into the next,
 * so that it is woken the less, the more there is to do.
 */
static void
refill(struct loop *loop)
{
	const unsigned count = loop_now(loop) < crew.retry ? 0
	    : lacking(loop);

	if (crew.asked > 0)
		return;
	/* The last packet asks for children, so that all were told before. */
	while (crew.gone_count > ORDER_GONE) {
		if (send_order(0, ORDER_GONE) == -1)
			return;
	}
	if (count > 0 || crew.gone_count > 0)
		(void)send_order(count, crew.gone_count);
}

/* Requests wait: more are forked ahead for a while, as Apache does. */
static void
want_more(struct loop *loop)
{
	if (crew.asked == 0 && loop_now(loop) >= crew.retry &&
	    crew.target < loop->settings->max_children)
		crew.target *= 2;
	crew.decay = loop_now(loop) + DECAY;
	refill(loop);
}

/* The loop may have slept for long: what was due meanwhile is made up for. */
static void
want_fewer(const struct loop *loop)
{
	while (crew.target > loop->settings->spare_children &&
	    loop_now(loop) >= crew.decay) {
		crew.target /= 2;
		if (crew.target < loop->settings->spare_children)
			crew.target = loop->settings->spare_children;
		crew.decay += DECAY;
	}
}

/* When tick() has something to do although no client says a word. */
static int
patience(const struct loop *loop)
{
	const struct child *first = TAILQ_FIRST(&crew.spares);
	const unsigned timeout = loop->settings->spare_timeout;
	const uint64_t now = loop_now(loop);

	if (crew.asked == 0 && (crew.gone_count > 0 || lacking(loop) > 0))
		return LOOK;
	if (first == NULL || timeout == 0)
		return -1;
	return first->progress + timeout > now + LOOK
	    ? (int)(first->progress + timeout - now) : LOOK;
}

/* ------------------------------------------------------------ giving a request */

static int
send_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		const size_t n = length < RECORD_DATA ? length : RECORD_DATA;

		if (send(fd, data, n, MSG_NOSIGNAL) != (ssize_t)n) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		data += n;
		length -= n;
	}
	return 0;
}

static int
send_request(struct loop *loop, const struct child *child,
    struct connection *conn)
{
	unsigned char state[RECORD_STATE];
	struct exchange *exchange = conn->exchange;
	char *input = exchange->input.data + exchange->input.start;
	const int body = exchange->body.fd;
	struct child_request request = { .peer = conn->peer };
	struct iovec packet[3];
	size_t length, first;

	request.state_length = (uint32_t)loop->protocol->save(exchange, state,
	    sizeof(state), &length);
	first = length < RECORD_DATA ? length : RECORD_DATA;
	request.input_length = (uint32_t)length;
	request.first_length = (uint32_t)first;
	request.slot = child->slot;
	request.ordinal = atomic_fetch_add(&loop->ordinals, 1) + 1;
	request.is_last = loop_is_ending(loop) || loop_is_single_shot(loop);
	request.is_calm = TAILQ_EMPTY(&loop->lists[CONNECTION_PENDING]);
	request.now = loop_now(loop);
	packet[0] = (struct iovec){ &request, sizeof(request) };
	packet[1] = (struct iovec){ state, request.state_length };
	packet[2] = (struct iovec){ input, first };
	if (descriptor_pass_vector(child->source.fd, packet, 3, &body,
	    body != -1 ? 1 : 0) == -1)
		return -1;
	return send_all(child->source.fd, input + first, length - first);
}

static void
note_busy(struct loop *loop, struct child *child, struct connection *conn)
{
	child->conn = conn;
	child->state = CHILD_BUSY;
	child->progress = loop_now(loop);
	child->requests++;
	child->slot = crew_slot(loop);
	peer_format(&conn->peer, child->client, sizeof(child->client));
	(void)snprintf(child->request, sizeof(child->request), "%s",
	    loop->protocol->describe(conn->exchange));
	if (child->slot != SLOT_NONE) {
		struct handler_line *line = scoreboard_handler(loop->board,
		    loop->index, child->slot);

		atomic_store(&line->trouble, 0);
		handler_line_begin(line, loop_now(loop), &conn->peer,
		    child->request);
	}
	atomic_fetch_add(&loop->line->busy, 1);
	remove_spare(child);
	TAILQ_INSERT_TAIL(&crew.busy, child, entry);
}

/* Whether its reply waits for the client: with is_held it is not read. */
static void
set_held(struct loop *loop, struct child *child, bool is_held,
    bool is_flushing)
{
	loop->held -= child->is_held || child->is_flushing;
	if (is_held && !child->is_held)
		loop_unwatch(loop, &child->source);
	else if (!is_held && child->is_held)
		(void)loop_watch(loop, &child->source);
	child->is_held = is_held;
	child->is_flushing = is_flushing;
	loop->held += is_held || is_flushing;
}

static void
note_free(struct loop *loop, struct child *child)
{
	child->conn = NULL;
	set_held(loop, child, false, false);
	child->is_dropped = false;
	crew_slot_end(loop, child->slot);
	atomic_fetch_sub(&loop->line->busy, 1);
	TAILQ_REMOVE(&crew.busy, child, entry);
}

/*
 * The forker is told by the next order, which takes all of them: so no more
 * can gather than children there may be.
 */
static void
note_gone(const struct loop *loop, pid_t pid, bool is_asked)
{
	assert(crew.gone_count < loop->settings->max_children);
	crew.gone[crew.gone_count++] = (struct forker_gone){
		.pid = pid, .is_asked = is_asked
	};
}

/*
 * The child gets no more requests, and unless its status is wanted nothing is
 * kept of it; returns its socket, to be closed.
 */
static int
detach(struct loop *loop, struct child *child)
{
	const int fd = child->source.fd;

	loop_unwatch(loop, &child->source);
	crew.count--;
	note_gone(loop, child->pid, child->is_failed);
	if (child->is_failed) {
		child->source.fd = -1;
		child->state = CHILD_FAILED;
		TAILQ_INSERT_TAIL(&crew.failed, child, entry);
	} else {
		descriptor_close(child->pidfd);
		free(child);
	}
	return fd;
}

/* The child ends when its socket is closed, if it has not ended yet. */
static void
let_go(struct loop *loop, struct child *child)
{
	descriptor_close(detach(loop, child));
}

/*
 * A spare has ended by itself.  If its successors do as well, they are not
 * forked as fast as they end.
 */
static void
spare_died(struct loop *loop, struct child *child)
{
	remove_spare(child);
	child->is_failed = true;
	*child->client = '\0';
	crew.retry = loop_now(loop) + (RETRY << crew.deaths);
	if (crew.deaths < DEATHS)
		crew.deaths++;
	let_go(loop, child);
}

static bool
give(struct loop *loop, struct connection *conn)
{
	struct child *child;

	while ((child = TAILQ_FIRST(&crew.spares)) != NULL) {
		note_busy(loop, child, conn);
		if (send_request(loop, child, conn) == 0)
			return true;
		/* It died as a spare: another one is tried. */
		note_free(loop, child);
		add_spare(child);
		spare_died(loop, child);
	}
	return false;
}

static bool
start(struct loop *loop, struct connection *conn)
{
	if (!thread_self->leads) {
		loop_pend(loop, conn);
		return false;
	}
	/* Those that came before have their turn before. */
	if (TAILQ_EMPTY(&loop->lists[CONNECTION_PENDING]) &&
	    give(loop, conn)) {
		/* Forking now would hold up this child: rather when it ends. */
		if (TAILQ_EMPTY(&crew.spares))
			refill(loop);
		return false;
	}
	loop_pend(loop, conn);
	want_more(loop);
	return false;
}

static void
resume(struct loop *loop)
{
	struct connection *conn;

	while (!TAILQ_EMPTY(&crew.spares) &&
	    (conn = loop_unpend(loop)) != NULL) {
		conn->state = CONNECTION_HANDLING;
		if (!give(loop, conn)) {
			loop_pend(loop, conn);
			break;
		}
	}
	if (atomic_load(&loop->pending) > 0)
		want_more(loop);
	else
		refill(loop);
}

/* ------------------------------------------------------------ what it answers */

/*
 * The child has done its request; another may follow.  The client comes
 * first: a child whose socket is closed ends, and to end a process can take
 * longer than its request did.  After drive_handled() the loop may be another
 * thread's, but a descriptor can be closed by any.
 */
static void
end_request(struct loop *loop, struct child *child, struct connection *conn)
{
	int fd = -1;

	crew.deaths = 0;
	note_free(loop, child);
	atomic_fetch_add(&loop->line->requests, 1);
	if (child->requests < loop->settings->child_requests) {
		child->progress = loop_now(loop);
		add_spare(child);
	} else {
		fd = detach(loop, child);
	}
	drive_handled(loop, conn);
	descriptor_close(fd);
}

/* The reply cannot be completed: 500 if nothing of it is out, else a cut. */
static void
child_failed(struct loop *loop, struct child *child)
{
	struct connection *conn = child->conn;

	child->is_failed = true;
	note_free(loop, child);
	let_go(loop, child);
	loop->protocol->failed(conn->exchange, child->is_late ? 504 : 500);
	drive_handled(loop, conn);
}

static void
signal_child(const struct child *child, int sig)
{
#ifdef SYS_pidfd_send_signal
	if (child->pidfd != -1 && syscall(SYS_pidfd_send_signal,
	    child->pidfd, sig, NULL, 0) == 0)
		return;
#endif
	/* Without a pidfd: it is the forker's, and not told to be reaped. */
	if (child->pidfd == -1)
		(void)kill(child->pid, sig);
}

/* The reply's bytes could not be kept; the child need not go on. */
static void
reply_lost(struct loop *loop, struct child *child)
{
	server_log(loop->server, TINE_LOG_ERROR,
	    "cannot keep the reply to client %s, request \"%s\": %s",
	    child->client, child->request, strerror(errno));
	signal_child(child, SIGKILL);
	child_failed(loop, child);
}

/* It died as a spare, before it read the request: another one has it. */
static void
give_again(struct loop *loop, struct child *child)
{
	struct connection *conn = child->conn;

	note_free(loop, child);
	add_spare(child);
	spare_died(loop, child);
	conn->state = CONNECTION_PENDING;
	loop_pend_first(loop, conn);
}

/* ------------------------------------------------ replies larger than a spool */

/* Whether the next record can be kept, or has to wait for the client. */
static bool
has_room(const struct child *child)
{
	const struct output *output = &child->conn->exchange->output;

	return output_spooled(output) + (off_t)RECORD_DATA <=
	    output->spool_limit || output_is_empty(output);
}

/* The client is gone, or takes nothing: the handler's next write says it. */
static void
drop_reply(struct loop *loop, struct child *child, int error)
{
	struct exchange *exchange = child->conn->exchange;

	child->is_dropped = true;
	output_drop(&exchange->output);
	exchange->is_cut = exchange->is_broken = true;
	if (child->slot != SLOT_NONE)
		atomic_store(&scoreboard_handler(loop->board, loop->index,
		    child->slot)->trouble, error);
	set_held(loop, child, false, false);
}

static void
send_held(struct loop *loop, struct child *child)
{
	struct connection *conn = child->conn;
	struct output *output = &conn->exchange->output;
	const uint64_t before = output->sent;
	const enum sent sent = output_send(output, conn->fd);

	/* It waits for its client, which is no fault of the handler's. */
	child->progress = loop_now(loop);
	if (output->sent != before)
		conn->since = loop_now(loop);
	if (sent == SENT_ALL) {
		if (output->spool.length > 0)
			spool_end(&output->spool);
		set_held(loop, child, false, false);
	} else if (sent == SENT_FAILED) {
		drop_reply(loop, child, EPIPE);
	} else if (loop->settings->send_timeout != 0 &&
	    loop_now(loop) - conn->since >= loop->settings->send_timeout) {
		drop_reply(loop, child, ETIMEDOUT);
	}
}

static void
send_all_held(struct loop *loop)
{
	struct child *child;

	TAILQ_FOREACH(child, &crew.busy, entry) {
		if (child->is_held || child->is_flushing)
			send_held(loop, child);
	}
}

/* Whether it is time to send although the reply may yet fail. */
static void
send_some(struct loop *loop, struct child *child, bool is_flush)
{
	struct connection *conn = child->conn;
	struct output *output = &conn->exchange->output;

	if (is_flush || output->spool.length > 0 || output->sent > 0 ||
	    output->memory > loop->settings->reply_memory / 2) {
		drive_arm(conn);	/* how it ends is not known here */
		if (!child->is_flushing)
			conn->since = loop_now(loop);
		set_held(loop, child, false, is_flush ||
		    child->is_flushing);
		send_held(loop, child);
	}
}

/* False if the child is gone by what was done. */
static bool
take_record(struct loop *loop, struct child *child,
    const struct child_record *record, const char *data, int *fd)
{
	struct connection *conn = child->conn;
	struct output *output = &conn->exchange->output;

	child->progress = loop_now(loop);
	switch ((enum record)record->record) {
	case RECORD_BYTES:
	case RECORD_FLUSH:
		if (child->is_dropped)
			return true;
		if (output_append(output, data, record->length) == -1)
			break;
		send_some(loop, child, record->record == RECORD_FLUSH);
		return true;
	case RECORD_FILE:
		if (child->is_dropped)
			return true;
		if (*fd == -1 || record->offset < 0 || record->size < 0)
			break;
		if (output_append_file(output, *fd, record->offset,
		    record->size, true) == -1)
			break;
		*fd = -1;
		return true;
	case RECORD_LOG:
		journal_line(record->which == 1 ? loop->errors
		    : loop->requests, loop_now(loop), data, record->length);
		return true;
	case RECORD_END:
		if (record->state_length > sizeof(record->state) ||
		    (!child->is_dropped &&
		    output_append(output, data, record->length) == -1))
			break;
		loop->protocol->restore_outcome(conn->exchange, record->state,
		    record->state_length);
		if (child->is_dropped)
			conn->exchange->is_cut = conn->exchange->is_broken =
			    true;
		end_request(loop, child, conn);
		return false;
	}
	reply_lost(loop, child);
	return false;
}

/*
 * One packet; 1, 0 if there is none, -1 at the end or if it is broken: with
 * errno ECONNRESET if the child has not read all that was sent to it.
 */
static int
receive_record(const struct child *child, struct child_record *record,
    char *data, int *fd)
{
	static char packet[sizeof(struct child_record) + RECORD_DATA];
	size_t count = 1;
	const ssize_t n = descriptor_receive_now(child->source.fd, packet,
	    sizeof(packet), fd, &count);

	if (n == -1 && (errno == EAGAIN || errno == ENOMEM ||
	    errno == ENOBUFS))
		return 0;
	if (n >= 0)
		errno = EPROTO;		/* if it is no record */
	if (n < (ssize_t)sizeof(*record)) {
		if (count > 0)
			descriptor_close(*fd);
		*fd = -1;
		return -1;
	}
	memcpy(record, packet, sizeof(*record));
	memcpy(data, packet + sizeof(*record), (size_t)n - sizeof(*record));
	if (count == 0)
		*fd = -1;
	return (size_t)n == sizeof(*record) + record->length ? 1 : -1;
}

static void
child_ready(struct loop *loop, struct source *source, unsigned events)
{
	static char data[RECORD_DATA];
	struct child *child = (struct child *)source;
	struct child_record record;
	bool there = true;

	(void)events;
	for (int i = 0; there && i < 16; i++) {
		int fd = -1, got;

		if (child->state == CHILD_BUSY && !child->is_dropped &&
		    !has_room(child)) {
			child->conn->since = loop_now(loop);
			set_held(loop, child, true, child->is_flushing);
			break;
		}
		got = receive_record(child, &record, data, &fd);
		if (got == 0)
			break;
		if (got == -1 && child->state == CHILD_BUSY &&
		    errno == ECONNRESET) {
			give_again(loop, child);
			there = false;
		} else if (got == -1 && child->state == CHILD_BUSY) {
			child_failed(loop, child);
			there = false;
		} else if (got == -1) {
			spare_died(loop, child);
			there = false;
		} else if (child->state == CHILD_BUSY) {
			there = take_record(loop, child, &record, data, &fd);
		}
		descriptor_close(fd);
	}
	if (!there && thread_self->leads)
		resume(loop);
}

/* -------------------------------------------------------- what the forker says */

static void
close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		descriptor_close(fds[i]);
}

static void
born(struct loop *loop, const struct forker_news *news, const int *fds,
    size_t count)
{
	const bool is_asked = crew.asked > 0;
	struct child *child = is_asked && count > 0
	    ? calloc(1, sizeof(*child)) : NULL;

	crew.asked -= is_asked;
	if (child == NULL) {
		close_all(fds, count);
		if (is_asked)
			note_gone(loop, news->pid, false);
		return;
	}
	if (crew.is_failing)
		server_log(loop->server, TINE_LOG_INFO,
		    "children can be forked again");
	crew.is_failing = false;
	child->source.fd = fds[0];
	child->source.ready = child_ready;
	child->pidfd = count > 1 ? fds[1] : -1;
	child->pid = news->pid;
	child->progress = loop_now(loop);
	crew.count++;
	if (loop_watch(loop, &child->source) == -1) {
		let_go(loop, child);
		return;
	}
	add_spare(child);
	resume(loop);
}

static void
log_child(struct loop *loop, const struct child *child, int status)
{
	char how[64];

	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(how, sizeof(how), "exit status %d",
		    WEXITSTATUS(status));
	if (*child->client == '\0')
		server_log(loop->server, TINE_LOG_ERROR, "child %ld ended "
		    "with %s while it waited for a request",
		    (long)child->pid, how);
	else
		server_log(loop->server, TINE_LOG_ERROR, "child %ld ended "
		    "with %s%s while it served client %s, request \"%s\"",
		    (long)child->pid, how, child->is_late
		    ? ", killed for its --timeout," : "", child->client,
		    child->request);
}

/* Told only of those that failed. */
static void
died(struct loop *loop, const struct forker_news *news)
{
	struct child *child;

	TAILQ_FOREACH(child, &crew.failed, entry) {
		if (child->pid == news->pid)
			break;
	}
	if (child == NULL)
		return;
	log_child(loop, child, news->status);
	TAILQ_REMOVE(&crew.failed, child, entry);
	descriptor_close(child->pidfd);
	free(child);
}

static void
fork_failed(struct loop *loop, int error)
{
	crew.asked -= crew.asked > 0;
	crew.retry = loop_now(loop) + RETRY;
	if (!crew.is_failing)
		server_log(loop->server, TINE_LOG_ERROR, "cannot fork a "
		    "child: %s; trying again", strerror(error));
	crew.is_failing = true;
}

static void
forker_gone(struct loop *loop)
{
	loop_unwatch(loop, &crew.channel);
	if (!loop_is_ending(loop))
		server_log(loop->server, TINE_LOG_ERROR,
		    "the forker has died; this worker leaves");
	/* What waits is for others: nothing can be begun here. */
	loop_end(loop, LOOP_MOVES);
}

static void
hear(struct loop *loop, struct source *source, unsigned events)
{
	struct forker_news news = { .pid = 0 };
	size_t count = 2;
	int fds[2];
	ssize_t n;

	(void)events;
	n = descriptor_receive_now(source->fd, &news, sizeof(news), fds,
	    &count);
	if (n == -1 && (errno == EAGAIN || errno == ENOMEM ||
	    errno == ENOBUFS))
		return;		/* it is still there */
	if (n == -1 && errno == EMSGSIZE) {
		/* No room for its descriptors: it ends, another is asked for. */
		if (crew.asked > 0)
			note_gone(loop, news.pid, false);
		fork_failed(loop, EMFILE);
		return;
	}
	if (n != (ssize_t)sizeof(news)) {
		close_all(fds, n == -1 ? 0 : count);
		forker_gone(loop);
		return;
	}
	if (news.news != NEWS_BORN)
		close_all(fds, count);
	switch ((enum news)news.news) {
	case NEWS_BORN:
		born(loop, &news, fds, count);
		break;
	case NEWS_DIED:
		died(loop, &news);
		break;
	case NEWS_FAILED:
		fork_failed(loop, news.status);
		break;
	case NEWS_READY:
		break;
	}
}

/* ------------------------------------------------------------------- deadlines */

/* Those that have closed their socket and go on without it. */
static void
end_failed(const struct loop *loop)
{
	struct child *child;

	TAILQ_FOREACH(child, &crew.failed, entry) {
		if (child->is_late || loop_now(loop) - child->progress <
		    loop->settings->timeout)
			continue;
		child->is_late = true;
		signal_child(child, SIGKILL);
	}
}

/* Ends children that neither return nor move a byte; needs a master. */
static void
end_late(struct loop *loop)
{
	const unsigned timeout = loop->settings->timeout;
	struct child *child, *next;

	if (timeout == 0 || loop->settings->workers == 0 ||
	    loop_now(loop) < loop->judge_after)
		return;
	end_failed(loop);
	for (child = TAILQ_FIRST(&crew.busy); child != NULL; child = next) {
		next = TAILQ_NEXT(child, entry);
		if (loop_now(loop) - child->progress < timeout)
			continue;
		child->is_late = true;
		signal_child(child, SIGKILL);
		child_failed(loop, child);
		if (!thread_self->leads)
			return;
	}
}

/*
 * Spares are thrown away when they have waited for long: what they took with
 * them, such as a connection that post_fork has opened, grows old.  There are
 * new ones, unless fewer are wanted by now.
 */
static void
end_old(struct loop *loop)
{
	const unsigned timeout = loop->settings->spare_timeout;
	struct child *child;

	while (timeout != 0 && (child = TAILQ_FIRST(&crew.spares)) != NULL &&
	    loop_now(loop) - child->progress >= timeout) {
		remove_spare(child);
		let_go(loop, child);
	}
}

static void
tick(struct loop *loop)
{
	send_all_held(loop);
	end_late(loop);
	if (!thread_self->leads)
		return;
	want_fewer(loop);
	end_old(loop);
	resume(loop);
}

/* ------------------------------------------------------------ opening, closing */

static int
open_crew(const struct settings *settings)
{
	memset(&crew, 0, sizeof(crew));
	TAILQ_INIT(&crew.spares);
	TAILQ_INIT(&crew.busy);
	TAILQ_INIT(&crew.failed);
	crew.channel.ready = hear;
	crew.channel.fd = -1;
	crew.target = settings->spare_children;
	crew.gone = calloc(settings->max_children, sizeof(*crew.gone));
	return crew.gone == NULL ? -1 : 0;
}

/* Called first, while the process has one thread and no client. */
static int
open_forker(struct loop *loop)
{
	if (open_crew(loop->settings) == -1)
		return failure("no memory for %u children",
		    loop->settings->max_children);
	crew.forker = forker_start(loop, &crew.channel.fd);
	return crew.forker == -1 ? -1 : 0;
}

/* Waits for worker_init, which runs there: it is ready, or says why not. */
static int
begin(struct loop *loop)
{
	union {
		struct forker_news	news;
		char			why[512];
	} word;
	ssize_t n;

	do
		n = recv(crew.channel.fd, &word, sizeof(word) - 1, 0);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return failure_errno(ECHILD, "the forker died in the hook "
		    "worker_init");
	if (n != (ssize_t)sizeof(word.news) || word.news.news != NEWS_READY)
		return failure_errno(ECHILD, "%.*s", (int)n, word.why);
	if (loop_watch(loop, &crew.channel) == -1)
		return failure("cannot watch the forker");
	refill(loop);
	return 0;
}

static void
free_list(struct child_list *list)
{
	struct child *child;

	while ((child = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, child, entry);
		descriptor_close(child->source.fd);
		descriptor_close(child->pidfd);
		free(child);
	}
}

/* The forker ends when its channel does, and its children with it. */
static void
close_forker(struct loop *loop)
{
	(void)loop;
	free_list(&crew.spares);
	free_list(&crew.busy);
	free_list(&crew.failed);
	free(crew.gone);
	crew.gone = NULL;
	descriptor_close(crew.channel.fd);
	crew.channel.fd = -1;
	if (crew.forker > 0) {
		while (waitpid(crew.forker, NULL, 0) == -1 && errno == EINTR)
			;
	}
	crew.forker = 0;
}

const struct strategy strategy_fork = {
	.name = "fork",
	.open = open_forker,
	.begin = begin,
	.start = start,
	.resume = resume,
	.tick = tick,
	.patience = patience,
	.close = close_forker
};
