/* SPDX-License-Identifier: ISC */
/*
 * See options.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/number.h"
#include "../base/public.h"
#include "../files/types.h"
#include "../prefork/sandbox.h"
#include "config.h"
#include "options.h"
#include "paths.h"

enum kind {
	KIND_TIME, KIND_SIZE, KIND_MEMORY, KIND_NUMBER, KIND_COUNT,
	KIND_MODE, KIND_WORKERS, KIND_TEXT, KIND_BIND, KIND_POLLER,
	KIND_RANGE, KIND_UMASK, KIND_FLAG, KIND_SWITCH, KIND_SPARE,
	KIND_SANDBOX, KIND_READ, KIND_WRITE, KIND_TYPE, KIND_NETWORKS, KIND_REALM,
	KIND_HELP, KIND_VERSION
};

struct option_row {
	const char	*name;
	const char	*argument;	/* NULL: none */
	enum kind	 kind;
	size_t		 offset;	/* in struct settings */
	long long	 low, high;	/* of a number */
	const char	*help;
};

#define AT(member)	offsetof(struct settings, member)

static const struct option_row rows[] = {
	{ "bind", "ADDRESS", KIND_BIND, 0, 0, 0,
	    "listen on ADDRESS; may be repeated (localhost:8080)" },
	{ "mode", "MODE", KIND_MODE, AT(mode), 0, 0,
	    "run handlers as single, thread or fork (single)" },
	{ "workers", "N", KIND_WORKERS, AT(workers), 0, 1024,
	    "processes; N-M: as many as are needed; auto: one a CPU, "
	    "at least 2; 0: no master (auto)" },
	{ "spare", "A-B", KIND_SPARE, AT(spare_least), 0, 1024,
	    "with --workers=N-M: so many idle ones are wanted (2-8)" },
	{ "max-requests", "N", KIND_RANGE, AT(max_requests), 0, INT_MAX,
	    "replace a worker after N, or N-M, requests (0: never)" },
	{ "max-memory", "SIZE", KIND_MEMORY, AT(max_memory), 0, 0,
	    "replace a worker that is larger after a request (0: never)" },
	{ "backlog", "N", KIND_NUMBER, AT(backlog), 1, 65535,
	    "connections that may wait to be accepted (4096)" },
	{ "max-threads", "N", KIND_NUMBER, AT(max_threads), 1, 240,
	    "mode thread: handlers at once in a worker (64)" },
	{ "stack-size", "SIZE", KIND_COUNT, AT(stack_size), 65536, 1 << 30,
	    "mode thread: stack of a handler's thread (1M)" },
	{ "max-children", "N", KIND_NUMBER, AT(max_children), 1, 1000,
	    "mode fork: children at once in a worker (40)" },
	{ "spare-children", "N", KIND_NUMBER, AT(spare_children), 1, 1000,
	    "mode fork: children forked ahead (2)" },
	{ "child-requests", "N", KIND_NUMBER, AT(child_requests), 1, INT_MAX,
	    "mode fork: requests that a child takes (1)" },
	{ "spare-timeout", "TIME", KIND_TIME, AT(spare_timeout), 0, 0,
	    "mode fork: for a child that waits for a request (60)" },
	{ "timeout", "TIME", KIND_TIME, AT(timeout), 0, 0,
	    "with a master: for a handler that moves no byte (60)" },
	{ "start-timeout", "TIME", KIND_TIME, AT(start_timeout), 0, 0,
	    "for a worker to become ready (60)" },
	{ "graceful-timeout", "TIME", KIND_TIME, AT(graceful_timeout), 0, 0,
	    "for requests in hand at a stop (25)" },
	{ "drain-idle", "TIME", KIND_TIME, AT(drain_idle), 0, 0,
	    "idle connections stay readable so long at a stop (1)" },
	{ "crash-grace", "TIME", KIND_TIME, AT(crash_grace), 0, 0,
	    "mode thread: for other handlers when one crashes (2)" },
	{ "keep-alive", "TIME", KIND_TIME, AT(keep_alive), 0, 0,
	    "for the next request on a connection (75)" },
	{ "header-timeout", "TIME", KIND_TIME, AT(header_timeout), 0, 0,
	    "for the head of a request (20, up to 40 if it comes)" },
	{ "body-timeout", "TIME", KIND_TIME, AT(body_timeout), 0, 0,
	    "for a body that makes no progress (20)" },
	{ "send-timeout", "TIME", KIND_TIME, AT(send_timeout), 0, 0,
	    "for a reply that makes no progress (30)" },
	{ "max-head", "SIZE", KIND_MEMORY, AT(max_head), 256, 1 << 24,
	    "head of a request (32K)" },
	{ "max-fields", "N", KIND_NUMBER, AT(max_fields), 1, 128,
	    "header fields of a request (100)" },
	{ "max-body", "SIZE", KIND_SIZE, AT(max_body), 0, 0,
	    "body of a request (1G)" },
	{ "max-extensions", "SIZE", KIND_MEMORY, AT(max_extensions), 0,
	    1 << 24, "chunk extensions of a body (16K)" },
	{ "body-memory", "SIZE", KIND_MEMORY, AT(body_memory), 0, 1 << 30,
	    "body kept in memory; longer ones go to a file (64K)" },
	{ "form-fields", "N", KIND_NUMBER, AT(form_fields), 1, 10000000,
	    "fields of a form (1000)" },
	{ "form-memory", "SIZE", KIND_MEMORY, AT(form_memory), 1024, 1 << 30,
	    "names and values of a form kept in memory (1M)" },
	{ "form-value-memory", "SIZE", KIND_MEMORY, AT(form_value_memory), 1,
	    1 << 30, "a longer value of a form goes to a file (64K)" },
	{ "form-files", "N", KIND_NUMBER, AT(form_files), 1, 100000,
	    "files of a form, and values that long (100)" },
	{ "form-file", "SIZE", KIND_SIZE, AT(form_file), 0, 0,
	    "one file of a form (0: as the body)" },
	{ "form-headers", "SIZE", KIND_MEMORY, AT(form_headers), 64, 1 << 20,
	    "header bytes of a part of a form (8K)" },
	{ "form-boundary", "N", KIND_NUMBER, AT(form_boundary), 1, 200,
	    "length of a form's boundary (70)" },
	{ "memory", "SIZE", KIND_MEMORY, AT(memory), 0, 0,
	    "of a worker's clients; above it bodies and replies go to files, "
	    "then reading pauses (0: any)" },
	{ "reply-memory", "SIZE", KIND_MEMORY, AT(reply_memory), 0, 1 << 30,
	    "reply kept in memory until its client takes it (256K)" },
	{ "reply-spool", "SIZE", KIND_SIZE, AT(reply_spool), 0, 0,
	    "the rest of a reply, in a file (1G)" },
	{ "spool-space", "SIZE", KIND_SIZE, AT(spool_space), 0, 0,
	    "all such files together (10G)" },
	{ "directory", "DIR", KIND_TEXT, AT(directory), 0, 0,
	    "serve the files of DIR (the operand, or the current one)" },
	{ "listing", "on|off", KIND_SWITCH, AT(listing), 0, 0,
	    "list directories that have no index.html (on)" },
	{ "follow-symlinks", "on|off", KIND_SWITCH, AT(follow_symlinks), 0, 0,
	    "follow links that lead out of the directory (off)" },
	{ "default-type", "TYPE", KIND_TYPE, AT(default_type), 0, 0,
	    "of files with no known type (application/octet-stream)" },
	{ "file-cache", "SIZE", KIND_MEMORY, AT(file_cache), 0, 1LL << 40,
	    "contents of files that a worker keeps in memory (16M)" },
	{ "spool-dir", "DIR", KIND_TEXT, AT(spool_dir), 0, 0,
	    "where such files are made ($TMPDIR or /tmp)" },
	{ "max-connections", "N", KIND_NUMBER, AT(max_connections), 1,
	    65536, "connections of a worker (from the descriptor limit)" },
	{ "max-per-client", "N", KIND_NUMBER, AT(max_per_client), 0, 65536,
	    "connections of one address in a worker (0: any number)" },
	{ "auth-file", "FILE", KIND_TEXT, AT(auth_file), 0, 0,
	    "only users of FILE, as htpasswd -B writes it, may ask (all)" },
	{ "auth-realm", "TEXT", KIND_REALM, AT(auth_realm), 0, 0,
	    "what they are told to log in to (tine)" },
	{ "proxy-from", "LIST", KIND_NETWORKS, AT(proxies), 0, 0,
	    "peers whose connections begin with a PROXY header: addresses, "
	    "networks, unix, any (none)" },
	{ "poller", "NAME", KIND_POLLER, AT(use_poll), 0, 0,
	    "epoll or poll (epoll)" },
	{ "log", "FILE", KIND_TEXT, AT(log), 0, 0,
	    "request log; - is standard error, syslog, none (-)" },
	{ "error-log", "FILE", KIND_TEXT, AT(error_log), 0, 0,
	    "error log, likewise (-)" },
	{ "pidfile", "FILE", KIND_TEXT, AT(pidfile), 0, 0,
	    "write the master's process id to FILE (none)" },
	{ "user", "USER", KIND_TEXT, AT(user), 0, 0,
	    "workers run as this user (the one that starts it)" },
	{ "group", "GROUP", KIND_TEXT, AT(group), 0, 0,
	    "and as this group (the user's)" },
	{ "chroot", "DIR", KIND_TEXT, AT(chroot), 0, 0,
	    "workers see DIR as the root (none)" },
	{ "umask", "MODE", KIND_UMASK, AT(umask), 0, 0777,
	    "of workers, octal (inherited)" },
	{ "chdir", "DIR", KIND_TEXT, AT(chdir), 0, 0,
	    "work in DIR; other paths are found from where it was started" },
	{ "daemon", NULL, KIND_FLAG, AT(is_daemon), 0, 0,
	    "go to the background when requests can be answered" },
	{ "core", NULL, KIND_FLAG, AT(has_core), 0, 0,
	    "let a worker that crashes write a core file" },
	{ "no-new-privs", "on|off", KIND_SWITCH, AT(no_new_privs), 0, 0,
	    "workers cannot gain privileges by running programs (on)" },
	{ "sandbox", "on|off", KIND_SANDBOX, AT(sandbox), SANDBOX_ON, 0,
	    "lock in what meets clients: files, system calls (off; "
	    "tine DIRECTORY: on)" },
	{ "no-sandbox", NULL, KIND_SANDBOX, AT(sandbox), SANDBOX_OFF, 0,
	    "do not" },
	{ "sandbox-read", "PATH", KIND_READ, 0, 0, 0,
	    "and let handlers read PATH and what is below it; repeatable" },
	{ "sandbox-write", "PATH", KIND_WRITE, 0, 0, 0,
	    "or read, make and write files there; repeatable" },
	{ "sandbox-connect", NULL, KIND_FLAG, AT(sandbox_connect), 0, 0,
	    "and let them connect to other servers" },
	{ "config", "FILE", KIND_TEXT, AT(config), 0, 0,
	    "read options from FILE, one a line (none)" },
	{ "test", NULL, KIND_FLAG, AT(is_test), 0, 0,
	    "check the options and the module, then exit" },
	{ "help", NULL, KIND_HELP, 0, 0, 0, "show this help" },
	{ "version", NULL, KIND_VERSION, 0, 0, 0, "show the version" },
};

#define ROWS	(sizeof(rows) / sizeof(rows[0]))

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

static int
set(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	void *place = (char *)&server->settings + row->offset;
	off_t size;

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

static const struct option_row *
row_of(const char *option)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].name, option) == 0)
			return &rows[i];
	}
	return NULL;
}

/* --sandbox alone is enough. */
static bool
needs_value(const struct option_row *row)
{
	return row->argument != NULL && row->kind != KIND_SANDBOX;
}

TINE_PUBLIC int
tine_server_set(struct tine_server *server, const char *option,
    const char *value)
{
	const struct option_row *row = row_of(option);

	if (row == NULL)
		return failure_errno(EINVAL, "there is no option --%s (see "
		    "--help)", option);
	if (row->argument == NULL && value != NULL && *value != '\0')
		return refuse(row, value, "is too much: it takes no value");
	if (needs_value(row) && value == NULL)
		return failure_errno(EINVAL, "--%s needs a value (see "
		    "--help)", option);
	return set(server, row, value);
}

void
options_help(FILE *out, const char *program, const char *operand_name)
{
	(void)fprintf(out, "usage: %s [options]%s%s\n\n", program,
	    operand_name != NULL ? " " : "",
	    operand_name != NULL ? operand_name : "");
	for (size_t i = 0; i < ROWS; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), rows[i].argument == NULL
		    ? "--%s" : needs_value(&rows[i]) ? "--%s=%s"
		    : "--%s[=%s]", rows[i].name, rows[i].argument);
		(void)fprintf(out, "  %-25s %s\n", name, rows[i].help);
	}
	(void)fprintf(out, "\nTimes are seconds, or end with ms, s, m or h; "
	    "0 is no limit.\nSizes may end with K, M or G.\n");
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void
fill_getopt(struct option *options)
{
	for (size_t i = 0; i < ROWS; i++) {
		options[i].name = rows[i].name;
		options[i].has_arg = rows[i].argument == NULL ? no_argument
		    : needs_value(&rows[i]) ? required_argument
		    : optional_argument;
		options[i].flag = NULL;
		options[i].val = (int)i + 256;
	}
	options[ROWS] = (struct option){ 0 };
}

static enum options_result
wrong_word(int c, char *argv[])
{
	const char *word = argv[optind - 1];

	if (c == '?' && optopt >= 256)
		(void)failure("%s: --%s takes no value (see --help)", word,
		    rows[optopt - 256].name);
	else if (c == ':')
		(void)failure("%s needs a value (see --help)", word);
	else
		(void)failure("there is no option %s (see --help)", word);
	return OPTIONS_WRONG;
}

enum options_result
options_read(struct tine_server *server, int argc, char *argv[],
    const char *operand_name, const char **operand)
{
	struct option options[ROWS + 1];
	int c;

	fill_getopt(options);
	optind = 0;		/* anew, whatever was read before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		const struct option_row *row;

		if (c == 'h') {
			options_help(stdout, base_name(argv[0]), operand_name);
			return OPTIONS_DONE;
		}
		if (c < 256)
			return wrong_word(c, argv);
		row = &rows[c - 256];
		if (row->kind == KIND_HELP) {
			options_help(stdout, base_name(argv[0]), operand_name);
			return OPTIONS_DONE;
		}
		if (row->kind == KIND_VERSION) {
			(void)printf("tine %s\n", TINE_VERSION);
			return OPTIONS_DONE;
		}
		/* What the command line says replaces what a file said. */
		if (row->kind == KIND_BIND && server->binds_are_file) {
			server->bind_count = 0;
			server->binds_are_file = false;
		}
		if (set(server, row, optarg) == -1)
			return OPTIONS_WRONG;
	}
	*operand = optind < argc ? argv[optind++] : NULL;
	if (optind < argc || (*operand != NULL && operand_name == NULL)) {
		(void)failure("there is an argument too many: %s (see --help)",
		    operand_name == NULL ? *operand : argv[optind]);
		return OPTIONS_WRONG;
	}
	return OPTIONS_SERVE;
}

/* What was read is kept: the way back from an upgrade must not change it. */
static int
keep_config(struct tine_server *server, const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file == -1) {
		(void)failure("--config=%s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	server->config_fd = descriptor_snapshot(file, "config");
	descriptor_close(file);
	return EX_OK;
}

/* Whether the file has listeners is known when it has been read. */
static int
read_config(struct tine_server *server)
{
	const char *path = server->settings.config;
	int status = server->config_fd != -1 ? EX_OK
	    : keep_config(server, path);

	if (status == EX_OK)
		status = server->config_fd == -1 ? config_read(server, path)
		    : config_read_from(server, path, server->config_fd);
	server->binds_are_file = server->bind_count > 0;
	return status;
}

static int
result_status(enum options_result result)
{
	switch (result) {
	case OPTIONS_DONE:
		return -1;
	case OPTIONS_WRONG:
		return EX_USAGE;
	case OPTIONS_SERVE:
		break;
	}
	return EX_OK;
}

/* In the background standard error is nobody's: syslog(3) is instead. */
static void
adjust_logs(struct settings *settings)
{
	if (!settings->is_daemon)
		return;
	if (strcmp(settings->log, "-") == 0)
		settings->log = "none";
	if (strcmp(settings->error_log, "-") == 0)
		settings->error_log = "syslog";
}

static int
load(struct tine_server *server, int argc, char *argv[],
    const char *operand_name, const char **operand)
{
	const size_t before = server->bind_count;
	const char *config;
	int status;

	server->base = server->settings;
	status = result_status(options_read(server, argc, argv, operand_name,
	    operand));
	if (status != EX_OK || server->settings.config == NULL)
		return status;
	/* Now that its name is known: the file first, then these again. */
	if (paths_absolute(server, &server->settings.config) == -1)
		return EX_OSERR;
	config = server->settings.config;
	server->settings = server->base;
	server->settings.config = config;
	server->bind_count = before;
	status = read_config(server);
	if (status == EX_OK)
		status = result_status(options_read(server, argc, argv,
		    operand_name, operand));
	server->settings.config = config;
	return status;
}

int
options_load(struct tine_server *server, int argc, char *argv[],
    const char *operand_name, const char **operand)
{
	const int status = load(server, argc, argv, operand_name, operand);

	if (status != EX_OK)
		return status;
	/* Only now is it known that WEB_CONCURRENCY counts. */
	if (server->settings.workers_are_auto &&
	    tine_server_set(server, "workers", "auto") == -1)
		return EX_USAGE;
	adjust_logs(&server->settings);
	return paths_resolve(server) == -1 ? EX_OSERR : EX_OK;
}
