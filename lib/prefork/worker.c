/* SPDX-License-Identifier: ISC */
/*
 * See worker.h.
 */
#include <sys/prctl.h>
#include <sys/time.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/failure.h"
#include "worker.h"

#define ORPHAN_STAYS	1500	/* ms after its master has died */

struct control {
	struct source		 source;
	struct tine_server	*server;
	pid_t			 master;
};

static struct tine_server *serving;

/* ----------------------------------------------------------------- signals */

static void
leave(int sig)
{
	const int saved = errno;

	(void)sig;
	server_end(serving, LOOP_DRAINS);
	errno = saved;
}

static void
give_up(int sig)
{
	(void)sig;
	_exit(EX_OK);
}

/*
 * A terminal's Ctrl-C and hang-up reach the whole process group, but workers
 * are commanded by the control socket: those signals are ignored.
 */
static void
set_signals(void)
{
	static const int ignored[] = {
		SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE
	};
	struct sigaction action = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &action, NULL);
	action.sa_handler = SIG_DFL;
	(void)sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = leave;
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ----------------------------------------------------------------- control */

/*
 * The master is gone: what is in hand may end, but not for long.  The timer's
 * handler ends the process even while a handler blocks.
 */
static void
orphaned(struct tine_server *server)
{
	const struct itimerval timer = {
		.it_value = { ORPHAN_STAYS / 1000, ORPHAN_STAYS % 1000 * 1000 }
	};
	struct sigaction action = { .sa_handler = give_up };

	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
	server_end(server, LOOP_SHUTS);
}

static void
obey(struct loop *loop, struct source *source, unsigned events)
{
	struct control *control = (struct control *)source;
	char command;
	ssize_t n;

	(void)events;
	n = read(source->fd, &command, 1);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		loop_unwatch(loop, source);
		orphaned(control->server);
		return;
	}
	switch ((enum command)command) {
	case COMMAND_DRAIN:
		server_end(control->server, LOOP_DRAINS);
		break;
	case COMMAND_QUIT:
		server_end(control->server, LOOP_QUITS);
		break;
	case COMMAND_REOPEN:
	case COMMAND_READY:
		break;
	}
}

static int
begin(struct loop *loop, void *argument)
{
	struct control *control = argument;
	const char ready = COMMAND_READY;

	if (loop_watch(loop, &control->source) == -1)
		return failure("cannot watch the control socket");
	/* From here on the control socket tells of the master's death. */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	if (write(control->source.fd, &ready, 1) != 1)
		return failure("the master does not listen");
	return 0;
}

noreturn void
worker_main(struct tine_server *server, unsigned index, int fd)
{
	struct control control = {
		.source = { fd, obey }, .server = server,
		.master = getppid()
	};
	int status = EX_OK;

	serving = server;
	server->control = fd;
	set_signals();
	setproctitle("worker %u", index + 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != control.master)
		_exit(EX_OK);
	if (server->load != NULL)
		status = server->load(server);
	if (status == EX_OK &&
	    server_work(server, index, begin, &control) == -1)
		status = EX_SOFTWARE;
	if (status != EX_OK)
		server_log(server, TINE_LOG_ERROR, "worker %u: %s", index + 1,
		    tine_error());
	(void)fflush(NULL);
	_exit(status);
}
