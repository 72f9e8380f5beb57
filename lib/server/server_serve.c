/* SPDX-License-Identifier: ISC */
/*
 * Serving in this process: as a worker, and as a program without a master.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "crash.h"
#include "handover.h"
#include "server.h"
#include "server_parts.h"

static const struct strategy *
strategy_of(const struct settings *settings)
{
	switch (settings->mode) {
	case MODE_THREAD:
		return &strategy_thread;
	case MODE_FORK:
		return &strategy_fork;
	case MODE_SINGLE:
		break;
	}
	return &strategy_single;
}

static bool
verify(struct tine_server *server, const struct peer *peer)
{
	char address[64];
	struct tine_peer shown;

	peer_format(peer, address, sizeof(address));
	shown.address = address;
	shown.port = peer_port(peer);
	return server->hooks.verify_request(server, &shown);
}

static void
open_journals(struct tine_server *server, unsigned index)
{
	struct worker_line *line = &server->board->lines[index];

	journal_open(&server->requests, server->log_fds[0],
	    scoreboard_journal(server->board, index, 0), SERVER_JOURNAL,
	    &line->log_used[0]);
	journal_open(&server->errors, server->log_fds[1],
	    scoreboard_journal(server->board, index, 1), SERVER_JOURNAL,
	    &line->log_used[1]);
}

static void
turned(struct tine_server *server)
{
	if (server->turned != NULL)
		server->turned(server);
	if (server->hooks.service_actions != NULL)
		server->hooks.service_actions(server);
}

static void
fill_loop(struct tine_server *server, struct loop *loop, unsigned index)
{
	struct scoreboard *board = server->board;

	loop->settings = &server->settings;
	loop->protocol = server->protocol;
	loop->strategy = strategy_of(&server->settings);
	loop->server = server;
	loop->index = index;
	loop->line = &board->lines[index];
	loop->space.used = board->spooled;
	loop->space.limit = server->settings.spool_space;
	loop->space.dir = settings_spool_dir(&server->settings);
	loop->requests = &server->requests;
	loop->errors = &server->errors;
	loop->is_threaded = true;
	loop->verify = server->hooks.verify_request != NULL ? verify : NULL;
	loop->turned = server->hooks.service_actions != NULL ? turned
	    : server->turned;
	loop->listeners = server->listeners;
	loop->listener_count = server->listener_count;
	loop->accept_limit = UINT32_MAX;
	loop->turn_within = -1;
	handover_open(loop, server->handover);
	server_prepare_listeners(server);
	atomic_store(&loop->line->pid, getpid());
}

static void
serve(struct tine_server *server, struct loop *loop)
{
	worker_line_state(loop->line, WORKER_IDLE, clock_ms());
	if (server->is_program) {
		crash_open(loop);
		server_guard(loop);
	}
	/* What ends serve_forever() does not concern a single request. */
	if (!loop_is_single_shot(loop)) {
		atomic_store(&server->loop, loop);
		if (atomic_load(&server->end_wanted) != LOOP_RUNS)
			loop_end(loop, (enum loop_end)atomic_load(
			    &server->end_wanted));
	}
	loop_run(loop);
	server_guard(NULL);
	crash_close(loop);
	if (!loop_is_single_shot(loop)) {
		atomic_store(&server->loop, NULL);
		atomic_store(&server->end_wanted, LOOP_RUNS);
	}
}

noreturn void
server_abandon(struct tine_server *server)
{
	if (server->hooks.worker_exit != NULL)
		server->hooks.worker_exit(server);
	journal_flush(&server->requests);
	journal_flush(&server->errors);
	_exit(0);
}

int
server_begin(struct tine_server *server)
{
	if (server->hooks.worker_init == NULL)
		return 0;
	(void)failure("%s", "");
	if (server->hooks.worker_init(server) == 0)
		return 0;
	return failure("the hook worker_init failed%s%s",
	    *tine_error() != '\0' ? ": " : "", tine_error());
}

int
server_confine(struct tine_server *server, enum confined who)
{
	return server->confine == NULL ? 0 : server->confine(server, who);
}

/*
 * Locks the process in when its handlers have been made ready, and while it
 * has one thread: what is done about one does not reach the others.
 */
static int
begin(struct tine_server *server, struct loop *loop)
{
	return server_confine(server, CONFINED_WORKER) == 0
	    ? loop_start(loop) : -1;
}

/* A loop that is still to be opened; NULL with the text of tine_error(). */
static struct loop *
make_loop(struct tine_server *server, unsigned index)
{
	struct loop *loop;

	if (server_confine(server, CONFINED_NOT_YET) == -1)
		return NULL;
	loop = loop_new(server->board);
	if (loop == NULL) {
		(void)failure("no memory for the loop");
		return NULL;
	}
	server->index = index;
	open_journals(server, index);
	fill_loop(server, loop, index);
	return loop;
}

int
server_work(struct tine_server *server, unsigned index,
    int (*prepare)(struct loop *, void *), void *argument)
{
	struct loop *loop = make_loop(server, index);
	int result = -1;

	if (loop == NULL)
		return -1;
	if (loop_open(loop) == 0 &&
	    (server->settings.mode == MODE_FORK ||
	    server_begin(server) == 0) &&
	    begin(server, loop) == 0 &&
	    (prepare == NULL || prepare(loop, argument) == 0)) {
		serve(server, loop);
		if (server->hooks.worker_exit != NULL)
			server->hooks.worker_exit(server);
		result = 0;
	}
	loop_close(loop);
	free(loop);
	return result;
}

void
server_end(struct tine_server *server, enum loop_end how)
{
	struct loop *loop;
	int before = atomic_load(&server->end_wanted);

	while (before < (int)how && !atomic_compare_exchange_weak(
	    &server->end_wanted, &before, (int)how))
		;
	loop = atomic_load(&server->loop);
	if (loop != NULL)
		loop_end(loop, how);
}

static int
need_listener(const struct tine_server *server)
{
	if (server->listener_count > 0)
		return 0;
	return failure_errno(EDESTADDRREQ,
	    "the server is not bound (call tine_server_bind first)");
}

static int
serve_forever(struct tine_server *server, int unused)
{
	(void)unused;
	return server_work(server, 0, NULL, NULL);
}

static int
handle_request(struct tine_server *server, int timeout)
{
	struct loop *loop = make_loop(server, 0);
	int result = -1;

	if (loop == NULL)
		return -1;
	loop->turned = NULL;		/* as Python's: only serve_forever */
	loop->accept_limit = 1;
	if (timeout >= 0)
		loop->accept_until = clock_ms() + (uint64_t)timeout;
	if (loop_open(loop) == 0 && begin(server, loop) == 0) {
		serve(server, loop);
		result = loop->accept_limit == 0;
	}
	loop_close(loop);
	free(loop);
	if (result == 0 && server->hooks.handle_timeout != NULL)
		server->hooks.handle_timeout(server);
	return result;
}

/* Here is no master, whatever --workers says; it is for a later one. */
static int
without_master(struct tine_server *server,
    int (*run)(struct tine_server *, int), int timeout)
{
	const unsigned workers = server->settings.workers;
	int result;

	if (need_listener(server) == -1 || server_prepare(server, 1) == -1)
		return -1;
	server->settings.workers = 0;
	result = run(server, timeout);
	server->settings.workers = workers;
	return result;
}

TINE_PUBLIC int
tine_serve_forever(struct tine_server *server)
{
	return without_master(server, serve_forever, -1);
}

TINE_PUBLIC int
tine_handle_request(struct tine_server *server, int timeout)
{
	return without_master(server, handle_request, timeout);
}

TINE_PUBLIC void
tine_shutdown(struct tine_server *server)
{
	server_end(server, LOOP_SHUTS);
}
