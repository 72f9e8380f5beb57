/* SPDX-License-Identifier: ISC */
/*
 * See config.h.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../tine.h"
#include "config.h"
#include "options.h"

/* Without white space at either end. */
static char *
trim(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* "name", "name value" or "name = value". */
static char *
split(char *line)
{
	char *value = line + strcspn(line, " \t=");

	if (*value == '\0')
		return NULL;
	if (*value != '=') {
		*value++ = '\0';
		value += strspn(value, " \t");
		if (*value == '=')
			value++;
	} else {
		*value++ = '\0';
	}
	return trim(value);
}

static int
read_line(struct tine_server *server, const char *path, unsigned number,
    char *text)
{
	char *line = trim(text);
	char *value;

	if (*line == '\0' || *line == '#')
		return EX_OK;
	value = split(line);
	if (strcmp(line, "config") == 0 || strcmp(line, "test") == 0 ||
	    strcmp(line, "help") == 0 || strcmp(line, "version") == 0) {
		(void)failure("%s:%u: %s belongs on the command line", path,
		    number, line);
		return EX_CONFIG;
	}
	if (tine_server_set(server, line, value) == 0)
		return EX_OK;
	(void)failure("%s:%u: %s", path, number, tine_error());
	return EX_CONFIG;
}

static int
read_lines(struct tine_server *server, const char *path, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0;
	int status = EX_OK;
	ssize_t length;

	while (status == EX_OK && (length = getline(&line, &size, in)) != -1) {
		number++;
		if (memchr(line, '\0', (size_t)length) == NULL) {
			status = read_line(server, path, number, line);
			continue;
		}
		(void)failure("%s:%u: there is a NUL byte in the line", path,
		    number);
		status = EX_CONFIG;
	}
	if (status == EX_OK && ferror(in)) {
		(void)failure("--config=%s: %s", path, strerror(errno));
		status = EX_NOINPUT;
	}
	free(line);
	(void)fclose(in);
	return status;
}

static int
not_readable(const char *path)
{
	(void)failure("--config=%s: %s", path, strerror(errno));
	return EX_NOINPUT;
}

int
config_read(struct tine_server *server, const char *path)
{
	FILE *in = fopen(path, "re");

	return in == NULL ? not_readable(path) : read_lines(server, path, in);
}

int
config_read_from(struct tine_server *server, const char *path, int fd)
{
	const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	FILE *in = copy != -1 ? fdopen(copy, "r") : NULL;

	if (in == NULL) {
		descriptor_close(copy);
		return not_readable(path);
	}
	rewind(in);
	return read_lines(server, path, in);
}
