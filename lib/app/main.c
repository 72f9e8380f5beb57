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

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "../prefork/master.h"
#include "../prefork/privileges.h"
#include "../prefork/upgrade.h"
#include "daemon.h"
#include "inherited.h"
#include "main.h"
#include "options.h"

extern char **environ;

static struct tine_server *volatile serving;	/* by serve_alone() */
static volatile sig_atomic_t interrupts;

/* -------------------------------------------------------------------- logs */

static int
open_log(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return STDERR_FILENO;
	if (strcmp(path, "none") == 0 || strcmp(path, "syslog") == 0)
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
	server->use_syslog = strcmp(server->settings.error_log, "syslog") ==
	    0;
	server->open_log = open_log;
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
	case ENOTSOCK:
		return EX_CONFIG;
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
	for (int i = 0; i < 10; i++) {
		if (tine_server_bind(server, address) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
		clock_pause(200);
	}
	return tine_server_bind(server, address);
}

static int
bind_all(struct tine_server *server)
{
	if (server->bind_count == 0 && server->listener_count == 0) {
		const int passed = inherited_bind_rest(server);

		if (passed != 0)
			return passed == -1 ? -1 : 0;
		return bind_patiently(server, "localhost:8080");
	}
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
	daemon_tell(EX_OK);
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
	/* It may come when all is over. */
	if (serving != NULL)
		server_end(serving, sig == SIGINT ? LOOP_QUITS : LOOP_DRAINS);
	errno = saved;
}

/* A quick stop leaves running handlers behind; their process ends. */
static int
serve_alone(struct tine_server *server)
{
	struct sigaction action = { .sa_handler = stop };
	int status = EX_OK;
	sigset_t mask;

	serving = server;
	server->is_program = true;
	server_clean_environment();
	action.sa_handler = give_up;
	(void)sigaction(SIGALRM, &action, NULL);
	action.sa_handler = stop;
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	/* Whatever the parent has made of these. */
	action.sa_handler = SIG_DFL;
	(void)sigaction(SIGCHLD, &action, NULL);
	(void)sigemptyset(&mask);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	if (privileges_try() == -1)
		status = EX_NOPERM;
	else if (server->load != NULL)
		status = server->load(server);
	if (status == EX_OK && privileges_drop(server) == -1)
		status = EX_NOPERM;
	if (status != EX_OK) {
		serving = NULL;
		return status;
	}
	say_where(server);
	if (tine_serve_forever(server) == -1)
		status = EX_SOFTWARE;
	serving = NULL;
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
	server->pidfile_fd = upgrade_pidfile();
	if (server->pidfile_fd != -1)
		return EX_OK;		/* it is locked, and says this pid */
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
	server->pidfile_fd = pidfile_fileno(*pidfile);
	(void)fcntl(server->pidfile_fd, F_SETFD, FD_CLOEXEC);
	(void)pidfile_write(*pidfile);
	return EX_OK;
}

/* One that someone else has put there meanwhile stays. */
static void
drop_pidfile(const struct tine_server *server)
{
	const char *path = server->settings.pidfile;
	struct stat mine, there;

	if (server->pidfile_fd != -1 &&
	    fstat(server->pidfile_fd, &mine) == 0 &&
	    stat(path, &there) == 0 && mine.st_dev == there.st_dev &&
	    mine.st_ino == there.st_ino)
		(void)unlink(path);
}

/* ------------------------------------------------------------------- reload */

static bool
same_binds(const struct tine_server *server, const char *const *binds,
    size_t count)
{
	if (count != server->bind_count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(binds[i], server->binds[i]) != 0)
			return false;
	}
	return true;
}

/* The old set, whose descriptors serve for the same addresses. */
static const struct listener *kept;
static size_t kept_count;

static int
adopt_kept(const char *asked, bool *is_ours)
{
	for (size_t i = 0; i < kept_count; i++) {
		if (strcmp(kept[i].asked, asked) == 0) {
			*is_ours = !kept[i].is_inherited;
			return kept[i].source.fd;
		}
	}
	return -1;
}

/* New listeners are bound before old ones are dropped; see reload.c. */
static int
rebind(struct tine_server *server)
{
	int (*adopt)(const char *, bool *) = server->adopt;
	struct listener *old = server->listeners;
	const size_t old_count = server->listener_count;
	int result = 0;

	kept = old;
	kept_count = old_count;
	server->adopt = adopt_kept;
	server->listeners = NULL;
	server->listener_count = 0;
	for (size_t i = 0; result == 0 && i < server->bind_count; i++)
		result = tine_server_bind(server, server->binds[i]);
	server->adopt = adopt;
	if (result == 0)
		return 0;
	for (size_t i = 0; i < server->listener_count; i++) {
		bool ours;

		if (adopt_kept(server->listeners[i].asked, &ours) == -1)
			listener_close(&server->listeners[i], true);
	}
	free(server->listeners);
	server->listeners = old;
	server->listener_count = old_count;
	return -1;
}

/* What the workers there are share with new ones cannot change. */
static int
check_change(const struct settings *before, const struct settings *now)
{
	if (now->mode != before->mode)
		return failure_errno(EINVAL, "another --mode needs a restart");
	if (now->workers == 0)
		return failure_errno(EINVAL, "--workers=0 needs a restart");
	return 0;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
keep_text(struct tine_server *server, const char *name, const char *before,
    const char **now)
{
	if (is_same_text(before, *now))
		return;
	server_log(server, TINE_LOG_WARNING, "another --%s needs a restart; "
	    "%s is kept", name, before != NULL ? before : "none");
	*now = before;
}

/* What is of the process, not of its workers, is not read anew. */
static void
keep_process(struct tine_server *server, const struct settings *before)
{
	struct settings *now = &server->settings;

	keep_text(server, "pidfile", before->pidfile, &now->pidfile);
	keep_text(server, "chdir", before->chdir, &now->chdir);
	if (now->is_daemon != before->is_daemon)
		server_log(server, TINE_LOG_WARNING, "--daemon needs a "
		    "restart");
	now->is_daemon = before->is_daemon;
}

static int
read_again(struct tine_server *server)
{
	const struct settings before = server->settings;
	const char *binds[sizeof(server->binds) / sizeof(server->binds[0])];
	const size_t count = server->bind_count;
	const char *operand;
	int result;

	memcpy(binds, server->binds, sizeof(binds));
	server->settings = server->base;
	server->settings.config = NULL;
	server->bind_count = 0;
	server->binds_are_file = false;
	result = options_load(server, server->argc, server->argv, "",
	    &operand) == EX_OK && check_change(&before, &server->settings) ==
	    0 && privileges_find(server) == EX_OK ? 0 : -1;
	if (result == 0)
		keep_process(server, &before);
	server_bound(&server->settings);
	if (result == 0 && !same_binds(server, binds, count) &&
	    server->bind_count > 0)
		result = rebind(server);
	if (result == -1) {
		server->settings = before;
		server->bind_count = count;
		memcpy(server->binds, binds, sizeof(binds));
	}
	return result;
}

/* The caller puts back what was there if this fails: see reload.c. */
static int
refresh(struct tine_server *server)
{
	if (server->reopen_module != NULL &&
	    server->reopen_module(server) == -1)
		return -1;
	return server->settings.config != NULL ? read_again(server) : 0;
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

static int
enter_directory(const struct tine_server *server)
{
	const char *dir = server->settings.chdir;

	if (dir == NULL || chdir(dir) == 0)
		return EX_OK;
	(void)failure("--chdir=%s: %s", dir, strerror(errno));
	return EX_NOINPUT;
}

static int
open_all(struct tine_server *server, struct pidfh **pidfile)
{
	int status = take_pidfile(server, pidfile);

	if (status == EX_OK)
		status = inherited_read(server);
	if (status == EX_OK && open_logs(server) == -1)
		status = EX_CANTCREAT;
	if (status == EX_OK && bind_all(server) == -1)
		status = bind_status();
	if (status == EX_OK)
		status = enter_directory(server);
	return status;
}

/*
 * A second request to stop may come when the master has done with signals;
 * the end that the first one asked for is an orderly one all the same.
 */
static int
serve_prefork(struct tine_server *server)
{
	static const int stops[] = { SIGTERM, SIGQUIT, SIGINT, SIGHUP };
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		(void)sigaddset(&mask, stops[i]);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	return master_run(server, say_where);
}

static int
serve(struct tine_server *server)
{
	struct pidfh *pidfile = NULL;
	int status;

	server->refresh = refresh;
	if (server->settings.is_daemon && !upgrade_is_there() &&
	    daemon_start() == -1)
		return EX_OSERR;
	status = open_all(server, &pidfile);
	if (status == EX_OK)
		status = server->settings.workers == 0 ? serve_alone(server)
		    : serve_prefork(server);
	drop_pidfile(server);
	if (pidfile != NULL)
		(void)pidfile_close(pidfile);
	return status;
}

/* --test: all that can be found wrong without a port, a pidfile or a log. */
static int
check(struct tine_server *server)
{
	const int status = server->load != NULL ? server->load(server)
	    : EX_OK;

	if (status == EX_OK)
		(void)printf("%s: the options%s are good\n", getprogname(),
		    server->load != NULL ? " and the module" : "");
	return status;
}

static int
run(struct tine_server *server, int argc, char *argv[],
    const char *operand_name, int (*prepare)(struct tine_server *,
    const char *))
{
	const char *operand = NULL;
	int status;

	if (upgrade_begin() == -1)
		return EX_CONFIG;
	status = options_load(server, argc, argv, operand_name, &operand);
	if (status == -1)
		return EX_OK;
	if (status == EX_OK && prepare != NULL)
		status = prepare(server, operand);
	if (status == EX_OK)
		status = privileges_find(server);
	if (status != EX_OK)
		return status;
	return server->settings.is_test ? check(server) : serve(server);
}

/*
 * As the shell knows it: with a link to the release in it, a later upgrade
 * finds the release that the link leads to then.
 */
static char *
current_directory(void)
{
	const char *name = getenv("PWD");
	struct stat named, real;

	if (name != NULL && *name == '/' && stat(name, &named) == 0 &&
	    stat(".", &real) == 0 && named.st_dev == real.st_dev &&
	    named.st_ino == real.st_ino)
		return strdup(name);
	return getcwd(NULL, 0);
}

/* A copy that is there when the titles have taken the original's place. */
static void
remember(struct tine_server *server, int argc, char *argv[])
{
	char **copy = calloc((size_t)argc + 1, sizeof(char *));
	char *dir = current_directory();

	for (int i = 0; copy != NULL && i < argc; i++) {
		copy[i] = arena_strndup(&server->arena, argv[i],
		    strlen(argv[i]));
		if (copy[i] == NULL) {
			free(copy);
			copy = NULL;
		}
	}
	server->argc = copy != NULL ? argc : 0;
	server->argv = copy;
	server->start_dir = dir != NULL ? arena_strndup(&server->arena, dir,
	    strlen(dir)) : NULL;
	free(dir);
}

static void
say_why(void)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: %s\n", getprogname(), tine_error());
}

int
main_run(struct tine_server *server, int argc, char *argv[],
    const char *operand_name, int (*prepare)(struct tine_server *,
    const char *))
{
	int status;

	open_standard();
	if (server == NULL) {
		setproctitle_init(argc, argv, environ);
		say_why();
		return EX_OSERR;
	}
	remember(server, argc, argv);
	setproctitle_init(argc, argv, environ);
	status = run(server, argc, argv, operand_name, prepare);
	if (status != EX_OK && server->argv != NULL)
		upgrade_give_up(tine_error(), server->argv);
	if (status != EX_OK)
		say_why();
	daemon_tell(status);
	free(server->argv);
	tine_server_free(server);
	return status;
}

TINE_PUBLIC int
tine_main_server(int argc, char *argv[], struct tine_server *server)
{
	return main_run(server, argc, argv, NULL, NULL);
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
