/* SPDX-License-Identifier: ISC */
/*
 * The arguments and the file that --config names, as one: what the arguments
 * say wins.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "config.h"
#include "options.h"
#include "paths.h"

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
