/* SPDX-License-Identifier: ISC */
/*
 * See child.h.
 *
 * To make this process and to end it costs many times what the handler does,
 * and most of that is memory: each page that is touched here first is a
 * fault, each that is written a copy.  So what can be done beforehand is done
 * in the forker, and what is written lies together.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/stdio_flush.h"
#include "child.h"
#include "crash.h"
#include "loop.h"
#include "record.h"
#include "server.h"

#define SAY		10	/* ms that the worker has to hear a last line */

/*
 * A child serves one request at a time, so what it needs is there once.  All
 * of a small request is in the first page of it.
 */
struct life {
	int			 socket;
	struct loop		*loop;
	struct thread		 thread;
	struct connection	 conn;
	_Atomic int64_t		 spooled;	/* its spools are its own */
	union {
		struct child_request	 request;
		unsigned char		 bytes[REQUEST_PACKET];
	}			 packet;
};

/*
 * Of the heap, which is there anyway: the large variables of the program are
 * a mapping of their own, and as long as a forker has written to none of them
 * that takes next to nothing to copy.
 */
static struct life *child;

static int
send_record(struct child_record *record, const void *data, size_t length,
    int fd)
{
	struct iovec vector[2] = {
		{ record, sizeof(*record) },
		{ (void *)(uintptr_t)data, length }
	};

	record->length = (uint32_t)length;
	return descriptor_pass_vector(child->socket, vector, 2, &fd,
	    fd == -1 ? 0 : 1);
}

static void
relay(struct journal *journal, const char *text, size_t length)
{
	struct child_record record = {
		.record = RECORD_LOG,
		.which = journal == &child->loop->server->errors ? 1 : 0
	};

	if (length > RECORD_DATA)
		length = RECORD_DATA;
	(void)send_record(&record, text, length, -1);
}

bool
child_say(const char *line, size_t length)
{
	struct pollfd wait = { .events = POLLOUT };
	struct child_record record = { .record = RECORD_LOG, .which = 1 };

	if (child == NULL)
		return false;		/* it is the forker that speaks */
	wait.fd = child->socket;
	if (length > 0 && line[length - 1] == '\n')
		length--;		/* the worker appends one */
	/* It may not be read, while its reply waits for the client. */
	return child->socket != -1 && poll(&wait, 1, SAY) == 1 &&
	    send_record(&record, line, length, -1) == 0;
}

static int
send_segment(const struct segment *segment, enum record kind)
{
	struct child_record record = { .record = kind };
	size_t at = segment->start;

	if (segment->data == NULL) {
		record.record = RECORD_FILE;
		record.offset = segment->offset;
		record.size = segment->limit - segment->offset;
		return send_record(&record, "", 0, segment->fd);
	}
	while (at < segment->end) {
		const size_t left = segment->end - at;
		const size_t n = left < RECORD_DATA ? left : RECORD_DATA;

		if (send_record(&record, segment->data + at, n, -1) == -1)
			return -1;
		at += n;
	}
	return 0;
}

/* Gives all of the output to the worker, who sends or keeps it. */
static int
hand_out(struct exchange *exchange, enum record kind)
{
	struct output *output = &exchange->output;
	const struct segment *segment;

	STAILQ_FOREACH(segment, &output->segments, entry) {
		if (send_segment(segment, kind) == -1)
			return -1;
	}
	output_drop(output);
	return 0;
}

/*
 * What is given away is as good as sent, since it cannot be taken back; but
 * for a flush the worker may hold it until the reply ends.
 */
static int
push(struct exchange *exchange, bool wait)
{
	const struct loop *loop = child->loop;
	const uint32_t slot = child->packet.request.slot;
	int trouble = 0;

	if (slot < loop->board->handlers)
		trouble = atomic_load(&scoreboard_handler(loop->board,
		    loop->index, slot)->trouble);
	if (trouble != 0) {		/* the worker has given the client up */
		errno = trouble;
		return -1;
	}
	return hand_out(exchange, wait ? RECORD_FLUSH : RECORD_BYTES);
}

static int
send_end(struct exchange *exchange)
{
	const struct segment *first = STAILQ_FIRST(&exchange->output.segments);
	struct child_record record = {
		.record = RECORD_END,
		.which = atomic_load(&child->loop->server->end_wanted) >=
		    LOOP_SHUTS
	};
	const bool is_small = first != NULL && first->data != NULL &&
	    STAILQ_NEXT(first, entry) == NULL &&
	    first->end - first->start <= RECORD_DATA;

	record.state_length = (uint32_t)child->loop->protocol->save_outcome(
	    exchange, record.state, sizeof(record.state));
	if (is_small)
		return send_record(&record, first->data + first->start,
		    first->end - first->start, -1);
	if (hand_out(exchange, RECORD_BYTES) == -1)
		return -1;
	return send_record(&record, "", 0, -1);
}

/* The input stays where it is in the packet. */
static void
use_packet(struct input *input, size_t begin)
{
	input->own = input->data = (char *)child->packet.bytes + begin;
	input->own_size = input->size = sizeof(child->packet) - begin;
	input->start = input->end = 0;
}

/*
 * Receives a request: its packet has come; the input stays where it is there,
 * if it has room, and what comes after goes behind it.  Returns where the
 * protocol's state is, or NULL.
 */
static const unsigned char *
receive_input(struct input *input, size_t packet_length)
{
	const struct child_request *request = &child->packet.request;
	const size_t begin = sizeof(*request) + request->state_length;
	const size_t length = request->input_length;

	if (request->state_length > RECORD_STATE ||
	    request->first_length > length ||
	    packet_length != begin + request->first_length)
		return NULL;
	use_packet(input, begin);
	input->end = request->first_length;
	if (input_reserve(input, length - input->end + 1) == -1)
		return NULL;
	while (input->end < length) {
		const ssize_t n = recv(child->socket, input->data + input->end,
		    length - input->end, 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		input->end += (size_t)n;
	}
	return child->packet.bytes + sizeof(*request);
}

/*
 * What every request reads and writes is faulted in or copied now, while
 * nobody waits for it: that was a third of the time that a client waited.
 */
static void
warm_up(struct loop *loop)
{
	struct exchange *exchange;

	child->packet.bytes[0] = 0;
	exchange = loop_exchange(loop, &child->conn);
	if (exchange == NULL)
		return;
	child->conn.peer.family = AF_INET;
	use_packet(&exchange->input, sizeof(child->packet.request));
	exchange->output.first.data[exchange->output.headroom] = 0;
	loop->protocol->rehearse(exchange);
	loop_exchange_end(loop, &child->conn);
}

static void
run_handler(struct exchange *exchange)
{
	const struct child_request *request = &child->packet.request;

	exchange->ordinal = request->ordinal;
	exchange->begun = request->now;
	exchange->thread = &child->thread;
	child->thread.exchange = exchange;
	child->loop->protocol->handle(exchange);
	child->thread.exchange = NULL;
}

/*
 * The handler speaks to the client itself.  Its line of the scoreboard tells
 * the worker that it does not hang.  The descriptor is closed before the
 * worker hears of the end, so that it is the worker who ends the connection.
 */
static void
converse(struct exchange *exchange, int client)
{
	struct connection *conn = exchange->conn;
	struct claim *claim;

	conn->fd = client;
	conn->is_armed = false;
	child->thread.slot = child->packet.request.slot;
	exchange->push = drive_push;
	exchange->pull = drive_pull;
	claim = handler_claim(child->loop, &child->thread);
	if (claim != NULL)
		claim_begin(claim, exchange);
	run_handler(exchange);
	if (claim != NULL)
		(void)claim_end(claim);
	if (!exchange->is_cut)
		drive_disarm(conn);
	descriptor_close(client);
	conn->fd = -1;
}

/* What came with the request: the client itself, or its body. */
static void
serve(struct exchange *exchange, int fd)
{
	if (child->loop->protocol->is_conversation) {
		converse(exchange, fd);
	} else {
		exchange->body.fd = fd;
		exchange->push = push;
		run_handler(exchange);
	}
}

static int
serve_one(void)
{
	const struct child_request *request = &child->packet.request;
	struct loop *loop = child->loop;
	struct exchange *exchange;
	const unsigned char *state;
	size_t count = 1;
	int fd = -1, result = -1;
	const ssize_t n = descriptor_receive(child->socket, &child->packet,
	    sizeof(child->packet), &fd, &count);

	if (n < (ssize_t)sizeof(*request))
		return -1;
	/* The last one's: a child that ends has no use for it. */
	if (child->conn.exchange != NULL)
		loop_exchange_end(loop, &child->conn);
	child->conn.peer = request->peer;
	if (request->is_last)
		atomic_store(&loop->end_wanted, LOOP_DRAINS);
	exchange = loop_exchange(loop, &child->conn);
	if (exchange == NULL)
		return -1;
	state = receive_input(&exchange->input, (size_t)n);
	if (state != NULL && loop->protocol->restore(exchange, state,
	    request->state_length) == 0) {
		serve(exchange, fd);
		result = send_end(exchange);
		loop->protocol->done(exchange, OUTCOME_GIVEN);
	}
	return result;
}

/*
 * Waits until the worker has closed its end: it does so when the reply has
 * gone.  Ending at once would hold up the worker, which the kernel likes to
 * wake on this processor; where many requests wait, it has enough to do.
 */
static void
wait_for_end(void)
{
	char byte;

	while (recv(child->socket, &byte, 1, 0) == -1 && errno == EINTR)
		;
}

/* A process that a handler forks: the worker waits for the child's end. */
static void
forked_by_handler(void)
{
	if (child->socket == -1)
		return;			/* it is the forker that forks */
	descriptor_close(child->socket);
	child->socket = -1;
}

/*
 * The worker writes the logs, and opens them anew: here they would keep a
 * file that was renamed, for as long as the forker lives.
 */
static void
close_logs(struct tine_server *server)
{
	for (unsigned which = 0; which < 2; which++) {
		if (server->log_fds[which] <= STDERR_FILENO)
			continue;
		descriptor_close(server->log_fds[which]);
		server->log_fds[which] = -1;
	}
	server->requests.relay = relay;
	server->errors.relay = relay;
}

static struct life *
life_new(void)
{
	void *memory;

	errno = posix_memalign(&memory, CHILD_PAGE, sizeof(struct life));
	return errno == 0 ? memset(memory, 0, offsetof(struct life, packet)) : NULL;
}

int
child_prepare(struct loop *loop)
{
	struct tine_server *server = loop->server;
	sigset_t none;

	child = life_new();
	if (child == NULL)
		return failure("no memory for the children");
	child->socket = -1;
	child->loop = loop;
	child->conn.fd = -1;
	child->thread.loop = loop;
	child->thread.kept = exchange_get(&loop->pool);
	thread_self = &child->thread;
	loop->space.used = &child->spooled;
	loop->is_child = true;
	close_logs(server);
	/* Or each child would write what worker_init has left. */
	(void)fflush(NULL);
	stdio_flush_prepare();
	(void)pthread_atfork(NULL, NULL, forked_by_handler);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

noreturn void
child_main(int socket, pid_t forker)
{
	struct tine_server *server = child->loop->server;
	const unsigned requests = child->loop->settings->child_requests;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != forker)
		_exit(0);
	child->socket = socket;
	if (server->hooks.post_fork != NULL)
		server->hooks.post_fork(server);
	if (server_confine(server, CONFINED_CHILD) == -1)
		_exit(1);
	warm_up(child->loop);
	for (unsigned i = 0; i < requests; i++) {
		/* Its worker waits for the end of the reply, or of this. */
		if (serve_one() == -1) {
			stdio_flush();
			_exit(EXIT_FAILURE);
		}
	}
	stdio_flush();
	if (child->packet.request.is_calm)
		wait_for_end();
	_exit(0);
}
