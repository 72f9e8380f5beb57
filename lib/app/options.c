/* SPDX-License-Identifier: ISC */
/*
 * See options.h.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../prefork/sandbox.h"
#include "option_row.h"
#include "options.h"

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
	if (needs_value(row) && value == NULL)
		return failure_errno(EINVAL, "--%s needs a value (see "
		    "--help)", option);
	return option_set(server, row, value);
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

/* What the command line says replaces what a file said. */
static enum options_result
take(struct tine_server *server, const struct option_row *row,
    const char *value)
{
	if (row->kind == KIND_BIND && server->binds_are_file) {
		server->bind_count = 0;
		server->binds_are_file = false;
	}
	return option_set(server, row, value) == -1 ? OPTIONS_WRONG
	    : OPTIONS_SERVE;
}

/* What is left of the arguments: one, if the program knows what for. */
static enum options_result
take_rest(int argc, char *argv[], const char *operand_name,
    const char **operand)
{
	*operand = optind < argc ? argv[optind++] : NULL;
	if (optind == argc && (*operand == NULL || operand_name != NULL))
		return OPTIONS_SERVE;
	(void)failure("there is an argument too many: %s (see --help)",
	    operand_name == NULL ? *operand : argv[optind]);
	return OPTIONS_WRONG;
}

enum options_result
options_read(struct tine_server *server, int argc, char *argv[],
    const char *operand_name, const char **operand)
{
	struct option options[ROWS + 1];
	enum options_result result = OPTIONS_SERVE;
	int c;

	fill_getopt(options);
	optind = 0;		/* anew, whatever was read before */
	opterr = 0;
	while (result == OPTIONS_SERVE &&
	    (c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		const struct option_row *row = c < 256 ? NULL : &rows[c - 256];

		if (row == NULL && c != 'h')
			return wrong_word(c, argv);
		if (row == NULL || row->kind == KIND_HELP) {
			options_help(stdout, base_name(argv[0]), operand_name);
			return OPTIONS_DONE;
		}
		if (row->kind == KIND_VERSION) {
			(void)printf("tine %s\n", TINE_VERSION);
			return OPTIONS_DONE;
		}
		result = take(server, row, optarg);
	}
	return result != OPTIONS_SERVE ? result
	    : take_rest(argc, argv, operand_name, operand);
}
