/* SPDX-License-Identifier: ISC */
/*
 * See worker.h.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/journal.h"
#include "../server/loop.h"
#include "privileges.h"
#include "title.h"
#include "worker.h"

/*
 * ms after its master has died: nobody is to be left after 2 s, and a process
 * takes some time to end on a busy machine.
 */
#define ORPHAN_STAYS	1200L
#define MEMORY_LOOK	100	/* ms between two looks at its own memory */
#define FULL_AGAIN	250	/* ms until it is told again */

struct control {
	struct source		 source;
	struct tine_server	*server;
};

static struct tine_server *serving;
static pid_t self, master;

/* ----------------------------------------------------------------- signals */

/* A child that a handler forked is no worker: it dies as usual. */
static void
leave(int sig)
{
	const int saved = errno;

	if (getpid() != self) {
		(void)signal(sig, SIG_DFL);
		(void)raise(sig);
		return;
	}
	server_end(serving, LOOP_DRAINS);
	errno = saved;
}

/*
 * Where there is a terminal, only an ignored signal lets a job in the
 * background write to it.
 */
static void
disregard_terminal(void)
{
	const bool has_one = isatty(STDIN_FILENO) == 1 ||
	    isatty(STDOUT_FILENO) == 1 || isatty(STDERR_FILENO) == 1;

	if (has_one) {
		(void)signal(SIGTTIN, SIG_IGN);
		(void)signal(SIGTTOU, SIG_IGN);
	} else {
		server_disregard(SIGTTIN);
		server_disregard(SIGTTOU);
	}
}

/*
 * A terminal's Ctrl-C and hang-up reach the whole process group, but workers
 * are commanded by the control socket: those signals are nothing to them.
 */
static void
set_signals(void)
{
	static const int disregarded[] = {
		SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE
	};
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (size_t i = 0; i < sizeof(disregarded) / sizeof(disregarded[0]);
	    i++)
		server_disregard(disregarded[i]);
	disregard_terminal();
	(void)sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = leave;
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ----------------------------------------------------------------- control */

/*
 * The master is gone: what is in hand may end, but not for long.  The timer
 * ends the process even while a handler blocks, with all signals blocked.
 * Async-signal-safe.
 */
static void
orphaned(struct tine_server *server)
{
	static atomic_flag is_known = ATOMIC_FLAG_INIT;
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL
	};
	const struct itimerspec end = {
		.it_value = {
			ORPHAN_STAYS / 1000, ORPHAN_STAYS % 1000 * 1000000
		}
	};
	timer_t timer;

	if (atomic_flag_test_and_set(&is_known))
		return;
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == -1 ||
	    timer_settime(timer, 0, &end, NULL) == -1)
		_exit(EX_OK);
	server_end(server, LOOP_SHUTS);
}

/*
 * The kernel tells it as well as the control socket: a handler may have closed
 * that one, and there may be no thread to look at it.
 */
static void
master_died(int sig)
{
	const int saved = errno;

	(void)sig;
	if (getpid() == self && getppid() != master)
		orphaned(serving);
	errno = saved;
}

static void
watch_master(void)
{
	struct sigaction action = {
		.sa_handler = master_died, .sa_flags = SA_RESTART
	};

	(void)sigaction(SIGRTMAX, &action, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGRTMAX);
	if (getppid() != master)
		_exit(EX_OK);
}

static void
obey(struct loop *loop, struct source *source, unsigned events)
{
	struct control *control = (struct control *)source;
	struct tine_server *server = control->server;
	char command;
	size_t count = 1;
	int fd = -1;
	ssize_t n;

	(void)events;
	n = descriptor_receive_now(source->fd, &command, 1, &fd, &count);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		loop_unwatch(loop, source);
		orphaned(control->server);
		return;
	}
	if (count == 0)
		fd = -1;
	switch ((enum command)command) {
	case COMMAND_LEAVE:
		server_end(server, LOOP_MOVES);
		break;
	case COMMAND_DRAIN:
		server_end(server, LOOP_DRAINS);
		break;
	case COMMAND_QUIT:
		server_end(server, LOOP_QUITS);
		break;
	case COMMAND_LOG:
		server_change_log(server, 0, fd);
		return;
	case COMMAND_ERROR_LOG:
		server_change_log(server, 1, fd);
		return;
	case COMMAND_RECYCLE:
	case COMMAND_FULL:
	case COMMAND_SHUT:
	case COMMAND_READY:
	case COMMAND_FAILED:
		break;
	}
	descriptor_close(fd);
}

/* --------------------------------------------------------------- recycling */

/* When this worker will have had enough; each draws its own. */
static uint64_t
draw_limit(const struct settings *settings)
{
	const uint64_t least = settings->max_requests;
	uint64_t most = settings->max_requests_most;

	if (least == 0)
		return UINT64_MAX;
	if (most == 0)
		most = least + least / 10;
	return least + arc4random_uniform((uint32_t)(most - least + 1));
}

/* Its own memory in bytes; the file is opened before the sandbox closes. */
static uint64_t
resident(void)
{
	static int statm = -1;
	char text[128], *second;
	unsigned long pages;
	ssize_t n;

	if (statm == -1)
		statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	n = pread(statm, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	(void)strtoul(text, &second, 10);
	pages = strtoul(second, NULL, 10);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool
has_enough(struct tine_server *server)
{
	static uint64_t limit, looked;
	const struct worker_line *line = &server->board->lines[server->index];
	const size_t memory = server->settings.max_memory;
	uint64_t now;

	if (limit == 0)
		limit = draw_limit(&server->settings);
	if (atomic_load(&line->is_lame) != 0 ||
	    atomic_load(&line->requests) >= limit)
		return true;
	if (memory == 0 || atomic_load(&line->requests) == 0 ||
	    (now = clock_ms()) - looked < MEMORY_LOOK)
		return false;
	looked = now;
	return resident() > memory;
}

/* Asks to be replaced, and serves on until it is. */
static void
recycle(struct tine_server *server)
{
	static bool has_asked;
	const char byte = COMMAND_RECYCLE;

	if (!has_asked && has_enough(server))
		has_asked = send(server->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* ----------------------------------------------------------------- elastic */

static bool
is_full(const struct settings *settings, const struct worker_line *line)
{
	return atomic_load_explicit(&line->busy, memory_order_relaxed) >=
	    settings_room(settings) || atomic_load_explicit(&line->pending,
	    memory_order_relaxed) > 0;
}

/* By what they say themselves: only the master knows who lives. */
static unsigned
count_idle(const struct scoreboard *board)
{
	unsigned count = 0;

	for (unsigned i = 0; i < board->workers; i++) {
		const struct worker_line *line = &board->lines[i];
		const unsigned state = atomic_load_explicit(&line->state,
		    memory_order_relaxed);

		count += (state == WORKER_IDLE || state == WORKER_BUSY) &&
		    atomic_load_explicit(&line->busy,
		    memory_order_relaxed) <= 0;
	}
	return count;
}

/*
 * The master looks at the load once a second.  A worker that has just become
 * full while few have room tells it before, but not with each short handler.
 */
static void
tell_full(const struct tine_server *server)
{
	static bool was_full;
	static uint64_t told;
	const struct settings *settings = &server->settings;
	const char byte = COMMAND_FULL;
	bool is_now;

	if (settings->workers_most <= settings->workers)
		return;
	is_now = is_full(settings, &server->board->lines[server->index]);
	if (is_now && !was_full && clock_ms() - told >= FULL_AGAIN &&
	    count_idle(server->board) < settings->spare_least) {
		told = clock_ms();
		(void)send(server->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	was_full = is_now;
}

/* ----------------------------------------------------------------- leaving */

/* From here on new clients have a successor, which a reload waits for. */
static void
tell_shut(const struct tine_server *server)
{
	static bool has_told;
	const struct loop *loop = atomic_load_explicit(&server->loop,
	    memory_order_relaxed);
	const char byte = COMMAND_SHUT;

	if (!has_told && loop != NULL && loop->end_seen != LOOP_RUNS &&
	    !loop->is_emptying)
		has_told = send(server->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* Called in each turn of the loop, and when another thread leads it. */
static void
turned(struct tine_server *server)
{
	recycle(server);
	tell_full(server);
	tell_shut(server);
	title_turn(server);
}

/*
 * It dies, and a successor takes its connections all the sooner.  Not if it
 * was of no use: then the master takes its time.
 */
static void
ask_for_successor(struct tine_server *server)
{
	const char byte = COMMAND_RECYCLE;

	if (atomic_load(&server->board->lines[server->index].requests) > 0)
		(void)send(server->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int
begin(struct loop *loop, void *argument)
{
	struct control *control = argument;
	const char ready = COMMAND_READY;

	if (loop_watch(loop, &control->source) == -1)
		return failure("cannot watch the control socket");
	/* From here on what is in hand may end when the master dies. */
	watch_master();
	if (control->server->settings.is_daemon)
		descriptor_leave_terminal();
	if (write(control->source.fd, &ready, 1) != 1)
		return failure("the master does not listen");
	return 0;
}

/* It may have died before that was asked for. */
static void
die_with_master(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master)
		_exit(EX_OK);
}

/* The master repeats it where its own caller reads it. */
static void
tell_why(struct tine_server *server, unsigned index)
{
	char text[512] = { COMMAND_FAILED };

	(void)snprintf(text + 1, sizeof(text) - 1, "%s", tine_error());
	server_log(server, TINE_LOG_ERROR, "worker %u: %s", index + 1,
	    text + 1);
	(void)send(server->control, text, strlen(text),
	    MSG_NOSIGNAL | MSG_DONTWAIT);
}

noreturn void
worker_main(struct tine_server *server, unsigned index, int fd)
{
	struct control control = {
		.source = { fd, obey }, .server = server
	};
	int status = EX_OK;

	serving = server;
	self = getpid();
	master = getppid();
	server->control = fd;
	server->is_program = true;
	set_signals();
	server_title(server, "worker %u", index + 1);
	die_with_master();
	server->turned = turned;
	server->crashing = ask_for_successor;
	if (server->settings.max_memory != 0)
		(void)resident();
	if (privileges_try() == -1)
		status = EX_NOPERM;
	else if (server->load != NULL)
		status = server->load(server);
	if (status == EX_OK && privileges_drop(server) == -1)
		status = EX_NOPERM;
	/* A change of user has cleared it. */
	die_with_master();
	if (status == EX_OK &&
	    server_work(server, index, begin, &control) == -1)
		status = EX_SOFTWARE;
	if (status != EX_OK)
		tell_why(server, index);
	(void)fflush(NULL);
	_exit(status);
}
