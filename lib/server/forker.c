/* SPDX-License-Identifier: ISC */
/*
 * See forker.h.  A child must not have other clients' descriptors and memory,
 * nor be forked from a process with threads: so neither the worker nor any
 * process that has served forks it, but this one, which has seen no client.
 */
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "crash.h"
#include "forker.h"
#include "listener.h"
#include "loop.h"
#include "record.h"
#include "server.h"

/* ------------------------------------------------------------------ a child */

/* A child serves one request at a time, so what it needs is there once. */
static struct {
	int			 socket;
	struct loop		*loop;
	struct thread		 thread;
	struct connection	 conn;
	union {
		struct child_request	 request;
		unsigned char		 bytes[REQUEST_PACKET];
	}			 packet;
	_Atomic int64_t		 spooled;	/* its spools are its own */
} child;

static int
send_record(struct child_record *record, const void *data, size_t length,
    int fd)
{
	struct iovec vector[2] = {
		{ record, sizeof(*record) },
		{ (void *)(uintptr_t)data, length }
	};

	record->length = (uint32_t)length;
	return descriptor_pass_vector(child.socket, vector, 2, &fd,
	    fd == -1 ? 0 : 1);
}

static void
relay(struct journal *journal, const char *text, size_t length)
{
	struct child_record record = {
		.record = RECORD_LOG,
		.which = journal == &child.loop->server->errors ? 1 : 0
	};

	if (length > RECORD_DATA)
		length = RECORD_DATA;
	(void)send_record(&record, text, length, -1);
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
	const struct loop *loop = child.loop;
	const uint32_t slot = child.packet.request.slot;
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
	struct child_record record = { .record = RECORD_END };
	const bool is_small = first != NULL && first->data != NULL &&
	    STAILQ_NEXT(first, entry) == NULL &&
	    first->end - first->start <= RECORD_DATA;

	record.state_length = (uint32_t)child.loop->protocol->save_outcome(
	    exchange, record.state, sizeof(record.state));
	if (is_small)
		return send_record(&record, first->data + first->start,
		    first->end - first->start, -1);
	if (hand_out(exchange, RECORD_BYTES) == -1)
		return -1;
	return send_record(&record, "", 0, -1);
}

/*
 * Receives a request: the packet that begins it, and into the exchange's
 * input what comes after.  Returns where the protocol's state is, or NULL.
 */
static const unsigned char *
receive_input(struct input *input, size_t packet_length)
{
	const struct child_request *request = &child.packet.request;
	const unsigned char *state = child.packet.bytes + sizeof(*request);
	const size_t length = request->input_length;

	if (packet_length != sizeof(*request) + request->state_length +
	    request->first_length || input_reserve(input, length + 1) == -1)
		return NULL;
	memcpy(input->data, state + request->state_length,
	    request->first_length);
	input->end = request->first_length;
	while (input->end < length) {
		const ssize_t n = recv(child.socket, input->data + input->end,
		    length - input->end, 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		input->end += (size_t)n;
	}
	return state;
}

/*
 * The first write to each page after fork(2) copies it.  What every request
 * writes to is written to now, while nobody waits for it.
 */
static void
warm_up(struct loop *loop)
{
	struct exchange *exchange = exchange_get(&loop->pool);
	volatile char stack[16 * 1024];

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
	memset(&child.packet, 0, 4096);
	if (exchange == NULL)
		return;
	memset(exchange->input.data, 0, exchange->input.size);
	memset(exchange->output.first.data, 0, exchange->output.first.size);
	child.thread.kept = exchange;
}

static void
run_handler(struct exchange *exchange, int body)
{
	const struct child_request *request = &child.packet.request;

	exchange->body.fd = body;
	exchange->ordinal = request->ordinal;
	exchange->begun = loop_now(child.loop);
	exchange->push = push;
	exchange->thread = &child.thread;
	child.thread.exchange = exchange;
	child.loop->protocol->handle(exchange);
	child.thread.exchange = NULL;
}

static int
serve_one(void)
{
	const struct child_request *request = &child.packet.request;
	struct loop *loop = child.loop;
	struct exchange *exchange;
	const unsigned char *state;
	size_t count = 1;
	int body = -1, result = -1;
	const ssize_t n = descriptor_receive(child.socket, &child.packet,
	    sizeof(child.packet), &body, &count);

	if (n < (ssize_t)sizeof(*request))
		return -1;
	atomic_store(&loop->now, clock_ms());
	child.conn.peer = request->peer;
	if (request->is_last)
		atomic_store(&loop->end_wanted, LOOP_DRAINS);
	exchange = loop_exchange(loop, &child.conn);
	if (exchange == NULL)
		return -1;
	state = receive_input(&exchange->input, (size_t)n);
	if (state != NULL && loop->protocol->restore(exchange, state,
	    request->state_length) == 0) {
		run_handler(exchange, body);
		result = send_end(exchange);
		loop->protocol->done(exchange, OUTCOME_GIVEN);
	}
	loop_exchange_end(loop, &child.conn);
	return result;
}

/*
 * Waits until the worker has closed its end: it does so when the reply has
 * gone.  Ending at once would hold up the worker, which the kernel likes to
 * wake on this processor.
 */
static void
wait_for_end(void)
{
	char byte;

	while (recv(child.socket, &byte, 1, 0) == -1 && errno == EINTR)
		;
}

static void
relay_journals(struct tine_server *server)
{
	server->requests.relay = relay;
	server->errors.relay = relay;
}

static noreturn void
child_main(struct loop *loop, int socket, pid_t forker)
{
	struct tine_server *server = loop->server;
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != forker)
		_exit(0);
	child.socket = socket;
	child.loop = loop;
	child.thread.loop = loop;
	child.conn.fd = -1;
	thread_self = &child.thread;
	loop->space.used = &child.spooled;
	loop->is_child = true;
	relay_journals(server);
	crash_enter_child();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (server->hooks.post_fork != NULL)
		server->hooks.post_fork(server);
	if (server_confine(server, CONFINED_CHILD) == -1)
		_exit(1);
	warm_up(loop);
	for (unsigned i = 0; i < loop->settings->child_requests; i++) {
		/* Its worker waits for the end of the reply, or of this. */
		if (serve_one() == -1) {
			(void)fflush(NULL);
			_exit(EXIT_FAILURE);
		}
	}
	(void)fflush(NULL);
	wait_for_end();
	_exit(0);
}

/* --------------------------------------------------------------- the forker */

struct forker {
	struct loop	*loop;
	int		 channel;	/* to the worker */
	int		 signals;
	pid_t		 pid;
};

static int
pidfd_of(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

static int
tell(const struct forker *forker, enum news news, pid_t pid, int status,
    const int *fds, size_t count)
{
	const struct forker_news told = {
		.news = news, .pid = pid, .status = status
	};

	return descriptor_pass(forker->channel, &told, sizeof(told), fds,
	    count);
}

/* The worker waits for this: what little it needs will be there again. */
static void
insist(const struct forker *forker, enum news news, pid_t pid, int status)
{
	while (tell(forker, news, pid, status, NULL, 0) == -1 &&
	    errno != EPIPE && errno != ECONNRESET)
		clock_pause(10);
}

static void
fork_child(const struct forker *forker)
{
	int pair[2], given[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ==
	    -1) {
		insist(forker, NEWS_FAILED, 0, errno);
		return;
	}
	pid = fork();
	if (pid == 0) {
		descriptor_close(pair[0]);
		descriptor_close(forker->channel);
		descriptor_close(forker->signals);
		child_main(forker->loop, pair[1], forker->pid);
	}
	descriptor_close(pair[1]);
	if (pid == -1) {
		const int error = errno;

		descriptor_close(pair[0]);
		insist(forker, NEWS_FAILED, 0, error);
		return;
	}
	given[0] = pair[0];
	given[1] = pidfd_of(pid);
	/* If its socket cannot be passed on it reads the end, and ends. */
	if (tell(forker, NEWS_BORN, pid, 0, given, given[1] == -1 ? 1 : 2) ==
	    -1)
		insist(forker, NEWS_FAILED, 0, errno);
	descriptor_close(given[0]);
	descriptor_close(given[1]);
}

static void
reap_children(const struct forker *forker)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(forker->signals, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		insist(forker, NEWS_DIED, pid, status);
}

/* False when the worker is gone. */
static bool
obey(const struct forker *forker)
{
	struct forker_order order;
	const ssize_t n = recv(forker->channel, &order, sizeof(order), 0);

	if (n == -1 && errno == EINTR)
		return true;
	if (n != (ssize_t)sizeof(order))
		return false;
	for (uint32_t i = 0; i < order.count; i++)
		fork_child(forker);
	return true;
}

/*
 * Without its worker nobody wants the children's replies: they end with this
 * process, by their parent-death signal.
 */
static noreturn void
forker_loop(const struct forker *forker)
{
	struct pollfd fds[2] = {
		{ .fd = forker->channel, .events = POLLIN },
		{ .fd = forker->signals, .events = POLLIN }
	};

	for (;;) {
		if (poll(fds, 2, -1) == -1)
			continue;
		if (fds[1].revents != 0)
			reap_children(forker);
		if (fds[0].revents != 0 && !obey(forker))
			_exit(0);
	}
}

static void
catch_children(struct forker *forker)
{
	sigset_t mask;

	server_disregard(SIGTERM);
	server_disregard(SIGINT);
	server_disregard(SIGQUIT);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	forker->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The worker, whom nobody waits for but its master, says why. */
static noreturn void
fail(const struct forker *forker)
{
	const char *why = tine_error();

	(void)fflush(NULL);
	(void)send(forker->channel, why, strlen(why), MSG_NOSIGNAL);
	_exit(EX_SOFTWARE);
}

static noreturn void
forker_main(struct loop *loop, int channel, pid_t worker)
{
	struct tine_server *server = loop->server;
	struct forker forker = {
		.loop = loop, .channel = channel, .pid = getpid()
	};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker)
		_exit(0);
	setproctitle("forker of worker %u", loop->index + 1);
	for (size_t i = 0; i < server->listener_count; i++)
		descriptor_close(server->listeners[i].source.fd);
	descriptor_close(server->control);
	descriptor_close(server->handover[0]);
	descriptor_close(server->handover[1]);
	catch_children(&forker);
	loop->pool.protocol_size = loop->protocol->exchange_size;
	(void)pthread_mutex_init(&loop->pool_lock, NULL);
	if (server_begin(server) == -1)
		fail(&forker);
	if (server->settings.is_daemon)
		descriptor_leave_terminal();
	if (server->is_program)
		crash_open_forker(loop);
	if (server_confine(server, CONFINED_FORKER) == -1)
		fail(&forker);
	insist(&forker, NEWS_READY, 0, 0);
	forker_loop(&forker);
}

pid_t
forker_start(struct loop *loop, int *channel)
{
	const pid_t worker = getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return failure("no socket for the forker: %s",
		    strerror(errno));
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		descriptor_close(pair[0]);
		forker_main(loop, pair[1], worker);
	}
	descriptor_close(pair[1]);
	if (pid == -1) {
		descriptor_close(pair[0]);
		return failure("cannot fork the forker: %s", strerror(errno));
	}
	*channel = pair[0];
	return pid;
}
