/* SPDX-License-Identifier: ISC */
/*
 * See forker.h.  A child must not have other clients' descriptors and memory,
 * nor be forked from a process with threads: so neither the worker nor any
 * process that has served forks it, but this one, which has seen no client.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <alloca.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "child.h"
#include "crash.h"
#include "forker.h"
#include "listener.h"
#include "loop.h"
#include "record.h"
#include "server.h"

#define REAP_FIRST	10	/* ms until a child is waited for again */
#define REAP_MOST	1000

struct forker {
	struct loop		*loop;
	int			 channel;	/* to the worker */
	pid_t			 pid;
	struct forker_gone	*gone;		/* not reaped yet */
	size_t			 gone_count, gone_size;
};

/* fd: of a child that was born, or -1. */
static int
tell(const struct forker *forker, enum news news, pid_t pid, int status,
    int fd)
{
	const struct forker_news told = {
		.news = news, .pid = pid, .status = status
	};

	return descriptor_pass(forker->channel, &told, sizeof(told), &fd,
	    fd == -1 ? 0 : 1);
}

/* The worker waits for this: what little it needs will be there again. */
static void
insist(const struct forker *forker, enum news news, pid_t pid, int status)
{
	while (tell(forker, news, pid, status, -1) == -1 &&
	    errno != EPIPE && errno != ECONNRESET)
		clock_pause(10);
}

static int
note_gone(struct forker *forker, const struct forker_gone *gone,
    size_t count)
{
	struct forker_gone *more;

	if (count == 0)
		return 0;		/* nor is there a place for it */
	if (forker->gone_count + count > forker->gone_size) {
		more = reallocarray(forker->gone, forker->gone_count + count,
		    sizeof(*more));
		if (more == NULL)
			return -1;
		forker->gone = more;
		forker->gone_size = forker->gone_count + count;
	}
	memcpy(forker->gone + forker->gone_count, gone,
	    count * sizeof(*gone));
	forker->gone_count += count;
	return 0;
}

static void
fork_child(struct forker *forker)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ==
	    -1) {
		insist(forker, NEWS_FAILED, 0, errno);
		return;
	}
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		(void)close(forker->channel);
		child_main(pair[1], forker->pid);
	}
	if (pid == -1) {
		const int error = errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		insist(forker, NEWS_FAILED, 0, error);
		return;
	}
	(void)close(pair[1]);
	/* If its socket cannot be passed on it reads the end, and ends. */
	if (tell(forker, NEWS_BORN, pid, 0, pair[0]) == -1) {
		const struct forker_gone gone = { .pid = pid };

		insist(forker, NEWS_FAILED, 0, errno);
		(void)note_gone(forker, &gone, 1);
	}
	(void)close(pair[0]);
}

/*
 * Only the children that the worker says have ended are waited for, each by
 * its pid: so others, which worker_init may have made, are left to it, and
 * nobody is woken for a child that has done well.
 */
static void
reap_children(struct forker *forker)
{
	size_t left = 0;

	for (size_t i = 0; i < forker->gone_count; i++) {
		const struct forker_gone gone = forker->gone[i];
		int status = 0;
		const pid_t pid = waitpid(gone.pid, &status, WNOHANG);

		if (pid == 0)
			forker->gone[left++] = gone;
		else if (pid == gone.pid && gone.is_asked)
			insist(forker, NEWS_DIED, pid, status);
	}
	forker->gone_count = left;
}

/*
 * Only a child of this process, and one that was not waited for: so whoever
 * has taken over the worker cannot reach others.
 */
static void
kill_child(pid_t pid)
{
	siginfo_t info;

	if (waitid(P_PID, (id_t)pid, &info,
	    WEXITED | WNOHANG | WNOWAIT) == 0)
		(void)kill(pid, SIGKILL);
}

/* False when the worker is gone. */
static bool
obey(struct forker *forker)
{
	struct forker_order order;
	const size_t least = offsetof(struct forker_order, gone);
	const ssize_t n = recv(forker->channel, &order, sizeof(order), 0);

	if (n == -1 && errno == EINTR)
		return true;
	if (n < (ssize_t)least || order.gone_count > ORDER_GONE ||
	    (size_t)n != least + order.gone_count * sizeof(order.gone[0]))
		return false;
	for (uint32_t i = 0; i < order.count; i++)
		fork_child(forker);
	if (order.killed > 0)
		kill_child(order.killed);
	(void)note_gone(forker, order.gone, order.gone_count);
	reap_children(forker);
	return true;
}

/*
 * Waits for an order, and looks now and then whether those that were on their
 * way out have ended.
 */
static void
wait_for_order(struct forker *forker)
{
	struct pollfd fd = { .fd = forker->channel, .events = POLLIN };
	int pause = REAP_FIRST;

	while (forker->gone_count > 0 && poll(&fd, 1, pause) == 0) {
		reap_children(forker);
		if (pause < REAP_MOST)
			pause *= 2;
	}
}

/*
 * Without its worker nobody wants the children's replies: they end with this
 * process, by their parent-death signal.
 */
static noreturn __attribute__((__noinline__)) void
forker_loop(struct forker *forker)
{
	do
		wait_for_order(forker);
	while (obey(forker));
	_exit(0);
}

/*
 * Goes on at the upper end of a page of the stack: a small request touches no
 * more than that page of it, where it touched two in most processes.
 */
static noreturn void
begin_stack_page(struct forker *forker)
{
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	/* cppcheck-suppress allocaCalled ; it is bounded, and meant */
	volatile char *room = alloca(1 + here % CHILD_PAGE);

	*room = 0;
	forker_loop(forker);
}

/* The worker says when it ends, by closing its end of the channel. */
static void
set_signals(void)
{
	server_disregard(SIGTERM);
	server_disregard(SIGINT);
	server_disregard(SIGQUIT);
	(void)signal(SIGCHLD, SIG_DFL);
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
	server_title(server, "forker of worker %u", loop->index + 1);
	for (size_t i = 0; i < server->listener_count; i++)
		descriptor_close(server->listeners[i].source.fd);
	descriptor_close(server->control);
	descriptor_close(server->handover[0]);
	descriptor_close(server->handover[1]);
	set_signals();
	loop->pool.protocol_size = loop->protocol->exchange_size;
	loop->pool.alignment = CHILD_PAGE;
	(void)pthread_mutex_init(&loop->pool_lock, NULL);
	if (server_begin(server) == -1)
		fail(&forker);
	if (server->settings.is_daemon)
		descriptor_leave_terminal();
	if (server->is_program)
		crash_open_forker(loop);
	if (child_prepare(loop) == -1 ||
	    server_confine(server, CONFINED_FORKER) == -1)
		fail(&forker);
	insist(&forker, NEWS_READY, 0, 0);
	begin_stack_page(&forker);
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
