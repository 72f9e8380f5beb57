/* SPDX-License-Identifier: ISC */
/*
 * See alone.h.
 */
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../prefork/notify.h"
#include "../prefork/privileges.h"
#include "alone.h"
#include "pidfile.h"

#define QUICK_GRACE	800	/* ms that handlers have in a quick stop */
#define OVERTIME	200	/* ms that the loop has to say so and end */

static const char farewell[] = "\nKeyboard interrupt received, exiting.\n";

static struct {
	struct source		 source;	/* told by the signal handlers */
	struct tine_server	*server;
	void			(*ready)(struct tine_server *);
	struct source		 timer;		/* of the watchdog */
	struct notify		 notify;
	pid_t			 pid;
	/* The main thread's signals; another may lead, and obey them. */
	atomic_int		 is_serving, interrupts;
	atomic_int		 stops, hang_ups, reopens;
} alone;

/* ----------------------------------------------------------------- signals */

/* Without its lock, whose holder may be the one that is interrupted. */
static void
leave_lines(const struct journal *journal)
{
	if (journal->data != NULL)
		journal_salvage(journal->fd, journal->data, journal->size,
		    atomic_load(journal->used));
}

/*
 * The handler, or worker_init, did not end in time: as main() would do it,
 * by what may be called in a signal handler.
 */
static void
give_up(int sig)
{
	struct tine_server *server = alone.server;

	(void)sig;
	if (alone.interrupts > 0)
		(void)!write(STDOUT_FILENO, farewell, sizeof(farewell) - 1);
	leave_lines(&server->requests);
	leave_lines(&server->errors);
	for (size_t i = 0; i < server->listener_count; i++)
		listener_remove(&server->listeners[i]);
	pidfile_drop(server);
	_exit(EX_OK);
}

/* A child that a handler forked is not this server: it dies as usual. */
static bool
is_ours(int sig)
{
	if (getpid() == alone.pid)
		return true;
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	return false;
}

static void
wake(void)
{
	const uint64_t one = 1;

	(void)!write(alone.source.fd, &one, sizeof(one));
}

/* The loop ends by itself, but it cannot end a handler. */
static void
set_limit(unsigned ms)
{
	const unsigned all = ms + OVERTIME;
	const struct itimerval timer = {
		.it_value = { all / 1000, (suseconds_t)(all % 1000) * 1000 }
	};

	if (ms != 0)
		(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void
stop(int sig)
{
	const int saved = errno;

	if (!is_ours(sig))
		return;
	alone.interrupts += sig == SIGINT;
	/* Before it serves there is nothing that could be finished. */
	if (alone.interrupts > 1 || !alone.is_serving)
		give_up(sig);
	set_limit(sig == SIGINT ? QUICK_GRACE
	    : alone.server->settings.graceful_timeout);
	server_end(alone.server, sig == SIGINT ? LOOP_QUITS : LOOP_DRAINS);
	alone.stops = 1;
	wake();
	errno = saved;
}

static void
note(int sig)
{
	const int saved = errno;

	if (!is_ours(sig))
		return;
	if (sig == SIGHUP)
		alone.hang_ups = 1;
	else
		alone.reopens = 1;
	wake();
	errno = saved;
}

static const struct {
	int	signal;
	void	(*handler)(int);
} handled[] = {
	{ SIGTERM, stop }, { SIGQUIT, stop }, { SIGINT, stop },
	{ SIGALRM, give_up }, { SIGHUP, note }, { SIGUSR1, note },
	{ SIGCHLD, SIG_DFL }		/* whatever the parent made of it */
};

#define HANDLED	(sizeof(handled) / sizeof(handled[0]))

static void
set_signals(void)
{
	struct sigaction action = { .sa_flags = SA_RESTART };
	sigset_t none;

	for (size_t i = 0; i < HANDLED; i++) {
		action.sa_handler = handled[i].handler;
		(void)sigaction(handled[i].signal, &action, NULL);
	}
	server_disregard(SIGUSR2);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The server is about to be taken down, and the process ends: what is still
 * asked of it is under way, and a handler must not look at what is gone.
 */
static void
hold_signals(void)
{
	sigset_t held;

	(void)sigemptyset(&held);
	for (size_t i = 0; i < HANDLED; i++)
		(void)sigaddset(&held, handled[i].signal);
	(void)sigprocmask(SIG_BLOCK, &held, NULL);
}

/* ----------------------------------------------------------------- serving */

static void
reopen_logs(struct tine_server *server)
{
	for (unsigned which = 0; which < 2; which++) {
		const char *path = which == 0 ? server->settings.log
		    : server->settings.error_log;
		int fd;

		if (server->log_fds[which] <= STDERR_FILENO)
			continue;
		fd = server->open_log(path);
		if (fd < 0)
			server_log(server, TINE_LOG_ERROR, "%s; the old file "
			    "is kept", tine_error());
		else
			server_change_log(server, which, fd);
	}
}

static void
hang_up(struct tine_server *server)
{
	alone.hang_ups = 0;
	if (descriptor_has_hung_up(STDIN_FILENO)) {
		server_end(server, LOOP_DRAINS);
		return;
	}
	server_log(server, TINE_LOG_WARNING, "SIGHUP: without a master "
	    "(--workers=0) there is no reload; only the logs are opened "
	    "anew");
	alone.reopens = 1;
}

/* What the signal handlers noted, in the loop's own time. */
static void
obey(struct loop *loop, struct source *source, unsigned events)
{
	struct tine_server *server = alone.server;
	uint64_t count;

	(void)loop;
	(void)events;
	(void)!read(source->fd, &count, sizeof(count));
	if (alone.hang_ups != 0)
		hang_up(server);
	if (alone.reopens != 0) {
		alone.reopens = 0;
		reopen_logs(server);
	}
	if (alone.stops != 0) {
		alone.stops = 0;
		notify_send(&alone.notify, "STOPPING=1\nSTATUS=stopping");
	}
}

static void
give_sign(struct loop *loop, struct source *source, unsigned events)
{
	uint64_t count;

	(void)loop;
	(void)events;
	(void)!read(source->fd, &count, sizeof(count));
	notify_send(&alone.notify, "WATCHDOG=1");
}

/* Half the interval that the service manager asks for, in the loop's turns. */
static int
watch_time(struct loop *loop)
{
	const uint64_t ms = alone.notify.interval;
	const struct timespec every = {
		(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)
	};
	const struct itimerspec timer = { every, every };

	if (ms == 0)
		return 0;
	alone.timer.ready = give_sign;
	alone.timer.fd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK);
	if (alone.timer.fd == -1 ||
	    timerfd_settime(alone.timer.fd, 0, &timer, NULL) == -1 ||
	    loop_watch(loop, &alone.timer) == -1)
		return failure("no timer for the watchdog: %s",
		    strerror(errno));
	notify_send(&alone.notify, "WATCHDOG=1");
	return 0;
}

static int
begin(struct loop *loop, void *argument)
{
	(void)argument;
	if (loop_watch(loop, &alone.source) == -1)
		return failure("cannot watch for signals: %s",
		    strerror(errno));
	if (watch_time(loop) == -1)
		return -1;
	alone.is_serving = 1;
	notify_send(&alone.notify, "READY=1\nSTATUS=serving\nMAINPID=%ld",
	    (long)getpid());
	alone.ready(alone.server);
	return 0;
}

static int
load(struct tine_server *server)
{
	int status = EX_OK;

	if (privileges_try() == -1)
		return EX_NOPERM;
	if (server->load != NULL)
		status = server->load(server);
	if (status == EX_OK && privileges_drop(server) == -1)
		status = EX_NOPERM;
	return status;
}

/* A quick stop leaves running handlers behind; their process ends. */
static int
serve(struct tine_server *server)
{
	if (server_prepare(server, 1) == -1)
		return EX_OSERR;
	if (server_work(server, 0, begin, NULL) == -1)
		return EX_SOFTWARE;
	alone.is_serving = 0;
	if (alone.interrupts > 0)
		(void)fputs(farewell, stdout);
	return EX_OK;
}

int
alone_run(struct tine_server *server, void (*ready)(struct tine_server *))
{
	int status;

	alone.server = server;
	alone.ready = ready;
	alone.pid = getpid();
	alone.source = (struct source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = obey
	};
	if (alone.source.fd == -1) {
		(void)failure("no eventfd: %s", strerror(errno));
		return EX_OSERR;
	}
	server->is_program = true;
	notify_open(&alone.notify);
	server_clean_environment();
	set_signals();
	status = load(server);
	if (status == EX_OK)
		status = serve(server);
	hold_signals();
	notify_close(&alone.notify);
	return status;
}
