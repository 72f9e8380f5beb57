/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the master supervise: its hook worker_init does what
 * INIT says, and its handlers tell of their process.  A program and a module.
 */
#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "places.h"

extern char **environ;

/* ------------------------------------------------------------ worker_init */

static void
write_file(const char *path, const char *command)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "{ %s; } >%s.new && mv %s.new %s",
	    command, path, path, path);
	(void)!system(text);
}

/* A process that nobody waits for, and that has what this one has. */
static void
leave_helper(long ms)
{
	const pid_t pid = fork();

	if (pid != 0)
		return;
	(void)signal(SIGTERM, SIG_IGN);
	(void)setsid();
	pause_ms(ms);
	_exit(0);
}

static int
begin(struct tine_server *server)
{
	const char *what = getenv("INIT");
	const char *number = what != NULL ? strchr(what, '=') : NULL;
	const long value = number != NULL ? strtol(number + 1, NULL, 10) : 0;

	(void)server;
	if (getenv("INIT_LOG") != NULL)
		(void)fprintf(stderr, "worker_init of %ld\n", (long)getpid());
	if (what == NULL)
		return 0;
	if (strncmp(what, "sleep=", 6) == 0)
		pause_ms(value);
	if (strncmp(what, "exit=", 5) == 0)
		exit((int)value);
	if (strcmp(what, "crash") == 0)
		(void)raise(SIGSEGV);
	if (strncmp(what, "helper=", 7) == 0)
		leave_helper(value);
	if (strncmp(what, "environment=", 12) == 0)
		write_file(number + 1, "env; grep ^Sig /proc/self/status");
	if (strncmp(what, "unless=", 7) == 0 && access(number + 1, F_OK) == 0)
		return -1;
	if (strncmp(what, "slow_if=", 8) == 0 &&
	    access(number + 1, F_OK) == 0) {
		(void)fprintf(stderr, "worker_init is slow\n");
		pause_ms(20000);
	}
	if (strcmp(what, "fail") == 0) {
		(void)fprintf(stderr, "there is no database\n");
		return -1;
	}
	return 0;
}

static const struct tine_hooks hooks = { .worker_init = begin };

/* --------------------------------------------------------------- handlers */

static void
open_reply(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain");
	tine_end_headers(req);
}

static void
hello(struct tine_request *req)
{
	open_reply(req);
	tine_printf(req, "Hello from %ld\n", (long)getpid());
}

static void
sleep_ms(struct tine_request *req)
{
	pause_ms(strncmp(req->query, "ms=", 3) == 0
	    ? strtol(req->query + 3, NULL, 10) : 0);
	hello(req);
}

/* Who it is, and whether it could be root again. */
static void
identity(struct tine_request *req)
{
	gid_t groups[64];
	const int count = getgroups(64, groups);
	const mode_t mask = umask(022);
	char dir[256] = "";

	open_reply(req);
	tine_printf(req, "uid %ld %ld\ngid %ld %ld\n", (long)getuid(),
	    (long)geteuid(), (long)getgid(), (long)getegid());
	for (int i = 0; i < count; i++)
		tine_printf(req, "group %ld\n", (long)groups[i]);
	(void)umask(mask);
	tine_printf(req, "umask %03o\ndirectory %s\n", (unsigned)mask,
	    getcwd(dir, sizeof(dir)) != NULL ? dir : "none");
	tine_printf(req, "root again %s\n", setuid(0) == 0 ||
	    seteuid(0) == 0 || setgroups(0, NULL) == 0 ? "yes" : "no");
}

static void
environment(struct tine_request *req)
{
	open_reply(req);
	for (char **entry = environ; *entry != NULL; entry++)
		tine_printf(req, "%s\n", *entry);
}

/* Runs a program that is left behind, or asked for its state. */
static void
command(struct tine_request *req)
{
	const char *text = strcmp(req->query, "left") == 0
	    ? "sleep 100 >/dev/null 2>&1 & echo $!"
	    : "grep ^Sig /proc/self/status; exit 3";
	FILE *out = popen(text, "r");
	char line[256];

	open_reply(req);
	while (out != NULL && fgets(line, sizeof(line), out) != NULL)
		tine_puts(req, line);
	tine_printf(req, "status %d\n", out != NULL ? pclose(out) >> 8 : -1);
}

static void
length(struct tine_request *req)
{
	size_t n = 0;

	if (tine_body(req, &n) == NULL && n == 0) {
		tine_send_error(req, 500, NULL, NULL);
		return;
	}
	open_reply(req);
	tine_printf(req, "%zu\n", n);
}

static const struct place places[] = {
	{ "/hello", hello }, { "/sleep", sleep_ms }, { "/identity", identity },
	{ "/environment", environment }, { "/command", command },
	{ "/length", length }
};

static void
answer(struct tine_request *req)
{
	places_answer(req, places, sizeof(places) / sizeof(places[0]), hello);
}

const struct tine_http_handler tine_http = {
	.do_method = answer, .hooks = &hooks
};

/* With BIND in the environment it binds by itself, before tine_main(). */
int
main(int argc, char *argv[])
{
	const char *address = getenv("BIND");
	struct tine_server *server;

	if (address == NULL)
		return tine_main(argc, argv, &tine_http);
	server = tine_http_server(&tine_http);
	if (server == NULL || tine_server_bind(server, address) == -1)
		return 1;
	return tine_main_server(argc, argv, server);
}
