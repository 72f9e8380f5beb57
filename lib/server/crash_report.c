/* SPDX-License-Identifier: ISC */
/*
 * What the error log says of a crash.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "../base/system_log.h"
#include "../base/text.h"
#include "child.h"
#include "crash_parts.h"
#include "loop.h"
#include "server.h"

void
crash_say(const char *text, size_t length)
{
	const int fd = crash.loop->server->log_fds[1];
	struct pollfd wait = { .fd = fd, .events = POLLOUT };

	if (fd == JOURNAL_SYSLOG)
		(void)system_log_send(LOG_ERR, text, length);
	else if (crash.is_child && child_say(text, length))
		return;
	else if (fd != -1 && poll(&wait, 1, 10) == 1)
		(void)!write(fd, text, length);
}

static int
describe(char *what, size_t size, int sig, const siginfo_t *info,
    const char *how)
{
	if (sig == 0)
		return snprintf(what, size, "%s was called", how);
	if (info->si_code == SI_USER || info->si_code == SI_TKILL ||
	    sig == SIGABRT)
		return snprintf(what, size, "signal %d (SIG%s)", sig,
		    sigabbrev_np(sig));
	return snprintf(what, size, "signal %d (SIG%s) at address %p", sig,
	    sigabbrev_np(sig), info->si_addr);
}

void
crash_report(const struct thread *victim, int sig, const siginfo_t *info,
    const char *how)
{
	char line[1024], client[64] = "", request[256] = "", what[128];
	size_t n = server_log_prefix(line, sizeof(line), TINE_LOG_ERROR);
	const struct loop *loop = crash.loop;

	if (victim != NULL && victim->slot != SLOT_NONE && !crash.is_child)
		(void)handler_line_read(scoreboard_handler(loop->board,
		    loop->index, victim->slot), client, request);
	(void)describe(what, sizeof(what), sig, info, how);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s in a %s", what,
	    victim != NULL ? "handler" : "thread that runs no handler");
	if (*request != '\0') {
		n += (size_t)snprintf(line + n, sizeof(line) - n,
		    ": client %s, request \"", client);
		n += text_escape_log(line + n, sizeof(line) - n - 3, request,
		    strlen(request));
		if (n > sizeof(line) - 3)
			n = sizeof(line) - 3;
		line[n++] = '"';
	}
	line[n++] = '\n';
	crash_say(line, n);
}
