/* SPDX-License-Identifier: ISC */
/*
 * An upgrade: the master executes the new program in place.  Its process id,
 * its listeners, its workers and its pidfile stay; the new image takes them
 * over and then reloads with its own code.  If it cannot, it executes the
 * old program again, which was kept open.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "supervise.h"
#include "upgrade.h"

#define MAGIC	UINT32_C(0x74696e65)
#define FORMAT	1
#define MOST	4096		/* workers, listeners */

extern char **environ;

/* The state, as it goes from one image to the next, in a memfd. */
struct state {
	uint32_t	magic, format, size;
	uint32_t	worker_count, listener_count;
	uint32_t	is_back;	/* the new image gave up */
	int32_t		handover[2];
	int32_t		pidfile;
	int32_t		program;	/* of the image before, open; -1 */
	int32_t		master;		/* the process id */
	char		why[256];	/* why it gave up */
};

struct state_worker {
	int32_t		pid, control;
	uint32_t	is_leaving, reserved;
	uint64_t	forked, kill_at;
};

struct state_listener {
	int32_t		fd;
	uint32_t	is_inherited;
	char		text[128];
};

/* The try of the new program, before anything is given up. */
struct upgrade {
	pid_t		 pid;
	int		 output;	/* its last words */
	uint64_t	 until;		/* ms */
	char		*program;
};

/* What the image before left, until it is taken up. */
static struct {
	bool			 is_there;
	int			 fd;		/* of the state */
	struct state		 state;
	struct state_worker	*workers;
	struct state_listener	*listeners;
} legacy = { .state = { .program = -1 } };

/* ------------------------------------------------------------ the new image */

static int
read_all(int fd, void *data, size_t size, off_t at)
{
	return pread(fd, data, size, at) == (ssize_t)size ? 0 : -1;
}

static bool
is_sound(const struct state *state)
{
	return state->magic == MAGIC && state->format == FORMAT &&
	    state->size == sizeof(*state) && state->worker_count <= MOST &&
	    state->listener_count <= MOST && state->master == getpid();
}

static void
keep(int fd, bool over_exec)
{
	const int flags = fd == -1 ? -1 : fcntl(fd, F_GETFD);

	if (flags != -1)
		(void)fcntl(fd, F_SETFD, over_exec ? flags & ~FD_CLOEXEC
		    : flags | FD_CLOEXEC);
}

static void
keep_all(bool over_exec)
{
	keep(legacy.state.handover[0], over_exec);
	keep(legacy.state.handover[1], over_exec);
	keep(legacy.state.pidfile, over_exec);
	keep(legacy.state.program, over_exec);
	for (uint32_t i = 0; i < legacy.state.worker_count; i++)
		keep(legacy.workers[i].control, over_exec);
	for (uint32_t i = 0; i < legacy.state.listener_count; i++)
		keep(legacy.listeners[i].fd, over_exec);
}

static int
read_state(int fd)
{
	struct state *state = &legacy.state;
	off_t at = sizeof(*state);

	if (read_all(fd, state, sizeof(*state), 0) == -1 || !is_sound(state))
		return -1;
	legacy.workers = calloc(state->worker_count + 1,
	    sizeof(*legacy.workers));
	legacy.listeners = calloc(state->listener_count + 1,
	    sizeof(*legacy.listeners));
	if (legacy.workers == NULL || legacy.listeners == NULL ||
	    read_all(fd, legacy.workers, state->worker_count *
	    sizeof(*legacy.workers), at) == -1)
		return -1;
	at += (off_t)(state->worker_count * sizeof(*legacy.workers));
	return read_all(fd, legacy.listeners, state->listener_count *
	    sizeof(*legacy.listeners), at);
}

int
upgrade_begin(void)
{
	const char *text = getenv("TINE_STATE");
	int fd;

	if (text == NULL)
		return 0;
	fd = (int)strtol(text, NULL, 10);
	(void)unsetenv("TINE_STATE");
	legacy.fd = fd;
	if (fd <= STDERR_FILENO || read_state(fd) == -1)
		return failure("the state of the program before this one "
		    "(TINE_STATE=%d) is not one that this version reads", fd);
	keep(fd, false);
	keep_all(false);
	legacy.is_there = true;
	return 0;
}

void
upgrade_give_up(const char *why, char *argv[])
{
	struct state *state = &legacy.state;
	char path[64], number[16];

	/* Whatever its format is, these two stand where they always stood. */
	if (state->magic != MAGIC || state->program < 0 || state->is_back)
		return;
	state->is_back = 1;
	(void)snprintf(state->why, sizeof(state->why), "%s", why);
	if (state->format == FORMAT)
		(void)!pwrite(legacy.fd, state, sizeof(*state), 0);
	if (legacy.is_there)
		keep_all(true);
	keep(legacy.fd, true);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
	    state->program);
	(void)snprintf(number, sizeof(number), "%d", legacy.fd);
	(void)setenv("TINE_STATE", number, 1);
	(void)execv(path, argv);
}

bool
upgrade_is_there(void)
{
	return legacy.is_there;
}

int
upgrade_listener(const char *text, bool *is_ours)
{
	for (uint32_t i = 0; legacy.is_there &&
	    i < legacy.state.listener_count; i++) {
		struct state_listener *listener = &legacy.listeners[i];
		const int fd = listener->fd;

		listener->text[sizeof(listener->text) - 1] = '\0';
		if (fd == -1 || strcmp(listener->text, text) != 0)
			continue;
		listener->fd = -1;
		*is_ours = listener->is_inherited == 0;
		return fd;
	}
	return -1;
}

int
upgrade_pidfile(void)
{
	return legacy.is_there ? legacy.state.pidfile : -1;
}

static void
take_worker(struct master *master, unsigned index,
    const struct state_worker *worker)
{
	struct slot *slot = &master->slots[index];

	*slot = (struct slot){
		.state = worker->is_leaving ? SLOT_LEAVING : SLOT_SERVING,
		.pid = worker->pid, .control = worker->control,
		.forked = worker->forked, .kill_at = worker->kill_at
	};
	worker_line_state(&master->server->board->lines[index], WORKER_BUSY,
	    clock_ms());
	/* It lived: it is of use, whatever this table knows of it. */
	atomic_store(&master->server->board->lines[index].requests, 1);
}

int
upgrade_take_up(struct master *master)
{
	const struct state *state = &legacy.state;

	if (!legacy.is_there)
		return 0;
	if (state->worker_count > master->slot_count)
		return failure("the program before this one had more workers "
		    "(%u) than this one has room for", state->worker_count);
	for (uint32_t i = 0; i < state->worker_count; i++)
		take_worker(master, i, &legacy.workers[i]);
	for (uint32_t i = 0; i < state->listener_count; i++) {
		descriptor_close(legacy.listeners[i].fd);	/* not bound now */
		legacy.listeners[i].fd = -1;
	}
	master->server->handover[0] = state->handover[0];
	master->server->handover[1] = state->handover[1];
	if (state->is_back)
		server_log(master->server, TINE_LOG_ERROR, "the upgrade "
		    "failed: %.200s; the program before goes on", state->why);
	else
		server_log(master->server, TINE_LOG_INFO, "upgraded to %s",
		    TINE_VERSION);
	master->phase = PHASE_SERVING;
	master->reload = RELOAD_TRIAL;
	master->reload_since = clock_ms();
	master->is_upgraded = !state->is_back;
	return 0;
}

void
upgrade_done(struct master *master)
{
	master->is_upgraded = false;
	if (!legacy.is_there)
		return;
	descriptor_close(legacy.fd);
	descriptor_close(legacy.state.program);
	legacy.state.program = -1;
	free(legacy.workers);
	free(legacy.listeners);
	legacy.workers = NULL;
	legacy.listeners = NULL;
	legacy.is_there = false;
}

/* ------------------------------------------------------------- the old image */

static void
note_worker(struct state_worker *worker, const struct slot *slot)
{
	*worker = (struct state_worker){
		.pid = slot->pid, .control = slot->control,
		.is_leaving = slot->state >= SLOT_LEAVING,
		.forked = slot->forked, .kill_at = slot->kill_at
	};
}

/* A memfd with the state, whose descriptors outlive exec; -1. */
static int
write_state(const struct master *master, int program, const char *back)
{
	const struct tine_server *server = master->server;
	struct state state = {
		.magic = MAGIC, .format = FORMAT, .size = sizeof(state),
		.worker_count = workers_count(master, SLOT_STARTING,
		    SLOT_ENDING),
		.listener_count = (uint32_t)server->listener_count,
		.handover = { server->handover[0], server->handover[1] },
		.pidfile = server->pidfile_fd,
		.program = program, .master = getpid(),
		.is_back = back != NULL
	};
	const int fd = memfd_create("tine state", 0);
	off_t at = sizeof(state);
	int result;

	if (back != NULL)
		(void)snprintf(state.why, sizeof(state.why), "%s", back);
	result = fd == -1 ? -1 : descriptor_write(fd, &state, sizeof(state),
	    0);
	for (unsigned i = 0; result == 0 && i < master->slot_count; i++) {
		struct state_worker worker;

		if (master->slots[i].state == SLOT_EMPTY)
			continue;
		note_worker(&worker, &master->slots[i]);
		keep(worker.control, true);
		result = descriptor_write(fd, &worker, sizeof(worker), at);
		at += (off_t)sizeof(worker);
	}
	for (size_t i = 0; result == 0 && i < server->listener_count; i++) {
		struct state_listener listener = {
			.fd = server->listeners[i].source.fd,
			.is_inherited = server->listeners[i].is_inherited
		};

		(void)snprintf(listener.text, sizeof(listener.text), "%s",
		    server->listeners[i].asked);
		keep(listener.fd, true);
		result = descriptor_write(fd, &listener, sizeof(listener),
		    at);
		at += (off_t)sizeof(listener);
	}
	keep(state.handover[0], true);
	keep(state.handover[1], true);
	keep(state.pidfile, true);
	keep(program, true);
	if (result == 0)
		return fd;
	descriptor_close(fd);
	return -1;
}

/* exec failed: this image goes on. */
static void
keep_none(struct master *master)
{
	const struct tine_server *server = master->server;

	for (unsigned i = 0; i < master->slot_count; i++)
		keep(master->slots[i].control, false);
	for (size_t i = 0; i < server->listener_count; i++)
		keep(server->listeners[i].source.fd, false);
	keep(server->handover[0], false);
	keep(server->handover[1], false);
	keep(server->pidfile_fd, false);
}

static void
refuse(struct master *master, const char *why)
{
	server_log(master->server, TINE_LOG_ERROR,
	    "no upgrade: %s; this program goes on", why);
	notify_send(&master->notify, "READY=1\nSTATUS=no upgrade: %s", why);
}

/* The start's directory, whatever --chdir made of it. */
static void
enter_start(const struct tine_server *server)
{
	if (server->start_dir != NULL)
		(void)!chdir(server->start_dir);
}

static void
execute(struct master *master, const char *path, int program,
    const char *back)
{
	struct tine_server *server = master->server;
	char number[16], why[256];
	const int state = write_state(master, program, back);

	if (state == -1) {
		refuse(master, "its state cannot be written");
		return;
	}
	(void)snprintf(number, sizeof(number), "%d", state);
	(void)setenv("TINE_STATE", number, 1);
	notify_export(&master->notify);
	(void)fflush(NULL);
	enter_start(server);
	/*
	 * Signals stay blocked over exec, so that none is lost: the new
	 * master takes what is pending from a signalfd of its own.
	 */
	(void)execv(path, server->argv);
	(void)snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
	(void)unsetenv("TINE_STATE");
	descriptor_close(state);
	keep_none(master);
	if (server->settings.chdir != NULL)
		(void)!chdir(server->settings.chdir);
	refuse(master, why);
}

void
upgrade_back(struct master *master, const char *why)
{
	char path[64];

	if (!legacy.is_there || legacy.state.program == -1)
		return;
	server_log(master->server, TINE_LOG_ERROR, "this version failed: %s; "
	    "the one before is executed again", why);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
	    legacy.state.program);
	execute(master, path, -1, why);
}

/* ------------------------------------------------------------------ the try */

/* Where the program is now: the link of its path may have moved. */
static char *
find_program(const struct tine_server *server)
{
	const char *name = server->argv[0];
	const char *path = getenv("PATH");
	char *copy, *dir, *rest, *found = NULL;

	if (strchr(name, '/') != NULL) {
		if (*name == '/' || server->start_dir == NULL)
			return strdup(name);
		return asprintf(&found, "%s/%s", server->start_dir, name) ==
		    -1 ? NULL : found;
	}
	copy = strdup(path != NULL ? path : "/usr/bin:/bin");
	rest = copy;
	while (copy != NULL && (dir = strsep(&rest, ":")) != NULL) {
		if (asprintf(&found, "%s/%s", *dir != '\0' ? dir : ".",
		    name) == -1) {
			found = NULL;
			break;
		}
		if (access(found, X_OK) == 0)
			break;
		free(found);
		found = NULL;
	}
	free(copy);
	return found;
}

static noreturn void
run_test(const struct tine_server *server, const char *program, int output)
{
	const int count = server->argc;
	char **argv = calloc((size_t)count + 2, sizeof(char *));
	sigset_t none;

	if (argv == NULL)
		_exit(1);
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
begin(struct master *master)
{
	struct tine_server *server = master->server;
	const unsigned limit = server->settings.start_timeout;
	struct upgrade *upgrade;
	int fds[2];

	master->upgrade_wanted = false;
	if (server->argv == NULL) {
		refuse(master, "this program does not tell how it was "
		    "started (use tine_main)");
		return;
	}
	upgrade = calloc(1, sizeof(*upgrade));
	if (upgrade == NULL)
		return;
	upgrade->program = find_program(server);
	if (upgrade->program == NULL ||
	    access(upgrade->program, X_OK) == -1 ||
	    pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		char why[300];

		(void)snprintf(why, sizeof(why), "%s: %s", server->argv[0],
		    strerror(errno));
		refuse(master, why);
		free(upgrade->program);
		free(upgrade);
		return;
	}
	upgrade->output = fds[0];
	upgrade->until = limit == 0 ? UINT64_MAX : clock_ms() + limit;
	upgrade->pid = fork();
	if (upgrade->pid == 0)
		run_test(server, upgrade->program, fds[1]);
	descriptor_close(fds[1]);
	master->upgrade = upgrade;
	server_log(server, TINE_LOG_INFO, "upgrade: trying %s",
	    upgrade->program);
	notify_send(&master->notify, "RELOADING=1\nMONOTONIC_USEC=%llu\n"
	    "STATUS=upgrading", (unsigned long long)clock_ns() / 1000);
	master_title(master);
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

bool
upgrade_reaped(struct master *master, pid_t pid, int status)
{
	struct upgrade *upgrade = master->upgrade;
	char words[200] = "", why[300];
	ssize_t n;
	int program;

	if (upgrade == NULL || upgrade->pid != pid)
		return false;
	n = read(upgrade->output, words, sizeof(words) - 1);
	while (n > 0 && words[n - 1] == '\n')
		words[--n] = '\0';
	if (status != 0) {
		(void)snprintf(why, sizeof(why), "the try of %s ended with "
		    "%s %d: %s", upgrade->program, WIFSIGNALED(status)
		    ? "signal" : "status", WIFSIGNALED(status)
		    ? WTERMSIG(status) : WEXITSTATUS(status), words);
		end(master);
		refuse(master, why);
		return true;
	}
	program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (master->phase == PHASE_SERVING)
		execute(master, upgrade->program, program, NULL);
	descriptor_close(program);
	end(master);
	return true;
}

void
upgrade_turn(struct master *master)
{
	if (master->upgrade != NULL && clock_ms() >= master->upgrade->until) {
		server_log(master->server, TINE_LOG_ERROR, "upgrade: %s did "
		    "not end its try in time", master->upgrade->program);
		(void)kill(master->upgrade->pid, SIGKILL);
		master->upgrade->until = UINT64_MAX;
	}
	/* After a reload, if there is one, and while nothing else goes on. */
	if (!master->upgrade_wanted || master->upgrade != NULL ||
	    master->reload != RELOAD_NONE || master->phase != PHASE_SERVING)
		return;
	begin(master);
}
