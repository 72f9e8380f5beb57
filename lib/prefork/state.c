/* SPDX-License-Identifier: ISC */
/*
 * What a master leaves for the image of the program that it is about to
 * execute: see state.h.  takeover.c reads it.
 */
#include <sys/mman.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "state.h"
#include "supervise.h"

void
state_keep(int fd, bool over_exec)
{
	const int flags = fd == -1 ? -1 : fcntl(fd, F_GETFD);

	if (flags != -1)
		(void)fcntl(fd, F_SETFD, over_exec ? flags & ~FD_CLOEXEC
		    : flags | FD_CLOEXEC);
}

void
state_keep_all(const struct state *state, bool over_exec)
{
	const int fds[] = {
		state->handover[0], state->handover[1], state->pidfile,
		state->module, state->config, state->users, state->logs[0],
		state->logs[1], state->board
	};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] > STDERR_FILENO)
			state_keep(fds[i], over_exec);
	}
}

uint32_t
state_board_layout(void)
{
	return (uint32_t)(sizeof(struct worker_line) << 20 ^
	    sizeof(struct handler_line) << 8 ^ SERVER_JOURNAL >> 10);
}

static int
write_workers(const struct master *master, int fd, off_t *at, bool is_back)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];
		struct state_worker worker;

		if (slot->state == SLOT_EMPTY)
			continue;
		takeover_note(&worker, slot);
		worker.index = i;
		worker.is_new = is_back &&
		    slot->generation == master->generation;
		state_keep(worker.control, true);
		if (descriptor_write(fd, &worker, sizeof(worker), *at) == -1)
			return -1;
		*at += (off_t)sizeof(worker);
	}
	return 0;
}

static int
write_listeners(const struct tine_server *server, int fd, off_t at)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		struct state_listener listener = {
			.fd = server->listeners[i].source.fd,
			.is_inherited = server->listeners[i].is_inherited
		};

		(void)snprintf(listener.text, sizeof(listener.text), "%s",
		    server->listeners[i].asked);
		state_keep(listener.fd, true);
		if (descriptor_write(fd, &listener, sizeof(listener), at) ==
		    -1)
			return -1;
		at += (off_t)sizeof(listener);
	}
	return 0;
}

static void
describe(const struct master *master, struct state *state, int program)
{
	const struct tine_server *server = master->server;

	*state = (struct state){
		.magic = STATE_MAGIC, .format = STATE_FORMAT,
		.size = sizeof(*state),
		.listener_count = (uint32_t)server->listener_count,
		.handover = { server->handover[0], server->handover[1] },
		.pidfile = server->pidfile_fd, .program = program,
		.master = getpid(), .module = server->module_fd,
		.config = server->config_fd, .users = server->users_fd,
		.logs = { server->log_fds[0], server->log_fds[1] },
		.board = server->board_fd,
		.board_layout = state_board_layout(),
		.mode = server->settings.mode, .wanted = master->wanted
	};
}

int
state_write(const struct master *master, int program, int way_back,
    bool is_back)
{
	const int fd = memfd_create("tine state", MFD_ALLOW_SEALING);
	const struct state_listener *listeners;
	const struct state *before = takeover_state(&listeners);
	struct state state;
	off_t at = sizeof(state);
	int result;

	if (is_back)
		state = *before;
	else
		describe(master, &state, program);
	state.program = program;
	state.way_back = way_back;
	state.is_back = is_back;
	state.worker_count = workers_count(master, SLOT_STARTING, SLOT_ENDING);
	state.wishes = (master->reload_wanted ? STATE_RELOAD : 0) |
	    (master->upgrade_wanted ? STATE_UPGRADE : 0);
	result = fd == -1 ? -1 : descriptor_write(fd, &state, sizeof(state),
	    0);
	if (result == 0)
		result = write_workers(master, fd, &at, is_back);
	if (result == 0)
		result = is_back ? descriptor_write(fd, listeners,
		    state.listener_count * sizeof(*listeners), at)
		    : write_listeners(master->server, fd, at);
	if (is_back)
		takeover_keep(true);
	else
		state_keep_all(&state, true);
	state_keep(program, true);
	if (result == 0)
		return fd;
	descriptor_close(fd);
	return -1;
}

int
state_write_way_back(const struct master *master)
{
	const int fd = state_write(master, -1, -1, false);

	if (fd != -1)
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		    F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

void
state_stays(const struct master *master)
{
	const struct tine_server *server = master->server;
	struct state state;

	for (unsigned i = 0; i < master->slot_count; i++)
		state_keep(master->slots[i].control, false);
	for (size_t i = 0; i < server->listener_count; i++)
		state_keep(server->listeners[i].source.fd, false);
	describe(master, &state, -1);
	state_keep_all(&state, false);
	takeover_keep(false);
}
