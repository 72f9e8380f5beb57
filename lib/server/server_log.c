/* SPDX-License-Identifier: ISC */
/*
 * What a server says of itself: the error log, and the title of its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/date.h"
#include "../base/descriptor.h"
#include "../base/system_log.h"
#include "../base/text.h"
#include "server.h"

#define LINE_SIZE	4096

static const char *
level_name(enum tine_level level)
{
	switch (level) {
	case TINE_LOG_DEBUG:
		return "DEBUG";
	case TINE_LOG_INFO:
		return "INFO";
	case TINE_LOG_WARNING:
		return "WARNING";
	case TINE_LOG_ERROR:
		break;
	}
	return "ERROR";
}

static int
syslog_level(enum tine_level level)
{
	static const int levels[] = {
		[TINE_LOG_DEBUG] = LOG_DEBUG, [TINE_LOG_INFO] = LOG_INFO,
		[TINE_LOG_WARNING] = LOG_WARNING, [TINE_LOG_ERROR] = LOG_ERR
	};

	return levels[level];
}

size_t
server_log_prefix(char *line, size_t size, enum tine_level level)
{
	char date[21];

	date_log(date, time(NULL));
	return (size_t)snprintf(line, size, "[%s] [%ld] %s ", date,
	    (long)getpid(), level_name(level));
}

void
server_vlog(struct tine_server *server, enum tine_level level,
    const char *format, va_list ap)
{
	char text[LINE_SIZE / 4], line[LINE_SIZE];
	const int saved = errno;
	int length;
	size_t n, start;

	length = vsnprintf(text, sizeof(text), format, ap);
	if (length < 0)
		return;
	n = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
	if (server->use_syslog) {
		(void)system_log_send(syslog_level(level), text, n);
		errno = saved;
		return;
	}
	start = server_log_prefix(line, sizeof(line), level);
	n = start + text_escape_log(line + start, sizeof(line) - start, text,
	    n);
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	if (server->errors.data != NULL) {
		journal_line(&server->errors, clock_ms(), line, n);
		journal_flush(&server->errors);
	} else if (server->log_fds[1] != -1) {
		line[n] = '\n';
		(void)!write(server->log_fds[1], line, n + 1);
	}
	errno = saved;
}

void
server_log(struct tine_server *server, enum tine_level level,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	server_vlog(server, level, format, ap);
	va_end(ap);
}

void
server_title(const struct tine_server *server, const char *format, ...)
{
	char title[512];
	va_list ap;

	if (!server->has_title)
		return;
	va_start(ap, format);
	(void)vsnprintf(title, sizeof(title), format, ap);
	va_end(ap);
	setproctitle("%s", title);
}

void
server_change_log(struct tine_server *server, unsigned which, int fd)
{
	const int log = server->log_fds[which];

	if (fd == -1)
		return;
	journal_flush(which == 0 ? &server->requests : &server->errors);
	if (log != -1 && fd != log)
		(void)dup3(fd, log, O_CLOEXEC);
	descriptor_close(fd);
}
