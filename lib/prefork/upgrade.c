/* SPDX-License-Identifier: ISC */
/*
 * An upgrade: the master executes the new program in place.  Its process id,
 * its listeners, its workers and its pidfile stay; the new image takes them
 * over (takeover.c) and then reloads with its own code.  If it cannot, it
 * executes the old program again, which was kept open.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "state.h"
#include "supervise.h"
#include "upgrade.h"

#define SAYS	"options"	/* what --test says of a program of ours */

/* The try of the new program, before anything is given up. */
struct upgrade {
	pid_t		 pid;		/* and of its process group */
	int		 output;	/* its last words */
	uint64_t	 until;		/* ms */
	bool		 is_good;	/* it waits for the reload to end */
	char		*program;
};

/* ------------------------------------------------------------------ the exec */

static void
refuse(struct master *master, const char *why)
{
	server_log(master->server, TINE_LOG_ERROR,
	    "no upgrade: %s; this program goes on", why);
	notify_send(&master->notify, "READY=1\nSTATUS=no upgrade: %.200s",
	    why);
}

/* The start's directory, whatever --chdir made of it. */
static void
enter_start(const struct tine_server *server)
{
	if (server->start_dir != NULL)
		(void)!chdir(server->start_dir);
}

/* Returns only if it failed. */
static void
execute(struct master *master, const char *path, int program,
    const char *back)
{
	struct tine_server *server = master->server;
	char text[300], why[256];
	const int way_back = back != NULL ? -1 : state_write_way_back(master);
	const int state = state_write(master, program, way_back,
	    back != NULL);
	int here;

	if (state == -1) {
		descriptor_close(way_back);
		state_stays(master);
		refuse(master, "its state cannot be written");
		return;
	}
	here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(text, sizeof(text), back != NULL ? "%d %.255s" : "%d",
	    state, back);
	(void)setenv(STATE_NAME, text, 1);
	notify_export(&master->notify);
	(void)fflush(NULL);
	enter_start(server);
	/*
	 * Signals stay blocked over exec, so that none is lost: the new
	 * master takes what is pending from a signalfd of its own.
	 */
	(void)execv(path, server->argv);
	(void)snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
	server_clean_environment();
	if (here != -1)
		(void)!fchdir(here);
	descriptor_close(here);
	descriptor_close(state);
	descriptor_close(way_back);
	state_stays(master);
	refuse(master, why);
}

void
upgrade_back(struct master *master, const char *why)
{
	const struct state_listener *listeners;
	const struct state *before = takeover_state(&listeners);
	char path[64];

	master->is_upgraded = false;
	if (before == NULL || before->program == -1)
		return;
	server_log(master->server, TINE_LOG_ERROR, "this version failed: %s; "
	    "the one before is executed again", why);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
	    before->program);
	execute(master, path, -1, why);
}

/* ------------------------------------------------------------------ the try */

static char *
in_start(const struct tine_server *server, const char *dir, const char *name)
{
	const bool is_absolute = *dir == '/' || (*dir == '\0' && *name == '/');
	char *path;

	if (is_absolute || server->start_dir == NULL)
		return asprintf(&path, "%s%s%s", dir, *dir != '\0' ? "/" : "",
		    name) == -1 ? NULL : path;
	return asprintf(&path, "%s/%s%s%s", server->start_dir, dir,
	    *dir != '\0' ? "/" : "", name) == -1 ? NULL : path;
}

static char *
find_in_path(const struct tine_server *server)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path != NULL ? path : "/usr/bin:/bin");
	char *dir, *rest = copy, *found = NULL;

	while (copy != NULL && (dir = strsep(&rest, ":")) != NULL) {
		found = in_start(server, dir, server->argv[0]);
		if (found == NULL || access(found, X_OK) == 0)
			break;
		free(found);
		found = NULL;
	}
	free(copy);
	return found;
}

/* By what it was started as something that is nowhere to be found. */
static char *
find_running(void)
{
	char *path = malloc(PATH_MAX);
	const ssize_t n = path == NULL ? -1
	    : readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n == -1) {
		free(path);
		return NULL;
	}
	path[n] = '\0';
	return path;
}

/* Where the program is now: the link of its path may have moved. */
static char *
find_program(const struct tine_server *server)
{
	char *found;

	if (strchr(server->argv[0], '/') != NULL)
		return in_start(server, "", server->argv[0]);
	found = find_in_path(server);
	return found != NULL ? found : find_running();
}

static noreturn void
run_test(const struct tine_server *server, const char *program, int output)
{
	const int count = server->argc;
	char **argv = calloc((size_t)count + 2, sizeof(char *));
	sigset_t none;

	if (argv == NULL)
		_exit(1);
	/* What it starts itself ends with it. */
	(void)setpgid(0, 0);
	/* Before a "--" or an operand it is an option like any other. */
	argv[0] = server->argv[0];
	argv[1] = (char *)(uintptr_t)"--test";
	for (int i = 1; i < count; i++)
		argv[i + 1] = server->argv[i];
	enter_start(server);
	(void)dup2(output, STDERR_FILENO);
	(void)dup2(output, STDOUT_FILENO);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execv(program, argv);
	(void)dprintf(output, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

static void
end(struct master *master)
{
	struct upgrade *upgrade = master->upgrade;

	master->upgrade = NULL;
	descriptor_close(upgrade->output);
	free(upgrade->program);
	free(upgrade);
	master_title(master);
}

static int
start_test(const struct tine_server *server, struct upgrade *upgrade)
{
	int fds[2];

	if (access(upgrade->program, X_OK) == -1 ||
	    pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	(void)fflush(NULL);
	upgrade->pid = fork();
	if (upgrade->pid == 0)
		run_test(server, upgrade->program, fds[1]);
	descriptor_close(fds[1]);
	upgrade->output = fds[0];
	return upgrade->pid == -1 ? -1 : 0;
}

/* Why there can be none of this program, or NULL. */
static const char *
obstacle(const struct tine_server *server)
{
	if (server->argv == NULL)
		return "this program does not tell how it was started (use "
		    "tine_main)";
	/* Executed again it would do so again, in vain or somewhere else. */
	if (server->has_bound_itself)
		return "this program has bound an address before "
		    "tine_main_server() (use --bind or tine_server_set)";
	return NULL;
}

static struct upgrade *
make(const struct tine_server *server)
{
	const unsigned limit = server->settings.start_timeout;
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));

	if (upgrade == NULL || (upgrade->program = find_program(server)) ==
	    NULL) {
		free(upgrade);
		return NULL;
	}
	upgrade->output = -1;
	upgrade->until = limit == 0 ? UINT64_MAX : clock_ms() + limit;
	return upgrade;
}

static void
begin(struct master *master)
{
	struct tine_server *server = master->server;
	const char *obstructed = obstacle(server);
	struct upgrade *upgrade;
	char why[300];

	master->upgrade_wanted = false;
	notify_send(&master->notify, "RELOADING=1\nMONOTONIC_USEC=%llu\n"
	    "STATUS=upgrading", (unsigned long long)clock_ns() / 1000);
	upgrade = obstructed != NULL ? NULL : make(server);
	if (upgrade == NULL) {
		refuse(master, obstructed != NULL ? obstructed : "no memory");
		return;
	}
	master->upgrade = upgrade;
	if (start_test(server, upgrade) == -1) {
		(void)snprintf(why, sizeof(why), "%s: %s", upgrade->program,
		    strerror(errno));
		end(master);
		refuse(master, why);
		return;
	}
	server_log(server, TINE_LOG_INFO, "upgrade: trying %s",
	    upgrade->program);
	master_title(master);
}

/* ------------------------------------------------------------------ its end */

static void
go_on(struct master *master)
{
	const int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	execute(master, master->upgrade->program, program, NULL);
	descriptor_close(program);
	end(master);
}

bool
upgrade_reaped(struct master *master, pid_t pid, int status)
{
	struct upgrade *upgrade = master->upgrade;
	char words[200] = "", why[400];
	ssize_t n;

	if (upgrade == NULL || upgrade->pid != pid)
		return false;
	n = read(upgrade->output, words, sizeof(words) - 1);
	while (n > 0 && words[n - 1] == '\n')
		words[--n] = '\0';
	upgrade->pid = -1;
	/* A program that is not ours would end the server with its own end. */
	upgrade->is_good = status == 0 && strstr(words, SAYS) != NULL;
	if (upgrade->is_good && master->phase == PHASE_SERVING)
		return true;
	(void)snprintf(why, sizeof(why), "the try of %.150s ended with %s "
	    "%d: %s", upgrade->program, WIFSIGNALED(status) ? "signal"
	    : "status", WIFSIGNALED(status) ? WTERMSIG(status)
	    : WEXITSTATUS(status), *words != '\0' || status != 0 ? words
	    : "it does not know --test");
	end(master);
	if (master->phase == PHASE_SERVING)
		refuse(master, why);
	return true;
}

static void
kill_test(struct upgrade *upgrade)
{
	if (upgrade->pid > 0) {
		(void)kill(-upgrade->pid, SIGKILL);
		(void)kill(upgrade->pid, SIGKILL);
	}
	upgrade->until = UINT64_MAX;
}

void
upgrade_stop(struct master *master)
{
	struct upgrade *upgrade = master->upgrade;

	if (upgrade != NULL && upgrade->pid > 0)
		kill_test(upgrade);
	else if (upgrade != NULL)
		end(master);
	takeover_done();
}

void
upgrade_ask(struct master *master)
{
	if (master->phase != PHASE_STOPPING && master->upgrade == NULL)
		master->upgrade_wanted = true;
	else
		server_log(master->server, TINE_LOG_WARNING, "no upgrade: %s",
		    master->upgrade != NULL ? "one is running already"
		    : "the server is stopping");
}

void
upgrade_turn(struct master *master)
{
	struct upgrade *upgrade = master->upgrade;

	if (upgrade != NULL && clock_ms() >= upgrade->until) {
		server_log(master->server, TINE_LOG_ERROR, "upgrade: %s did "
		    "not end its try in time", upgrade->program);
		kill_test(upgrade);
	}
	/* After a reload, if there is one, and while nothing else goes on. */
	if (master->reload != RELOAD_NONE || master->phase != PHASE_SERVING)
		return;
	if (upgrade != NULL && upgrade->is_good)
		go_on(master);
	else if (upgrade == NULL && master->upgrade_wanted)
		begin(master);
}
