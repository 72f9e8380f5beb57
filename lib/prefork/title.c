/* SPDX-License-Identifier: ISC */
/*
 * See title.h.  A title costs a microsecond and is looked at seldom: it is
 * written for requests that are still in hand when the loop turns, and while
 * one is shown not more than four times a second.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/text.h"
#include "title.h"

#define PATH_MOST	100	/* bytes of a path, before they are escaped */
#define LOOK		250	/* ms between two titles of a busy worker */

/* How much of a request line is its method and path, up to PATH_MOST. */
static size_t
path_end(const char *request)
{
	size_t end = strcspn(request, " ");

	if (request[end] == ' ')
		end += 1 + strcspn(request + end + 1, " ?#");
	return end;
}

void
title_request(char *out, size_t size, const char *request)
{
	const size_t length = path_end(request);
	const bool is_cut = length > PATH_MOST;
	const size_t n = text_escape_log(out, size, request,
	    is_cut ? PATH_MOST : length);

	if (is_cut && n + 4 <= size)
		(void)strcpy(out + n, "...");
}

/* The oldest request in hand: since when, 0 if there is none. */
static uint64_t
find_oldest(const struct tine_server *server, char request[256])
{
	const struct scoreboard *board = server->board;
	char client[64], text[256];
	uint64_t oldest = 0;

	for (unsigned i = 0; i < board->handlers; i++) {
		const struct handler_line *line = scoreboard_handler(board,
		    server->index, i);
		uint64_t since = atomic_load_explicit(&line->since,
		    memory_order_relaxed);

		if (since == 0 || (oldest != 0 && since >= oldest))
			continue;
		since = handler_line_read(line, client, text);
		if (since == 0)
			continue;
		oldest = since;
		memcpy(request, text, sizeof(text));
	}
	return oldest;
}

static void
show_busy(const struct tine_server *server, int busy, uint64_t now)
{
	char request[256], shown[TITLE_SIZE], others[24] = "";
	const uint64_t since = find_oldest(server, request);

	if (since == 0)
		return;
	title_request(shown, sizeof(shown), request);
	if (busy > 1)
		(void)snprintf(others, sizeof(others), " (and %d)", busy - 1);
	server_title(server, "worker %u busy %s %llus%s", server->index + 1,
	    shown, (unsigned long long)(now > since ? (now - since) / 1000 : 0),
	    others);
}

void
title_turn(struct tine_server *server)
{
	static uint64_t looked;
	static bool is_shown;
	struct loop *loop = atomic_load_explicit(&server->loop,
	    memory_order_relaxed);
	int busy;
	uint64_t now;

	if (loop == NULL)
		return;
	busy = atomic_load_explicit(&loop->line->busy, memory_order_relaxed);
	if (busy == 0 && !is_shown)
		return;
	now = loop_now(loop);
	if (busy > 0 && now - looked < LOOK)
		return;
	looked = now;
	if (busy > 0)
		show_busy(server, busy, now);
	else
		server_title(server, "worker %u", server->index + 1);
	is_shown = busy > 0;
	loop->turn_within = is_shown ? LOOK : -1;
}
