/* SPDX-License-Identifier: ISC */
/*
 * See main.h.  Only here and in bin is the process' exit status decided.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/libutil.h>
#include <bsd/stdlib.h>
#include <bsd/unistd.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../prefork/master.h"
#include "main.h"
#include "options.h"

extern char **environ;

static struct tine_server *serving;
static volatile sig_atomic_t interrupts;

int
main_fail(struct tine_server *server, int status)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: %s\n", getprogname(), tine_error());
	tine_server_free(server);
	return status;
}

/* -------------------------------------------------------------------- logs */

static int
open_log(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return STDERR_FILENO;
	if (strcmp(path, "none") == 0)
		return -1;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	    0644);
	if (fd == -1)
		return failure("cannot open the log %s: %s", path,
		    strerror(errno)) - 1;
	return fd;
}

static int
open_logs(struct tine_server *server)
{
	server->log_fds[0] = open_log(server->settings.log);
	server->log_fds[1] = open_log(server->settings.error_log);
	return server->log_fds[0] == -2 || server->log_fds[1] == -2 ? -1 : 0;
}

/* ----------------------------------------------------------------- binding */

static int
bind_status(void)
{
	switch (errno) {
	case EADDRINUSE:
		return EX_UNAVAILABLE;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EINVAL:
	case ENOENT:
		return EX_USAGE;
	case ENOMEM:
	case EMFILE:
		return EX_OSERR;
	default:
		return EX_UNAVAILABLE;
	}
}

/*
 * The workers of a master that was killed hold its address for a moment
 * after it: so one that is in use is tried again for a while.
 */
static int
bind_patiently(struct tine_server *server, const char *address)
{
	const struct timespec pause = { 0, 200 * 1000 * 1000 };

	for (int i = 0; i < 10; i++) {
		if (tine_server_bind(server, address) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	return tine_server_bind(server, address);
}

static int
bind_all(struct tine_server *server)
{
	if (server->bind_count == 0 && server->listener_count == 0)
		return bind_patiently(server, "localhost:8080");
	for (size_t i = 0; i < server->bind_count; i++) {
		if (bind_patiently(server, server->binds[i]) == -1)
			return -1;
	}
	return 0;
}

static void
say_where(struct tine_server *server)
{
	const char *address;

	(void)printf("Starting server, use <Ctrl-C> to stop\n");
	for (size_t i = 0;
	    (address = tine_server_address(server, i)) != NULL; i++) {
		if (strncmp(address, "unix:", 5) == 0)
			(void)printf("Listening on %s\n", address);
		else
			(void)printf("Listening on http://%s/\n", address);
	}
	(void)fflush(stdout);
}

/* ------------------------------------------------------ without a master */

static const char farewell[] = "\nKeyboard interrupt received, exiting.\n";

/* A handler has not ended within a second of Ctrl-C. */
static void
give_up(int sig)
{
	(void)sig;
	(void)!write(STDOUT_FILENO, farewell, sizeof(farewell) - 1);
	_exit(EX_OK);
}

static void
stop(int sig)
{
	const int saved = errno;

	if (sig == SIGINT && ++interrupts > 1)
		give_up(sig);
	if (sig == SIGINT)
		(void)alarm(1);
	server_end(serving, sig == SIGINT ? LOOP_QUITS : LOOP_DRAINS);
	errno = saved;
}

/* A quick stop leaves running handlers behind; their process ends. */
static int
serve_alone(struct tine_server *server)
{
	struct sigaction action = { .sa_handler = stop };
	int status = EX_OK;

	serving = server;
	action.sa_handler = give_up;
	(void)sigaction(SIGALRM, &action, NULL);
	action.sa_handler = stop;
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	if (server->load != NULL)
		status = server->load(server);
	if (status != EX_OK)
		return status;
	say_where(server);
	if (tine_serve_forever(server) == -1)
		status = EX_SOFTWARE;
	if (interrupts > 0)
		(void)fputs(farewell, stdout);
	return status;
}

/* ---------------------------------------------------------------- pidfile */

static int
take_pidfile(struct tine_server *server, struct pidfh **pidfile)
{
	const char *path = server->settings.pidfile;
	pid_t other = 0;

	if (path == NULL)
		return EX_OK;
	*pidfile = pidfile_open(path, 0644, &other);
	if (*pidfile == NULL && errno == EEXIST) {
		(void)failure("%s: a server is running already, with the "
		    "process id %ld", path, (long)other);
		return EX_UNAVAILABLE;
	}
	if (*pidfile == NULL) {
		(void)failure("cannot write the pidfile %s: %s", path,
		    strerror(errno));
		return EX_CANTCREAT;
	}
	(void)fcntl(pidfile_fileno(*pidfile), F_SETFD, FD_CLOEXEC);
	(void)pidfile_write(*pidfile);
	return EX_OK;
}

static void
drop_pidfile(struct pidfh *pidfile, const char *path)
{
	struct stat mine, there;

	if (pidfile == NULL)
		return;
	if (fstat(pidfile_fileno(pidfile), &mine) == 0 &&
	    stat(path, &there) == 0 && mine.st_dev == there.st_dev &&
	    mine.st_ino == there.st_ino)
		(void)pidfile_remove(pidfile);
	else
		(void)pidfile_close(pidfile);
}

/* ----------------------------------------------------------------- serving */

/* A descriptor from 0 to 2 must not become a client's. */
static void
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

int
main_serve(struct tine_server *server)
{
	struct pidfh *pidfile = NULL;
	const char *path = server->settings.pidfile;
	int status;

	open_standard();
	status = take_pidfile(server, &pidfile);
	if (status != EX_OK)
		return main_fail(server, status);
	if (open_logs(server) == -1)
		status = EX_CANTCREAT;
	else if (bind_all(server) == -1)
		status = bind_status();
	else if (server->settings.workers == 0)
		status = serve_alone(server);
	else
		status = master_run(server, say_where);
	drop_pidfile(pidfile, path);
	if (status != EX_OK)
		return main_fail(server, status);
	tine_server_free(server);
	return status;
}

TINE_PUBLIC int
tine_main_server(int argc, char *argv[], struct tine_server *server)
{
	const char *operand;

	setproctitle_init(argc, argv, environ);
	if (server == NULL)
		return main_fail(NULL, EX_OSERR);
	switch (options_read(server, argc, argv, NULL, &operand)) {
	case OPTIONS_DONE:
		tine_server_free(server);
		return EX_OK;
	case OPTIONS_WRONG:
		return main_fail(server, EX_USAGE);
	case OPTIONS_SERVE:
		break;
	}
	return main_serve(server);
}

TINE_PUBLIC int
tine_main_sized(int argc, char *argv[],
    const struct tine_http_handler *handler, size_t size)
{
	struct tine_server *server = tine_http_server_sized(handler, size);

	if (server != NULL)
		(void)tine_server_set(server, "workers", "auto");
	return tine_main_server(argc, argv, server);
}
