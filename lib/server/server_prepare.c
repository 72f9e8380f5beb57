/* SPDX-License-Identifier: ISC */
/*
 * What comes before serving, once for all workers: limits, signals, the
 * scoreboard, who may ask.
 */
#include <sys/resource.h>

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "server.h"
#include "server_parts.h"

#define CONNECTIONS_MOST	65536

static void
nothing(int sig)
{
	(void)sig;
}

void
server_disregard(int sig)
{
	const struct sigaction action = {
		.sa_handler = nothing, .sa_flags = SA_RESTART
	};

	(void)sigaction(sig, &action, NULL);
}

/*
 * As many connections as there may be descriptors, less some for the
 * handlers' own files and for spools.
 */
void
server_bound(struct settings *settings)
{
	struct rlimit limit;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		limit.rlim_cur = limit.rlim_max = 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
			(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	room = limit.rlim_cur - limit.rlim_cur / 8;
	room = room > 32 ? room - 24 : 8;
	/* A child has a socket, and a descriptor of its process. */
	if (settings->mode == MODE_FORK) {
		if (settings->max_children > room / 4)
			settings->max_children = (unsigned)(room / 4);
		room -= (rlim_t)settings->max_children * 2;
	}
	if (room > CONNECTIONS_MOST)
		room = CONNECTIONS_MOST;
	if (settings->max_connections == 0 ||
	    settings->max_connections > room)
		settings->max_connections = (unsigned)room;
}

unsigned
server_handlers(const struct settings *settings)
{
	switch (settings->mode) {
	case MODE_THREAD:
		return settings->max_threads + 2;
	case MODE_FORK:
		return settings->max_children + 1;
	case MODE_SINGLE:
		break;
	}
	return 2;
}

struct scoreboard *
server_board(const struct tine_server *server, unsigned workers, int *fd)
{
	struct scoreboard *board = scoreboard_new(workers,
	    server_handlers(&server->settings), SERVER_JOURNAL, fd);

	if (board == NULL)
		(void)failure("no memory for the scoreboard");
	return board;
}

/*
 * What is the same in each worker is done once, before they are forked: then
 * they share the memory of it.
 */
void
server_settle(struct tine_server *server)
{
	server_guard_forks();
	tzset();		/* once, not in each child */
	server_prepare_listeners(server);
	server_bound(&server->settings);
	server_disregard(SIGPIPE);	/* sendfile(2) has no MSG_NOSIGNAL */
	server_disregard(SIGXFSZ);	/* a file's limit is an error as any */
}

/* A program may set another file when it has served a request. */
int
server_read_users(struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	void *users = server->users;
	const int fd = server->users_fd;

	if (server->protocol->prepare == NULL || (users != NULL &&
	    server->users_file == settings->auth_file &&
	    server->users_realm == settings->auth_realm))
		return 0;
	if (server->protocol->prepare(server) == -1)
		return -1;
	server->users_file = settings->auth_file;
	server->users_realm = settings->auth_realm;
	if (users != NULL) {
		server->free_users(users);
		descriptor_close(fd);
	}
	return 0;
}

int
server_prepare(struct tine_server *server, unsigned workers)
{
	server_settle(server);
	if (server_read_users(server) == -1)
		return -1;
	scoreboard_free(server->board);
	descriptor_close(server->board_fd);
	server->board = server_board(server, workers, &server->board_fd);
	return server->board == NULL ? -1 : 0;
}

void
server_clean_environment(void)
{
	static const char *const names[] = {
		"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"TINE_STATE"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unsetenv(names[i]);
}
