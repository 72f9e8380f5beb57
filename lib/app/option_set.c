/* SPDX-License-Identifier: ISC */
/*
 * What the value of an option means, by the kind of its row.
 */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/number.h"
#include "../files/types.h"
#include "../http/http.h"
#include "../prefork/sandbox.h"
#include "option_row.h"

static int
refuse(const struct option_row *row, const char *value, const char *why)
{
	return failure_errno(EINVAL, "--%s=%s: %s %s", row->name, value,
	    *value != '\0' ? value : "an empty value", why);
}

static int
set_number(const struct option_row *row, const char *value, void *place)
{
	long long number;
	const char *why;

	if (number_integer(value, row->low, row->high, &number, &why) == -1)
		return failure_errno(EINVAL, "--%s=%s: the value %s (a number "
		    "from %lld to %lld)", row->name, value, why, row->low,
		    row->high);
	*(unsigned *)place = (unsigned)number;
	return 0;
}

static int
set_size(const struct option_row *row, const char *value, off_t *size)
{
	const char *why;

	if (number_bytes(value, size, &why) == -1)
		return refuse(row, value, why);
	if (row->high != 0 && (*size < row->low || *size > row->high))
		return failure_errno(EINVAL, "--%s=%s: the value is out of "
		    "range (%lld to %lld bytes)", row->name, value, row->low,
		    row->high);
	return 0;
}

static int
set_time(const struct option_row *row, const char *value, void *place)
{
	const char *why;

	if (number_milliseconds(value, place, &why) == -1)
		return refuse(row, value, why);
	return 0;
}

static int
set_mode(const struct option_row *row, const char *value, void *place)
{
	enum mode *mode = place;

	if (strcmp(value, "single") == 0)
		*mode = MODE_SINGLE;
	else if (strcmp(value, "thread") == 0)
		*mode = MODE_THREAD;
	else if (strcmp(value, "fork") == 0)
		*mode = MODE_FORK;
	else
		return refuse(row, value,
		    "is no mode (single, thread or fork)");
	return 0;
}

static unsigned
usable_cpus(void)
{
	cpu_set_t set;
	int count = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = CPU_COUNT(&set);
	return count < 2 ? 2 : (unsigned)count;
}

/* "N" or "N-M": the second stands behind the first in the settings. */
static int
set_range(const struct option_row *row, const char *value, unsigned place[2])
{
	const char *dash = strchr(value, '-');
	char low[24];

	place[1] = 0;
	if (dash == NULL || dash == value)
		return set_number(row, value, place);
	if ((size_t)(dash - value) >= sizeof(low))
		return refuse(row, value, "is no range");
	memcpy(low, value, (size_t)(dash - value));
	low[dash - value] = '\0';
	if (set_number(row, low, &place[0]) == -1 ||
	    set_number(row, dash + 1, &place[1]) == -1)
		return failure_errno(EINVAL, "--%s=%s: the value is no range "
		    "of numbers from %lld to %lld", row->name, value,
		    row->low, row->high);
	if (place[1] < place[0])
		return refuse(row, value, "ends before it begins");
	return 0;
}

static int
set_spare(const struct option_row *row, const char *value, unsigned place[2])
{
	if (set_range(row, value, place) == -1)
		return -1;
	if (place[1] == 0)
		return refuse(row, value, "is no range (as in 2-8)");
	return 0;
}

static int
set_workers(struct tine_server *server, const struct option_row *row,
    const char *value, unsigned place[2])
{
	const char *concurrency = getenv("WEB_CONCURRENCY");
	const bool is_auto = strcmp(value, "auto") == 0;
	const char *why;
	long long number;

	server->settings.workers_are_auto = is_auto;
	if (!is_auto && set_range(row, value, place) == -1)
		return -1;
	if (!is_auto && place[0] == 0 && place[1] > 0)
		return refuse(row, value, "begins with 0 (at least 1)");
	if (!is_auto)
		return 0;
	place[1] = 0;
	if (concurrency == NULL || *concurrency == '\0') {
		*place = usable_cpus();
		return 0;
	}
	if (number_integer(concurrency, row->low, row->high, &number, &why) ==
	    -1)
		return failure_errno(EINVAL, "WEB_CONCURRENCY=%s: the value "
		    "%s (a number from %lld to %lld)", concurrency, why,
		    row->low, row->high);
	*place = (unsigned)number;
	return 0;
}

static int
set_umask(const struct option_row *row, const char *value, int *place)
{
	char *end;
	const unsigned long mask = strtoul(value, &end, 8);

	if (*value < '0' || *value > '7' || *end != '\0' || mask > 0777)
		return refuse(row, value, "is no mode (octal, as in 022)");
	*place = (int)mask;
	return 0;
}

static int
set_switch(const struct option_row *row, const char *value, bool *place)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return refuse(row, value, "is neither on nor off");
	*place = strcmp(value, "on") == 0;
	return 0;
}

static int
set_text(struct tine_server *server, const char *value, void *place)
{
	const char **text = place;

	*text = server_text(server, value);
	return *text == NULL ? failure("no memory for an option") : 0;
}

static int
set_type(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	if (!types_is_type(value, strlen(value)))
		return refuse(row, value, "is no media type (as text/plain)");
	return set_text(server, value, &server->settings.default_type);
}

/* It becomes a quoted string of a field: RFC 9110, section 5.6.4. */
static int
set_realm(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	for (const char *c = value; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return refuse(row, value, "has a control character");
	}
	if (*value == '\0')
		return refuse(row, value, "names nothing");
	return set_text(server, value, &server->settings.auth_realm);
}

/* Who is believed is settled here: a list that is wrong leaves nobody. */
static int
set_networks(const struct option_row *row, const char *value,
    struct network_list *place)
{
	struct network_list list;

	if (network_list_read(&list, value) == -1)
		return failure_errno(EINVAL, "--%s=%s: %s", row->name, value,
		    tine_error());
	*place = list;
	return 0;
}

static int
set_poller(const struct option_row *row, const char *value, void *place)
{
	if (strcmp(value, "epoll") != 0 && strcmp(value, "poll") != 0)
		return refuse(row, value, "is no poller (epoll or poll)");
	*(bool *)place = strcmp(value, "poll") == 0;
	return 0;
}

static int
add_bind(struct tine_server *server, const char *value)
{
	const size_t most = sizeof(server->binds) / sizeof(server->binds[0]);
	struct endpoint list[8];
	size_t count;

	if (server->bind_count == most)
		return failure_errno(EINVAL, "--bind=%s: there are more than "
		    "%zu addresses", value, most);
	if (endpoint_parse(value, list, 8, &count) == -1)
		return failure("--bind=%s", tine_error());
	if (set_text(server, value, &server->binds[server->bind_count]) == -1)
		return -1;
	server->bind_count++;
	return 0;
}

/*
 * A server that nobody asks to be locked in never is: so only here is it
 * told how.
 */
static int
set_sandbox(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	bool on = row->low == SANDBOX_ON;

	if (value != NULL && set_switch(row, value, &on) == -1)
		return -1;
	server->settings.sandbox = on ? SANDBOX_ON : SANDBOX_OFF;
	server->confine = sandbox_enter;
	return 0;
}

static int
add_path(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	struct settings *settings = &server->settings;
	struct sandbox_path *path;

	if (*value == '\0')
		return refuse(row, value, "is no path");
	if (settings->sandbox_path_count == SANDBOX_PATHS)
		return failure_errno(EINVAL, "--%s=%s: there are more than "
		    "%d paths", row->name, value, SANDBOX_PATHS);
	path = &settings->sandbox_paths[settings->sandbox_path_count];
	if (set_text(server, value, &path->path) == -1)
		return -1;
	path->is_writable = row->kind == KIND_WRITE;
	settings->sandbox_path_count++;
	return 0;
}

/* What only HTTP has: requests with heads and bodies, forms, files, users. */
static bool
is_of_http(const struct option_row *row)
{
	static const char *const names[] = {
		"max-head", "max-fields", "max-body", "max-extensions",
		"body-memory", "body-timeout", "form-fields", "form-memory",
		"form-value-memory", "form-files", "form-file",
		"form-headers", "form-boundary", "reply-memory",
		"reply-spool", "spool-space", "directory", "listing",
		"follow-symlinks", "default-type", "file-cache", "auth-file",
		"auth-realm"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(row->name, names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * A server of another protocol refuses them, since one that was ignored might
 * be thought to protect it.  What a module speaks is known when all were read.
 */
static int
check_protocol(struct tine_server *server, const struct option_row *row)
{
	if (!is_of_http(row))
		return 0;
	if (server->protocol != &protocol_http)
		return failure_errno(EINVAL, "--%s is for HTTP, which this "
		    "server does not speak", row->name);
	server->http_option = row->name;
	return 0;
}

int
option_set(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	void *place = (char *)&server->settings + row->offset;
	off_t size;

	if (row->argument == NULL && value != NULL && *value != '\0')
		return refuse(row, value, "is too much: it takes no value");
	if (check_protocol(server, row) == -1)
		return -1;
	switch (row->kind) {
	case KIND_TIME:
		return set_time(row, value, place);
	case KIND_NUMBER:
		return set_number(row, value, place);
	case KIND_SIZE:
		return set_size(row, value, place);
	case KIND_MEMORY:
		if (set_size(row, value, &size) == -1)
			return -1;
		*(size_t *)place = (size_t)size;
		return 0;
	case KIND_COUNT:
		if (set_size(row, value, &size) == -1)
			return -1;
		*(unsigned *)place = (unsigned)size;
		return 0;
	case KIND_MODE:
		return set_mode(row, value, place);
	case KIND_WORKERS:
		return set_workers(server, row, value, place);
	case KIND_TEXT:
		return *value == '\0' ? refuse(row, value, "names nothing")
		    : set_text(server, value, place);
	case KIND_POLLER:
		return set_poller(row, value, place);
	case KIND_RANGE:
		return set_range(row, value, place);
	case KIND_REALM:
		return set_realm(server, row, value);
	case KIND_NETWORKS:
		return set_networks(row, value, place);
	case KIND_TYPE:
		return set_type(server, row, value);
	case KIND_SPARE:
		return set_spare(row, value, place);
	case KIND_UMASK:
		return set_umask(row, value, place);
	case KIND_SWITCH:
		return set_switch(row, value, place);
	case KIND_FLAG:
		*(bool *)place = true;
		return 0;
	case KIND_BIND:
		return add_bind(server, value);
	case KIND_SANDBOX:
		return set_sandbox(server, row, value);
	case KIND_READ:
	case KIND_WRITE:
		return add_path(server, row, value);
	case KIND_HELP:
	case KIND_VERSION:
		break;
	}
	return failure_errno(EINVAL, "--%s cannot be set", row->name);
}
