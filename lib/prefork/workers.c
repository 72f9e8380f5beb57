/* SPDX-License-Identifier: ISC */
/*
 * The master's table of workers: how one is born, what it says and is told,
 * and room for them all.
 */
#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "sandbox.h"
#include "supervise.h"

#define DEAF_GRACE	3000	/* ms after the end of its control socket */
#define FORK_PAUSE	100	/* ms after a fork that failed; doubled */
#define FORK_LONGEST	5000
#define FORKS_A_SECOND	100

/* A generation that is leaving may have a board of its own. */
struct scoreboard *
workers_board(const struct master *master, const struct slot *slot)
{
	return slot->board != NULL ? slot->board : master->server->board;
}

struct worker_line *
workers_line(const struct master *master, const struct slot *slot)
{
	return &workers_board(master, slot)->lines[slot - master->slots];
}

unsigned
workers_count(const struct master *master, enum slot_state from,
    enum slot_state to)
{
	unsigned count = 0;

	for (unsigned i = 0; i < master->slot_count; i++)
		count += master->slots[i].state >= from &&
		    master->slots[i].state <= to;
	return count;
}

void
workers_tell(const struct slot *slot, enum command what)
{
	const char byte = (char)what;

	if (slot->control != -1)
		(void)send(slot->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
workers_log_hand(struct master *master, unsigned index, enum tine_level level,
    const char *format)
{
	const struct scoreboard *board = workers_board(master,
	    &master->slots[index]);
	char client[64], request[256], what[400];

	for (unsigned i = 0; i < board->handlers; i++) {
		const uint64_t since = handler_line_read(
		    scoreboard_handler(board, index, i), client, request);

		if (since == 0)
			continue;
		(void)snprintf(what, sizeof(what),
		    "client %s, request \"%s\", for %llu ms", client, request,
		    (unsigned long long)(clock_ms() - since));
		server_log(master->server, level, format, index + 1,
		    what);
	}
}

/* -------------------------------------------------------------- what it says */

static void
note_ready(struct master *master, struct slot *slot)
{
	if (slot->state != SLOT_STARTING)
		return;
	slot->state = SLOT_SERVING;
	slot->kill_at = 0;
	reload_ready(master, slot);
}

/* The reason follows its byte in the same message. */
static void
note_why(struct slot *slot)
{
	const ssize_t n = recv(slot->control, slot->why,
	    sizeof(slot->why) - 1, MSG_DONTWAIT);

	slot->why[n > 0 ? n : 0] = '\0';
}

void
workers_hear(struct master *master, struct slot *slot)
{
	char byte;
	const ssize_t n = recv(slot->control, &byte, 1, MSG_DONTWAIT);

	if (n == 1 && byte == COMMAND_READY) {
		note_ready(master, slot);
	} else if (n == 1 && byte == COMMAND_RECYCLE) {
		slot->wants_leave = true;
	} else if (n == 1 && byte == COMMAND_FULL) {
		sizing_full(master);
	} else if (n == 1 && byte == COMMAND_SHUT) {
		slot->has_shut = true;
	} else if (n == 1 && byte == COMMAND_FAILED) {
		note_why(slot);
	} else if (n == 0 || (n == -1 && errno != EAGAIN &&
	    errno != EINTR)) {
		/* It is dying, and if not it cannot be told anything. */
		descriptor_close(slot->control);
		slot->control = -1;
		slot->is_deaf = true;
		if (slot->kill_at == 0)
			slot->kill_at = clock_ms() + DEAF_GRACE;
	}
}

/* ----------------------------------------------------------------- forking */

static noreturn void
become_worker(struct master *master, unsigned index, int control)
{
	struct tine_server *server = master->server;

	/* A sibling's control socket held open would hide our death from it. */
	for (unsigned i = 0; i < master->slot_count; i++)
		descriptor_close(master->slots[i].control);
	descriptor_close(master->signals);
	notify_close(&master->notify);
	descriptor_close(server->pidfile_fd);
	descriptor_close(server->board_fd);
	descriptor_close(server->config_fd);
	descriptor_close(server->users_fd);
	server->errors.lost = 0;	/* the master tells of them */
	reload_enter_worker(master);
	worker_main(server, index, control);
}

static void
fork_failed(struct master *master)
{
	const uint64_t now = clock_ms();
	const int error = errno;
	char why[128];

	if (master->phase == PHASE_STARTING) {
		(void)snprintf(master->first_reason,
		    sizeof(master->first_reason), "cannot fork a worker: %s "
		    "(see ulimit -u)", strerror(error));
		master->first_status = EX_OSERR;
	}
	if (!master->is_fork_failing)
		server_log(master->server, TINE_LOG_ERROR,
		    "cannot fork a worker: %s; trying again",
		    strerror(error));
	master->is_fork_failing = true;
	master->fork_pause = master->fork_pause == 0 ? FORK_PAUSE
	    : master->fork_pause * 2;
	if (master->fork_pause > FORK_LONGEST)
		master->fork_pause = FORK_LONGEST;
	master->fork_after = now + master->fork_pause;
	if (master->reload == RELOAD_TRIAL) {
		(void)snprintf(why, sizeof(why), "cannot fork a worker: %s",
		    strerror(error));
		reload_failed(master, why);
	}
}

static void
fork_worked(struct master *master)
{
	if (master->is_fork_failing)
		server_log(master->server, TINE_LOG_INFO,
		    "workers can be forked again");
	master->is_fork_failing = false;
	master->fork_pause = 0;
}

/* False when a pause is due: a server must not fork without end. */
static bool
may_fork(struct master *master)
{
	const uint64_t now = clock_ms();

	if (now - master->fork_second >= 1000) {
		master->fork_second = now;
		master->forks = 0;
	}
	if (++master->forks <= FORKS_A_SECOND)
		return true;
	master->fork_after = master->fork_second + 1000;
	return false;
}

bool
workers_fork(struct master *master, unsigned index)
{
	struct slot *slot = &master->slots[index];
	struct worker_line *line = workers_line(master, slot);
	int pair[2];
	pid_t pid;

	if (!may_fork(master))
		return false;
	sandbox_tell(master->server);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		fork_failed(master);
		return false;
	}
	memset(line, 0, sizeof(*line));
	worker_line_state(line, WORKER_STARTING, clock_ms());
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		descriptor_close(pair[0]);
		become_worker(master, index, pair[1]);
	}
	descriptor_close(pair[1]);
	if (pid == -1) {
		descriptor_close(pair[0]);
		worker_line_state(line, WORKER_EMPTY, clock_ms());
		fork_failed(master);
		return false;
	}
	fork_worked(master);
	*slot = (struct slot){
		.state = SLOT_STARTING, .pid = pid, .control = pair[0],
		.generation = master->generation, .forked = clock_ms(),
		.board = master->server->board
	};
	if (master->server->settings.start_timeout != 0)
		slot->kill_at = slot->forked +
		    master->server->settings.start_timeout;
	return true;
}

/* --------------------------------------------------------- opening, closing */

/* Room for TTIN, and for a generation beside another. */
static unsigned
slots_wanted(const struct master *master)
{
	return master->most * 4 + 16;
}

static int
make_slots(struct master *master, unsigned count)
{
	struct slot *slots = reallocarray(master->slots, count,
	    sizeof(*slots));
	struct pollfd *fds;
	struct slot **who;

	if (slots != NULL)
		master->slots = slots;
	fds = reallocarray(master->fds, count + 1, sizeof(*fds));
	if (fds != NULL)
		master->fds = fds;
	who = reallocarray(master->who, count + 1, sizeof(struct slot *));
	if (who != NULL)
		master->who = who;
	if (slots == NULL || fds == NULL || who == NULL)
		return failure("no memory for %u workers", master->wanted);
	for (unsigned i = master->slot_count; i < count; i++)
		slots[i] = (struct slot){ .control = -1 };
	master->slot_count = count;
	return 0;
}

int
workers_open(struct master *master)
{
	struct tine_server *server = master->server;
	struct scoreboard *board;
	unsigned count = slots_wanted(master);

	server_settle(server);
	if (takeover_slots() > count)
		count = takeover_slots();
	board = takeover_board(server, count, &server->board_fd);
	if (board != NULL)
		count = board->workers;
	server->board = board != NULL ? board
	    : server_board(server, count, &server->board_fd);
	if (server->board == NULL || make_slots(master, count) == -1)
		return -1;
	takeover_begin(master, board != NULL);
	return 0;
}

int
workers_make_room(struct master *master)
{
	struct tine_server *server = master->server;
	struct scoreboard *before = server->board, *board;
	int fd;
	unsigned count = slots_wanted(master);

	if (count < master->slot_count)
		count = master->slot_count;
	if (count == master->slot_count &&
	    server_handlers(&server->settings) <= before->handlers)
		return 0;
	board = server_board(server, count, &fd);
	if (board == NULL)
		return -1;
	if (make_slots(master, count) == -1) {
		scoreboard_free(board);
		descriptor_close(fd);
		return -1;
	}
	descriptor_close(server->board_fd);
	server->board = board;
	server->board_fd = fd;
	if (workers_count(master, SLOT_STARTING, SLOT_ENDING) == 0)
		scoreboard_free(before);
	return 0;
}

void
workers_close(struct master *master)
{
	free(master->slots);
	free(master->fds);
	free(master->who);
}
