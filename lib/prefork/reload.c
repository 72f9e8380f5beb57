/* SPDX-License-Identifier: ISC */
/*
 * A reload: what can be read anew is read, one new worker is tried, and when
 * it is ready the others follow in small groups, each new one ready before an
 * old one leaves.  If anything fails, the generation before stays.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "privileges.h"
#include "supervise.h"

/* What a reload may change, as it was. */
struct generation {
	struct settings	 settings;
	int		 module_fd, config_fd;
	int		 log_fds[2];
	bool		 use_syslog;
	void		*users;
	int		 users_fd;
	const char	*binds[16];
	size_t		 bind_count;
	struct listener	*listeners;
	size_t		 listener_count;
	unsigned	 wanted, least, most;
	unsigned	 number;
};

/* --------------------------------------------------------------- generations */

static struct generation *
remember(const struct master *master)
{
	const struct tine_server *server = master->server;
	struct generation *before = malloc(sizeof(*before));

	if (before == NULL)
		return NULL;
	*before = (struct generation){
		.settings = server->settings,
		.module_fd = server->module_fd,
		.config_fd = server->config_fd,
		.log_fds = { server->log_fds[0], server->log_fds[1] },
		.use_syslog = server->use_syslog,
		.users = server->users, .users_fd = server->users_fd,
		.bind_count = server->bind_count,
		.listeners = server->listeners,
		.listener_count = server->listener_count,
		.wanted = master->wanted, .least = master->least,
		.most = master->most, .number = master->generation
	};
	static_assert(sizeof(before->binds) == sizeof(server->binds),
	    "as many addresses");
	memcpy(before->binds, server->binds, sizeof(before->binds));
	return before;
}

static bool
has_listener(const struct listener *listeners, size_t count, int fd)
{
	for (size_t i = 0; i < count; i++) {
		if (listeners[i].source.fd == fd)
			return true;
	}
	return false;
}

/* Closes those of one set that are not in another, and removes their files. */
static void
close_other_listeners(struct listener *listeners, size_t count,
    const struct listener *kept, size_t kept_count, bool remove)
{
	if (listeners == kept)
		return;
	for (size_t i = 0; i < count; i++) {
		if (!has_listener(kept, kept_count, listeners[i].source.fd))
			listener_close(&listeners[i], remove);
	}
	free(listeners);
}

/* Standard error is not ours to close. */
static void
close_other_logs(const int fds[2], const int kept[2])
{
	for (unsigned i = 0; i < 2; i++) {
		if (fds[i] != kept[i] && fds[i] > STDERR_FILENO)
			descriptor_close(fds[i]);
	}
}

static void
free_other_users(const struct tine_server *server, void *users,
    const void *kept)
{
	if (users != NULL && users != kept)
		server->free_users(users);
}

/* Closes what only the generation before had. */
static void
close_before(const struct master *master, bool remove)
{
	const struct generation *before = master->before;
	const struct tine_server *server = master->server;

	if (before->module_fd != server->module_fd)
		descriptor_close(before->module_fd);
	if (before->config_fd != server->config_fd)
		descriptor_close(before->config_fd);
	close_other_logs(before->log_fds, server->log_fds);
	if (before->users_fd != server->users_fd)
		descriptor_close(before->users_fd);
	free_other_users(server, before->users, server->users);
	close_other_listeners(before->listeners, before->listener_count,
	    server->listeners, server->listener_count, remove);
}

void
reload_close(struct master *master)
{
	if (master->before == NULL)
		return;
	close_before(master, true);
	free(master->before);
	master->before = NULL;
}

void
reload_enter_worker(const struct master *master)
{
	takeover_enter_worker();
	if (master->before != NULL)
		close_before(master, false);
}

/* An upgrade with no way back: the workers there are must do. */
static void
stay(struct master *master)
{
	for (unsigned i = 0; i < master->slot_count; i++)
		master->slots[i].generation = master->generation;
	takeover_done();
}

static void
go_back(struct master *master)
{
	struct generation *before = master->before;
	struct tine_server *server = master->server;

	if (before == NULL) {
		stay(master);
		return;
	}
	master->before = NULL;
	if (before->module_fd != server->module_fd)
		descriptor_close(server->module_fd);
	if (before->config_fd != server->config_fd)
		descriptor_close(server->config_fd);
	close_other_logs(server->log_fds, before->log_fds);
	if (before->users_fd != server->users_fd)
		descriptor_close(server->users_fd);
	free_other_users(server, server->users, before->users);
	server->users = before->users;
	server->users_fd = before->users_fd;
	close_other_listeners(server->listeners, server->listener_count,
	    before->listeners, before->listener_count, true);
	server->settings = before->settings;
	server->module_fd = before->module_fd;
	server->config_fd = before->config_fd;
	memcpy(server->log_fds, before->log_fds, sizeof(server->log_fds));
	journal_move(&server->errors, server->log_fds[1]);
	server->use_syslog = before->use_syslog;
	memcpy(server->binds, before->binds, sizeof(server->binds));
	server->bind_count = before->bind_count;
	server->listeners = before->listeners;
	server->listener_count = before->listener_count;
	master->wanted = before->wanted;
	master->least = before->least;
	master->most = before->most;
	master->generation = before->number;
	free(before);
	(void)privileges_find(server);
}

/* -------------------------------------------------------------------- logs */

/* The same file, of a new name perhaps: the workers' descriptors change. */
static void
reopen(struct master *master, unsigned which, const char *path,
    enum command what)
{
	struct tine_server *server = master->server;
	const char byte = (char)what;
	int fd;

	if (server->open_log == NULL || path == NULL ||
	    server->log_fds[which] <= STDERR_FILENO)
		return;
	fd = server->open_log(path);
	if (fd <= STDERR_FILENO) {
		server_log(server, TINE_LOG_ERROR, "%s; the old file is kept",
		    tine_error());
		return;
	}
	(void)dup3(fd, server->log_fds[which], O_CLOEXEC);
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].control != -1)
			(void)descriptor_pass(master->slots[i].control, &byte,
			    1, &fd, 1);
	}
	descriptor_close(fd);
}

void
reload_logs(struct master *master)
{
	const struct settings *settings = &master->server->settings;

	reopen(master, 0, settings->log, COMMAND_LOG);
	reopen(master, 1, settings->error_log, COMMAND_ERROR_LOG);
}

/* Logs of another name are for new workers; old ones keep theirs. */
static int
open_logs(const struct master *master)
{
	const struct settings *before = &master->before->settings;
	struct tine_server *server = master->server;
	const struct settings *now = &server->settings;
	const char *const old_paths[] = { before->log, before->error_log };
	const char *const paths[] = { now->log, now->error_log };

	for (unsigned i = 0; i < 2 && server->open_log != NULL; i++) {
		int fd;

		if (strcmp(old_paths[i], paths[i]) == 0)
			continue;
		fd = server->open_log(paths[i]);
		if (fd == -2)
			return -1;
		server->log_fds[i] = fd;
	}
	journal_move(&server->errors, server->log_fds[1]);
	server->use_syslog = strcmp(now->error_log, "syslog") == 0;
	return 0;
}

/* Those that kept their name are opened anew as by SIGUSR1. */
static void
change_logs(struct master *master)
{
	const struct generation *before = master->before;
	const struct tine_server *server = master->server;

	if (server->log_fds[0] == before->log_fds[0])
		reopen(master, 0, server->settings.log, COMMAND_LOG);
	if (server->log_fds[1] == before->log_fds[1])
		reopen(master, 1, server->settings.error_log,
		    COMMAND_ERROR_LOG);
}

/* ---------------------------------------------------------------- the reload */

static void
refuse(struct master *master, const char *why)
{
	server_log(master->server, TINE_LOG_ERROR,
	    "reload failed: %s; the workers there are go on", why);
	notify_send(&master->notify, "READY=1\nSTATUS=reload failed: %s", why);
	master->reload = RELOAD_NONE;
	master_title(master);
}

/* The configured number, whatever TTIN and TTOU made of it. */
static int
set_size(struct master *master)
{
	const struct settings *settings = &master->server->settings;

	master->least = settings->workers;
	master->most = settings->workers_most > settings->workers
	    ? settings->workers_most : settings->workers;
	if (master->wanted < master->least || master->most == master->least)
		master->wanted = master->least;
	if (master->wanted > master->most)
		master->wanted = master->most;
	return workers_make_room(master);
}

/* A program without tine_main() has only what its protocol reads. */
static int
refresh(struct tine_server *server)
{
	if (server->refresh != NULL)
		return server->refresh(server);
	return server->protocol->prepare == NULL ? 0
	    : server->protocol->prepare(server);
}

static void
begin(struct master *master)
{
	struct tine_server *server = master->server;

	master->reload_wanted = false;
	master->reload_since = clock_ms();
	notify_send(&master->notify, "RELOADING=1\nMONOTONIC_USEC=%llu\n"
	    "STATUS=reloading", (unsigned long long)clock_ns() / 1000);
	server_log(server, TINE_LOG_INFO, "reloading");
	if (server->hooks.reload != NULL && server->hooks.reload(server) ==
	    -1) {
		refuse(master, "the hook reload refused it");
		return;
	}
	master->before = remember(master);
	if (master->before == NULL || refresh(server) == -1 ||
	    open_logs(master) == -1 || set_size(master) == -1) {
		const char *why = master->before == NULL ? "no memory"
		    : tine_error();

		go_back(master);
		refuse(master, why);
		return;
	}
	change_logs(master);
	master->generation = ++master->last_generation;
	master->reload = RELOAD_TRIAL;
	master->fork_after = 0;
	master->useless = 0;
	master_title(master);
}

/*
 * One that leaves accepts until it has heard of it.  That is waited for, so
 * that whoever sees the end of a reload is answered by what is new.
 */
static bool
is_rolled(const struct master *master)
{
	const uint64_t now = clock_ms();

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_SERVING &&
		    slot->generation != master->generation)
			return false;
		if (balance_shut_at(slot, now) != 0)
			return false;
	}
	return true;
}

static bool
old_ones_leave(const struct master *master)
{
	return workers_count(master, SLOT_LEAVING, SLOT_ENDING) > 0;
}

void
reload_turn(struct master *master)
{
	if (master->phase != PHASE_SERVING)
		return;
	if (master->reload == RELOAD_ROLLS && is_rolled(master)) {
		const unsigned count = workers_count(master, SLOT_SERVING,
		    SLOT_SERVING);
		const uint64_t ms = clock_ms() - master->reload_since;

		master->reload = RELOAD_NONE;
		reload_close(master);
		server_log(master->server, TINE_LOG_INFO, "reloaded: %u "
		    "workers in %llu.%03llu s", count,
		    (unsigned long long)ms / 1000,
		    (unsigned long long)ms % 1000);
		notify_send(&master->notify, "READY=1\nSTATUS=%u workers "
		    "serve", count);
		master_title(master);
		master->is_upgraded = false;
		takeover_done();
	}
	/* One generation leaves at a time. */
	if (master->reload_wanted && master->reload == RELOAD_NONE &&
	    master->upgrade == NULL && !old_ones_leave(master))
		begin(master);
}

void
reload_ready(struct master *master, const struct slot *slot)
{
	if (master->reload == RELOAD_TRIAL &&
	    slot->generation == master->generation)
		master->reload = RELOAD_ROLLS;
}

void
reload_failed(struct master *master, const char *why)
{
	if (master->reload != RELOAD_TRIAL)
		return;
	if (master->is_upgraded)
		upgrade_back(master, why);	/* returns if it cannot */
	go_back(master);
	refuse(master, why);
}
