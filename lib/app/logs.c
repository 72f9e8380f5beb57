/* SPDX-License-Identifier: ISC */
/*
 * See logs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "../base/failure.h"
#include "../base/system_log.h"
#include "../prefork/upgrade.h"
#include "../server/server.h"
#include "logs.h"

static int
open_log(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return STDERR_FILENO;
	if (strcmp(path, "none") == 0)
		return -1;
	if (strcmp(path, "syslog") == 0) {
		/* Now: workers may have another root when they need it. */
		system_log_open(getprogname());
		return JOURNAL_SYSLOG;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	    0644);
	if (fd == -1)
		return failure("cannot open the log %s: %s", path,
		    strerror(errno)) - 1;
	return fd;
}

/* After an upgrade a log that cannot be opened is what it was before. */
static int
take_log(struct tine_server *server, unsigned which, const char *path)
{
	int fd = upgrade_is_back() ? upgrade_log(which) : -1;

	if (fd != -1)
		return fd;
	fd = open_log(path);
	if (fd != -2 || upgrade_log(which) == -1)
		return fd;
	fd = upgrade_log(which);
	server_log(server, TINE_LOG_ERROR, "%s; the old file is kept",
	    tine_error());
	return fd;
}

int
logs_open(struct tine_server *server)
{
	server->use_syslog = strcmp(server->settings.error_log, "syslog") ==
	    0;
	server->open_log = open_log;
	server->log_fds[0] = take_log(server, 0, server->settings.log);
	server->log_fds[1] = take_log(server, 1, server->settings.error_log);
	return server->log_fds[0] == -2 || server->log_fds[1] == -2 ? -1 : 0;
}
