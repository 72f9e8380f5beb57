/* SPDX-License-Identifier: ISC */
/*
 * See refresh.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../prefork/privileges.h"
#include "../server/server.h"
#include "options.h"
#include "refresh.h"

static bool
same_binds(const struct tine_server *server, const char *const *binds,
    size_t count)
{
	if (count != server->bind_count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(binds[i], server->binds[i]) != 0)
			return false;
	}
	return true;
}

/* The old set, whose descriptors serve for the same addresses. */
static const struct listener *kept;
static size_t kept_count;

static int
adopt_kept(const char *asked, bool *is_ours)
{
	for (size_t i = 0; i < kept_count; i++) {
		if (strcmp(kept[i].asked, asked) == 0) {
			*is_ours = !kept[i].is_inherited;
			return kept[i].source.fd;
		}
	}
	return -1;
}

/* New listeners are bound before old ones are dropped; see reload.c. */
static int
rebind(struct tine_server *server)
{
	int (*adopt)(const char *, bool *) = server->adopt;
	struct listener *old = server->listeners;
	const size_t old_count = server->listener_count;
	int result = 0;

	kept = old;
	kept_count = old_count;
	server->adopt = adopt_kept;
	server->listeners = NULL;
	server->listener_count = 0;
	for (size_t i = 0; result == 0 && i < server->bind_count; i++)
		result = tine_server_bind(server, server->binds[i]);
	server->adopt = adopt;
	if (result == 0)
		return 0;
	for (size_t i = 0; i < server->listener_count; i++) {
		bool ours;

		if (adopt_kept(server->listeners[i].asked, &ours) == -1)
			listener_close(&server->listeners[i], true);
	}
	free(server->listeners);
	server->listeners = old;
	server->listener_count = old_count;
	return -1;
}

/* What the workers there are share with new ones cannot change. */
static int
check_change(const struct settings *before, const struct settings *now)
{
	if (now->mode != before->mode)
		return failure_errno(EINVAL, "another --mode needs a restart");
	if (now->workers == 0)
		return failure_errno(EINVAL, "--workers=0 needs a restart");
	return 0;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
keep_text(struct tine_server *server, const char *name, const char *before,
    const char **now)
{
	if (is_same_text(before, *now))
		return;
	server_log(server, TINE_LOG_WARNING, "another --%s needs a restart; "
	    "%s is kept", name, before != NULL ? before : "none");
	*now = before;
}

/* What is of the process, not of its workers, is not read anew. */
static void
keep_process(struct tine_server *server, const struct settings *before)
{
	struct settings *now = &server->settings;

	keep_text(server, "pidfile", before->pidfile, &now->pidfile);
	keep_text(server, "chdir", before->chdir, &now->chdir);
	if (now->is_daemon != before->is_daemon)
		server_log(server, TINE_LOG_WARNING, "--daemon needs a "
		    "restart");
	now->is_daemon = before->is_daemon;
}

static int
read_again(struct tine_server *server)
{
	const struct settings before = server->settings;
	const char *binds[sizeof(server->binds) / sizeof(server->binds[0])];
	const size_t count = server->bind_count;
	const int config = server->config_fd;
	const char *operand;
	int result;

	memcpy(binds, server->binds, sizeof(binds));
	server->settings = server->base;
	server->settings.config = NULL;
	server->bind_count = 0;
	server->binds_are_file = false;
	server->config_fd = -1;
	result = options_load(server, server->argc, server->argv, "",
	    &operand) == EX_OK && check_change(&before, &server->settings) ==
	    0 && privileges_find(server) == EX_OK ? 0 : -1;
	if (result == 0)
		keep_process(server, &before);
	server_bound(&server->settings);
	if (result == 0 && !same_binds(server, binds, count) &&
	    server->bind_count > 0)
		result = rebind(server);
	if (result == -1) {
		descriptor_close(server->config_fd);
		server->config_fd = config;
		server->settings = before;
		server->bind_count = count;
		memcpy(server->binds, binds, sizeof(binds));
	}
	return result;
}

int
refresh(struct tine_server *server)
{
	if (server->reopen_module != NULL &&
	    server->reopen_module(server) == -1)
		return -1;
	if (server->settings.config != NULL && read_again(server) == -1)
		return -1;
	/* The users are read anew in any case. */
	return server->protocol->prepare == NULL ? 0
	    : server->protocol->prepare(server);
}
