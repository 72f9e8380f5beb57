/* SPDX-License-Identifier: ISC */
/*
 * See main.h.  Only here and in bin is the process' exit status decided.
 */
#include <sys/prctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/unistd.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../files/files.h"
#include "../http/http.h"
#include "../prefork/master.h"
#include "../prefork/privileges.h"
#include "../prefork/upgrade.h"
#include "alone.h"
#include "binding.h"
#include "daemon.h"
#include "inherited.h"
#include "logs.h"
#include "main.h"
#include "options.h"
#include "paths.h"
#include "pidfile.h"
#include "refresh.h"
#include "stop.h"

extern char **environ;

static void
say_where(struct tine_server *server)
{
	const char *address;

	(void)printf("Starting server, use <Ctrl-C> to stop\n");
	for (size_t i = 0;
	    (address = tine_server_address(server, i)) != NULL; i++) {
		if (server->protocol != &protocol_http ||
		    strncmp(address, "unix:", 5) == 0)
			(void)printf("Listening on %s\n", address);
		else
			(void)printf("Listening on http://%s/\n", address);
	}
	(void)fflush(stdout);
	daemon_tell(EX_OK);
}

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
open_all(struct tine_server *server)
{
	int status = pidfile_take(server);

	if (status == EX_OK)
		status = inherited_read(server);
	if (status == EX_OK && logs_open(server) == -1)
		status = EX_CANTCREAT;
	if (status == EX_OK)
		status = binding_open(server);
	if (status == EX_OK)
		status = enter_directory(server);
	return status;
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
	/* From here on there are files to remove. */
	stop_hold();
	if (server->settings.is_daemon && !upgrade_is_there() &&
	    daemon_start() == -1)
		return EX_OSERR;
	status = open_all(server);
	if (status != EX_OK || stop_is_wanted())
		return status;
	return server->settings.workers == 0 ? alone_run(server, say_where)
	    : master_run(server, say_where);
}

/* --test: all that can be found wrong without a port, a pidfile or a log. */
static int
check(struct tine_server *server)
{
	int status = EX_OK;

	stop_by_default();
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
		/* It was a number's. */
		(void)prctl(PR_SET_NAME, getprogname());
	server->config_fd = upgrade_config();
	server->module_fd = upgrade_module();
	server->users_fd = upgrade_users();
	status = options_load(server, argc, argv, operand_name, &operand);
	if (status == -1)
		return EX_OK;
	if (status == EX_OK && prepare != NULL)
		status = prepare(server, operand);
	if (status == EX_OK)
		status = binding_check(server);
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
	stop_at_once();
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

/* Takes server, which may be NULL. */
static int
main_default(int argc, char *argv[], struct tine_server *server)
{
	if (server != NULL)
		(void)tine_server_set(server, "workers", "auto");
	return tine_main_server(argc, argv, server);
}

TINE_PUBLIC int
tine_main_sized(int argc, char *argv[],
    const struct tine_http_handler *handler, size_t size, size_t hooks_size)
{
	return main_default(argc, argv, tine_http_server_sized(handler,
	    size, hooks_size));
}

TINE_PUBLIC int
tine_datagram_main_sized(int argc, char *argv[],
    const struct tine_datagram_handler *handler, size_t size, size_t hooks_size)
{
	return main_default(argc, argv, tine_datagram_server_sized(handler,
	    size, hooks_size));
}

TINE_PUBLIC int
tine_stream_main_sized(int argc, char *argv[],
    const struct tine_stream_handler *handler, size_t size, size_t hooks_size)
{
	return main_default(argc, argv, tine_stream_server_sized(handler,
	    size, hooks_size));
}
