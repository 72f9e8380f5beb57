/* SPDX-License-Identifier: ISC */
/*
 * See serving.h.
 */
#include <poll.h>
#include <stdlib.h>

#include "../../lib/server/handover.h"
#include "serving.h"

#define DESCRIPTORS	128	/* more than are open */

static const int nobody[2] = { -1, -1 };

static void
prepare(struct tine_server *server)
{
	struct settings *settings;

	if (server == NULL)
		abort();
	settings = &server->settings;
	settings->max_head = SERVING_HEAD;
	settings->max_fields = SERVING_FIELDS;
	settings->body_memory = SERVING_MEMORY;
	settings->max_body = SERVING_BODY;
	settings->max_connections = 16;
	settings->max_threads = settings->max_children = 1;
	settings->workers = 1;
	server->log_fds[0] = server->log_fds[1] = -1;
	if (server_prepare(server, 1) == -1)
		abort();
	journal_open(&server->requests, -1, scoreboard_journal(server->board,
	    0, 0), SERVER_JOURNAL, &server->board->lines[0].log_used[0]);
	journal_open(&server->errors, -1, scoreboard_journal(server->board,
	    0, 1), SERVER_JOURNAL, &server->board->lines[0].log_used[1]);
}

struct loop *
serving_open(struct tine_server *server, const struct strategy *strategy)
{
	struct loop *loop;

	prepare(server);
	loop = loop_new(server->board);
	if (loop == NULL)
		abort();
	loop->settings = &server->settings;
	loop->protocol = server->protocol;
	loop->strategy = strategy;
	loop->server = server;
	loop->line = &server->board->lines[0];
	loop->space.used = server->board->spooled;
	loop->space.limit = 1 << 20;
	loop->space.dir = "/tmp";
	loop->requests = &server->requests;
	loop->errors = &server->errors;
	loop->accept_limit = UINT32_MAX;
	handover_open(loop, nobody);
	if (loop_open(loop) == -1 || loop_start(loop) == -1)
		abort();
	return loop;
}

int
serving_descriptors(void)
{
	struct pollfd each[DESCRIPTORS];
	int open = 0;

	for (int i = 0; i < DESCRIPTORS; i++)
		each[i] = (struct pollfd){ .fd = i };
	if (poll(each, DESCRIPTORS, 0) == -1)
		abort();
	for (int i = 0; i < DESCRIPTORS; i++)
		open += (each[i].revents & POLLNVAL) == 0;
	return open;
}
