/* SPDX-License-Identifier: ISC */
/*
 * The new image's side of an upgrade: it reads the state that the image
 * before left, takes over what is in it piece by piece, and when it cannot,
 * executes that image again.  Until the reload that follows is complete,
 * nothing of it is closed, so that there is always a way back.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "state.h"
#include "supervise.h"
#include "upgrade.h"

/* What the image before left, until it is taken up. */
static struct {
	bool			 is_there;
	int			 fd;		/* of the state */
	struct state		 state;
	struct state_worker	*workers;
	struct state_listener	*listeners;
	bool			*is_taken;	/* of the listeners */
	char			 why[256];	/* the new one gave up */
} legacy = { .fd = -1, .state = { .program = -1 } };

/* --------------------------------------------------------------- its reading */

static void
keep_all(bool over_exec)
{
	const struct state *state = &legacy.state;
	state_keep_all(state, over_exec);
	for (uint32_t i = 0; i < state->worker_count; i++)
		state_keep(legacy.workers[i].control, over_exec);
	for (uint32_t i = 0; i < state->listener_count; i++)
		state_keep(legacy.listeners[i].fd, over_exec);
}

/* The program before reads the copy, if anything. */
static void
keep_way_back(bool over_exec)
{
	state_keep(legacy.fd, false);
	state_keep(legacy.state.program, false);
	state_keep(legacy.state.way_back, over_exec);
}

static int
read_all(int fd, void *data, size_t size, off_t at)
{
	return pread(fd, data, size, at) == (ssize_t)size ? 0 : -1;
}

static bool
is_sound(const struct state *state)
{
	return state->magic == STATE_MAGIC && state->format == STATE_FORMAT &&
	    state->size == sizeof(*state) &&
	    state->worker_count <= STATE_MOST &&
	    state->listener_count <= STATE_MOST && state->master == getpid();
}

static bool
are_sound(const struct state_worker *workers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (workers[i].index >= STATE_MOST || workers[i].pid <= 1 ||
		    workers[i].state <= SLOT_EMPTY ||
		    workers[i].state > SLOT_ENDING)
			return false;
	}
	return true;
}

static void
forget_lists(void)
{
	free(legacy.workers);
	free(legacy.listeners);
	free(legacy.is_taken);
	legacy.workers = NULL;
	legacy.listeners = NULL;
	legacy.is_taken = NULL;
}

static int
read_state(int fd)
{
	struct state *state = &legacy.state;
	size_t workers, listeners;
	off_t at = sizeof(*state);

	if (read_all(fd, state, offsetof(struct state, master), 0) == -1) {
		state->magic = 0;
		return -1;
	}
	if (read_all(fd, state, sizeof(*state), 0) == -1 || !is_sound(state))
		return -1;
	workers = state->worker_count * sizeof(*legacy.workers);
	listeners = state->listener_count * sizeof(*legacy.listeners);
	legacy.workers = calloc(1, workers + 1);
	legacy.listeners = calloc(1, listeners + 1);
	legacy.is_taken = calloc(state->listener_count + 1, sizeof(bool));
	if (legacy.workers == NULL || legacy.listeners == NULL ||
	    legacy.is_taken == NULL ||
	    read_all(fd, legacy.workers, workers, at) == -1 ||
	    read_all(fd, legacy.listeners, listeners, at + (off_t)workers) ==
	    -1 || !are_sound(legacy.workers, state->worker_count)) {
		forget_lists();
		return -1;
	}
	for (uint32_t i = 0; i < state->listener_count; i++)
		legacy.listeners[i].text[sizeof(legacy.listeners[i].text) -
		    1] = '\0';
	return 0;
}

int
upgrade_begin(void)
{
	const char *text = getenv(STATE_NAME);
	char *end;

	if (text == NULL)
		return 0;
	legacy.fd = (int)strtol(text, &end, 10);
	if (*end == ' ')
		(void)snprintf(legacy.why, sizeof(legacy.why), "%s", end + 1);
	(void)unsetenv(STATE_NAME);
	if (legacy.fd <= STDERR_FILENO || read_state(legacy.fd) == -1)
		return failure("the state of the program before this one is "
		    "not one that this version reads (" STATE_NAME
		    "=%d, format %u)", legacy.fd, legacy.state.format);
	keep_all(false);
	keep_way_back(false);
	legacy.is_there = true;
	return 0;
}

/* ------------------------------------------------------------- the way back */

void
upgrade_give_up(const struct tine_server *server, const char *why)
{
	const struct state *state = &legacy.state;
	char path[64], text[sizeof(legacy.why) + 16];

	if (state->magic != STATE_MAGIC || state->program < 0 ||
	    state->way_back < 0 || legacy.why[0] != '\0' ||
	    server->argv == NULL)
		return;
	(void)fprintf(stderr, "%s: %s; the program before is executed "
	    "again\n", getprogname(), why);
	if (legacy.is_there)
		keep_all(true);
	keep_way_back(true);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
	    state->program);
	(void)snprintf(text, sizeof(text), "%d %.255s",
	    state->way_back, why);
	(void)setenv(STATE_NAME, text, 1);
	if (server->start_dir != NULL)
		(void)!chdir(server->start_dir);
	(void)execv(path, server->argv);
}

/* ---------------------------------------------------- what the program asks */

bool
upgrade_is_there(void)
{
	return legacy.is_there;
}

bool
upgrade_is_back(void)
{
	return legacy.is_there && legacy.why[0] != '\0';
}

int
upgrade_listener(const char *text, bool *is_ours)
{
	for (uint32_t i = 0; legacy.is_there &&
	    i < legacy.state.listener_count; i++) {
		const struct state_listener *listener = &legacy.listeners[i];

		if (legacy.is_taken[i] || strcmp(listener->text, text) != 0)
			continue;
		legacy.is_taken[i] = true;
		*is_ours = listener->is_inherited == 0;
		return listener->fd;
	}
	return -1;
}

int
upgrade_bind_rest(struct tine_server *server)
{
	int count = 0;

	for (uint32_t i = 0; legacy.is_there &&
	    i < legacy.state.listener_count; i++) {
		const struct state_listener *listener = &legacy.listeners[i];

		if (legacy.is_taken[i] || (!upgrade_is_back() &&
		    listener->is_inherited == 0))
			continue;
		if (server_adopt(server, listener->fd, listener->text,
		    listener->is_inherited == 0) == -1)
			return -1;
		legacy.is_taken[i] = true;
		count++;
	}
	return count;
}

int
upgrade_pidfile(void)
{
	return legacy.is_there ? legacy.state.pidfile : -1;
}

/* A copy, since the original may have to go back. */
int
upgrade_log(unsigned which)
{
	const int fd = legacy.is_there ? legacy.state.logs[which] : -1;

	return fd <= STDERR_FILENO ? fd
	    : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static int
copy_of(int fd)
{
	return upgrade_is_back() && fd != -1
	    ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
}

int
upgrade_module(void)
{
	return copy_of(legacy.state.module);
}

int
upgrade_config(void)
{
	return copy_of(legacy.state.config);
}

int
upgrade_users(void)
{
	return copy_of(legacy.state.users);
}

/* ------------------------------------------------------ what the master asks */

struct scoreboard *
takeover_board(const struct tine_server *server, unsigned workers, int *fd)
{
	const struct state *state = &legacy.state;
	struct scoreboard *board;

	if (!legacy.is_there || state->board == -1 ||
	    state->board_layout != state_board_layout() ||
	    state->mode != (uint32_t)server->settings.mode)
		return NULL;
	*fd = fcntl(state->board, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	board = scoreboard_take(*fd, SERVER_JOURNAL);
	if (board != NULL && board->workers >= workers &&
	    board->handlers >= server_handlers(&server->settings))
		return board;
	scoreboard_free(board);
	descriptor_close(*fd);
	*fd = -1;
	return NULL;
}

unsigned
takeover_slots(void)
{
	unsigned count = 0;

	for (uint32_t i = 0; legacy.is_there &&
	    i < legacy.state.worker_count; i++) {
		if (legacy.workers[i].index >= count)
			count = legacy.workers[i].index + 1;
	}
	return count;
}

enum {
	FLAG_WANTS_LEAVE = 1 << 0, FLAG_STUCK = 1 << 1, FLAG_LATE = 1 << 2,
	FLAG_KILLED = 1 << 3, FLAG_CORE_TIME = 1 << 4
};

void
takeover_note(struct state_worker *worker, const struct slot *slot)
{
	*worker = (struct state_worker){
		.pid = slot->pid, .control = slot->control,
		.state = slot->state, .forked = slot->forked,
		.abort_at = slot->abort_at, .kill_at = slot->kill_at,
		.flags = (slot->wants_leave ? FLAG_WANTS_LEAVE : 0) |
		    (slot->is_stuck ? FLAG_STUCK : 0) |
		    (slot->is_late ? FLAG_LATE : 0) |
		    (slot->was_killed ? FLAG_KILLED : 0) |
		    (slot->has_core_time ? FLAG_CORE_TIME : 0)
	};
}

static void
take_worker(struct master *master, const struct state_worker *worker,
    bool has_board)
{
	struct slot *slot = &master->slots[worker->index];
	struct worker_line *line =
	    &master->server->board->lines[worker->index];
	const bool is_ours = upgrade_is_back() && worker->is_new == 0;

	*slot = (struct slot){
		.state = (enum slot_state)worker->state,
		.pid = worker->pid, .control = worker->control,
		.generation = is_ours ? master->generation : 0,
		.board = master->server->board, .forked = worker->forked,
		.abort_at = worker->abort_at, .kill_at = worker->kill_at,
		.wants_leave = (worker->flags & FLAG_WANTS_LEAVE) != 0,
		.is_stuck = (worker->flags & FLAG_STUCK) != 0,
		.is_late = (worker->flags & FLAG_LATE) != 0,
		.was_killed = (worker->flags & FLAG_KILLED) != 0,
		.has_core_time = (worker->flags & FLAG_CORE_TIME) != 0
	};
	if (has_board)
		return;
	/* It lived: it is of use, whatever this board knows of it. */
	worker_line_state(line, WORKER_BUSY, clock_ms());
	atomic_store(&line->requests, 1);
}

/* An upgrade that began has come to its end here. */
static void
say_back(struct master *master)
{
	server_log(master->server, TINE_LOG_ERROR, "the upgrade failed: %s; "
	    "the program before goes on", legacy.why);
	notify_send(&master->notify, "READY=1\nSTATUS=the upgrade failed: "
	    "%.200s", legacy.why);
	takeover_done();
}

void
takeover_begin(struct master *master, bool has_board)
{
	const struct state *state = &legacy.state;

	if (!legacy.is_there)
		return;
	for (uint32_t i = 0; i < state->worker_count; i++)
		take_worker(master, &legacy.workers[i], has_board);
	master->server->handover[0] = state->handover[0];
	master->server->handover[1] = state->handover[1];
	master->phase = PHASE_SERVING;
	master->full_since = clock_ms();
	master->wanted = state->wanted;
	if (master->wanted < master->least)
		master->wanted = master->least;
	if (master->wanted > master->most)
		master->wanted = master->most;
	master->reload_wanted = (state->wishes & STATE_RELOAD) != 0;
	master->upgrade_wanted = (state->wishes & STATE_UPGRADE) != 0;
	if (upgrade_is_back()) {
		say_back(master);
		return;
	}
	server_log(master->server, TINE_LOG_INFO, "upgraded to %s",
	    TINE_VERSION);
	master->reload = RELOAD_TRIAL;
	master->reload_since = clock_ms();
	master->is_upgraded = true;
}

/* What nobody asked for is dropped, its file too if it was ours. */
static void
close_listeners(bool remove)
{
	for (uint32_t i = 0; i < legacy.state.listener_count; i++) {
		const struct state_listener *left = &legacy.listeners[i];
		struct listener listener;

		if (!legacy.is_taken[i] && listener_adopt(&listener, left->fd,
		    left->is_inherited == 0) == 0)
			listener_close(&listener, remove);
	}
}

static void
forget(bool remove)
{
	const struct state *state = &legacy.state;
	const int fds[] = {
		state->program, state->way_back, state->module,
		state->config, state->users, state->logs[0], state->logs[1],
		state->board,
		legacy.fd
	};

	if (!legacy.is_there)
		return;
	close_listeners(remove);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] > STDERR_FILENO)
			descriptor_close(fds[i]);
	}
	forget_lists();
	memset(&legacy, 0, sizeof(legacy));
	legacy.fd = legacy.state.program = -1;
}

void
takeover_done(void)
{
	forget(true);
}

void
takeover_enter_worker(void)
{
	forget(false);
}

const struct state *
takeover_state(const struct state_listener **listeners)
{
	*listeners = legacy.listeners;
	return legacy.is_there ? &legacy.state : NULL;
}

void
takeover_keep(bool over_exec)
{
	if (legacy.is_there)
		keep_all(over_exec);
}
