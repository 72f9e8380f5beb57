/* SPDX-License-Identifier: ISC */
/*
 * See main.h.  Only here and in bin is the process' exit status decided.
 */
#include <sys/prctl.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "../base/system_log.h"
#include "../files/files.h"
#include "../prefork/master.h"
#include "../prefork/privileges.h"
#include "../prefork/upgrade.h"
#include "alone.h"
#include "daemon.h"
#include "inherited.h"
#include "main.h"
#include "options.h"
#include "paths.h"
#include "pidfile.h"

extern char **environ;

static bool is_stopped;		/* asked to stop before it serves */

/* -------------------------------------------------------------------- logs */

static int
open_log(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return STDERR_FILENO;
	if (strcmp(path, "none") == 0)
		return -1;
	if (strcmp(path, "syslog") == 0) {
		/* Now: workers may have another root when they need it. */
		system_log_open(getprogname());
		return JOURNAL_SYSLOG;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	    0644);
	if (fd == -1)
		return failure("cannot open the log %s: %s", path,
		    strerror(errno)) - 1;
	return fd;
}

/* After an upgrade a log that cannot be opened is what it was before. */
static int
take_log(struct tine_server *server, unsigned which, const char *path)
{
	int fd = upgrade_is_back() ? upgrade_log(which) : -1;

	if (fd != -1)
		return fd;
	fd = open_log(path);
	if (fd != -2 || upgrade_log(which) == -1)
		return fd;
	fd = upgrade_log(which);
	server_log(server, TINE_LOG_ERROR, "%s; the old file is kept",
	    tine_error());
	return fd;
}

static int
open_logs(struct tine_server *server)
{
	server->use_syslog = strcmp(server->settings.error_log, "syslog") ==
	    0;
	server->open_log = open_log;
	server->log_fds[0] = take_log(server, 0, server->settings.log);
	server->log_fds[1] = take_log(server, 1, server->settings.error_log);
	return server->log_fds[0] == -2 || server->log_fds[1] == -2 ? -1 : 0;
}

/* ----------------------------------------------------------------- binding */

/* What a failure to listen on an address is, by errno. */
static int
bind_status(const char *address)
{
	switch (errno) {
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return EX_UNAVAILABLE;
	case ENOTSOCK:
		return EX_CONFIG;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return EX_OSERR;
	default:
		break;
	}
	if (strncmp(address, "unix:", 5) == 0)
		return errno == EINVAL ? EX_USAGE : EX_CANTCREAT;
	switch (errno) {
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EINVAL:
	case ENOENT:
		return EX_USAGE;
	default:
		return EX_UNAVAILABLE;
	}
}

static void
stop_set(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGQUIT);
	(void)sigaddset(set, SIGINT);
}

/*
 * The workers of a master that was killed hold its address for a moment
 * after it: so one that is in use is tried again for a while.
 */
static int
bind_patiently(struct tine_server *server, const char *address)
{
	const struct timespec pause = { 0, 200000000 };
	sigset_t stops;

	stop_set(&stops);
	for (int i = 0; i < 10; i++) {
		if (tine_server_bind(server, address) == 0)
			return EX_OK;
		if (errno != EADDRINUSE)
			return bind_status(address);
		/* After an upgrade it is the master's to take. */
		if (upgrade_is_there())
			clock_pause(200);
		else
			is_stopped = sigtimedwait(&stops, NULL, &pause) > 0;
		if (is_stopped)
			return EX_OK;
	}
	return tine_server_bind(server, address) == 0 ? EX_OK
	    : bind_status(address);
}

static int
bind_all(struct tine_server *server)
{
	int status = EX_OK;

	if (upgrade_is_back())
		return upgrade_bind_rest(server) == -1 ? EX_CONFIG : EX_OK;
	if (server->bind_count == 0 && server->listener_count == 0) {
		const int passed = upgrade_is_there()
		    ? upgrade_bind_rest(server) : inherited_bind_rest(server);

		if (passed != 0)
			return passed == -1 ? bind_status("fd:") : EX_OK;
		return bind_patiently(server, "localhost:8080");
	}
	for (size_t i = 0; i < server->bind_count && status == EX_OK &&
	    !is_stopped; i++)
		status = bind_patiently(server, server->binds[i]);
	inherited_drop_rest(server);
	return status;
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
	const int config = server->config_fd;
	const char *operand;
	int result;

	memcpy(binds, server->binds, sizeof(binds));
	server->settings = server->base;
	server->settings.config = NULL;
	server->bind_count = 0;
	server->binds_are_file = false;
	server->config_fd = -1;
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
		descriptor_close(server->config_fd);
		server->config_fd = config;
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
	if (server->settings.config != NULL && read_again(server) == -1)
		return -1;
	/* The users are read anew in any case. */
	return server->protocol->prepare(server);
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

/* What the system cuts off is said; what cannot be read is not. */
static void
check_backlog(struct tine_server *server)
{
	FILE *in = fopen("/proc/sys/net/core/somaxconn", "re");
	unsigned most = UINT_MAX;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's number fits */
	if (in != NULL && fscanf(in, "%u", &most) != 1)
		most = UINT_MAX;
	if (in != NULL)
		(void)fclose(in);
	if (server->settings.backlog > most)
		server_log(server, TINE_LOG_WARNING, "--backlog=%u: the "
		    "system allows %u (see net.core.somaxconn)",
		    server->settings.backlog, most);
}

static int
open_all(struct tine_server *server)
{
	int status = pidfile_take(server);

	if (status == EX_OK)
		status = inherited_read(server);
	if (status == EX_OK && open_logs(server) == -1)
		status = EX_CANTCREAT;
	if (status == EX_OK)
		status = bind_all(server);
	if (status == EX_OK)
		check_backlog(server);
	if (status == EX_OK)
		status = enter_directory(server);
	return status;
}

/* Nothing has been made yet that would have to be removed. */
static void
leave_early(int sig)
{
	(void)sig;
	_exit(EX_OK);
}

static void
on_stop(void (*handler)(int))
{
	(void)signal(SIGTERM, handler);
	(void)signal(SIGQUIT, handler);
	(void)signal(SIGINT, handler);
}

/*
 * From here on there are files to remove: a request to stop waits until
 * someone looks for it.  A second one may come when the master has done with
 * signals; the end that the first one asked for is an orderly one all the
 * same.
 */
static void
block_signals(void)
{
	static const int more[] = { SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t mask;

	stop_set(&mask);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		(void)sigaddset(&mask, more[i]);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
}

/* An upgrade takes its signals with it: they are obeyed by its master. */
static bool
stop_is_pending(void)
{
	sigset_t pending;

	if (is_stopped)
		return true;
	return !upgrade_is_there() && sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGTERM) == 1 ||
	    sigismember(&pending, SIGQUIT) == 1 ||
	    sigismember(&pending, SIGINT) == 1);
}

static int
serve(struct tine_server *server)
{
	int status;

	server->refresh = refresh;
	if (upgrade_is_there() && server->settings.workers == 0) {
		(void)failure("--workers=0 needs a restart");
		return EX_CONFIG;
	}
	block_signals();
	if (server->settings.is_daemon && !upgrade_is_there() &&
	    daemon_start() == -1)
		return EX_OSERR;
	status = open_all(server);
	if (status != EX_OK || stop_is_pending())
		return status;
	return server->settings.workers == 0 ? alone_run(server, say_where)
	    : master_run(server, say_where);
}

/* --test: all that can be found wrong without a port, a pidfile or a log. */
static int
check(struct tine_server *server)
{
	int status = EX_OK;

	on_stop(SIG_DFL);
	if (server->load != NULL)
		status = server->load(server);
	if (status == EX_OK)
		(void)printf("%s: the options%s are good\n", getprogname(),
		    server->module != NULL ? " and the module"
		    : server->load != NULL ? " and the directory" : "");
	return status;
}

/* A program's own handler may serve files too. */
static int
prepare_files(struct tine_server *server)
{
	if (server->settings.directory == NULL || server->load != NULL)
		return EX_OK;
	return files_use(server);
}

static int
read_users(struct tine_server *server)
{
	if (server_read_users(server) == 0)
		return EX_OK;
	return errno == EINVAL ? EX_CONFIG : errno == ENOMEM ? EX_OSERR
	    : EX_NOINPUT;
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
	if (upgrade_is_there())
		(void)prctl(PR_SET_NAME, getprogname());	/* was a number's */
	server->config_fd = upgrade_config();
	server->module_fd = upgrade_module();
	server->users_fd = upgrade_users();
	status = options_load(server, argc, argv, operand_name, &operand);
	if (status == -1)
		return EX_OK;
	if (status == EX_OK && prepare != NULL)
		status = prepare(server, operand);
	if (status == EX_OK)
		status = paths_check(server);
	if (status == EX_OK)
		status = prepare_files(server);
	if (status == EX_OK)
		status = privileges_find(server);
	if (status == EX_OK)
		status = read_users(server);
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
	on_stop(leave_early);
	remember(server, argc, argv);
	server->has_bound_itself = server->listener_count > 0;
	setproctitle_init(argc, argv, environ);
	server->has_title = true;
	status = run(server, argc, argv, operand_name, prepare);
	if (status != EX_OK)
		upgrade_give_up(server, tine_error());
	pidfile_drop(server);
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
