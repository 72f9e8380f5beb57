/* SPDX-License-Identifier: ISC */
/*
 * See master.h.  One thread, one turn: reap, decide, sleep until the next
 * deadline that is known.
 */
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "../server/handover.h"
#include "master.h"
#include "supervise.h"

#define QUICK_GRACE	1000	/* ms that handlers have in a quick stop */
#define LATE		1000	/* ms: the master itself was held up */

static const int caught[] = {
	SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU,
	SIGCHLD, SIGWINCH
};

/* ----------------------------------------------------------------- signals */

static int
open_signals(struct master *master)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		(void)sigaddset(&mask, caught[i]);
	(void)sigprocmask(SIG_BLOCK, &mask, &master->mask_before);
	/* It may be inherited as ignored, and then nobody could be reaped. */
	(void)sigaction(SIGCHLD, &action, NULL);
	master->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (master->signals == -1)
		return failure("no signalfd: %s", strerror(errno));
	return 0;
}

static void
close_signals(struct master *master)
{
	descriptor_close(master->signals);
	(void)sigprocmask(SIG_SETMASK, &master->mask_before, NULL);
}

/* ------------------------------------------------------------------ titles */

void
master_title(const struct master *master)
{
	static const char *const notes[] = {
		[PHASE_STARTING] = " (starting)", [PHASE_SERVING] = "",
		[PHASE_STOPPING] = " (stopping)"
	};
	const char *address = tine_server_address(master->server, 0);
	const char *path = master->server->module;
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *module = slash != NULL ? slash + 1 : path;
	const char *note = notes[master->phase];

	if (master->phase == PHASE_SERVING && master->reload != RELOAD_NONE)
		note = " (reloading)";
	if (master->phase == PHASE_SERVING && master->upgrade != NULL)
		note = " (upgrading)";
	server_title(master->server, "master%s%s %s%s",
	    module != NULL ? " " : "", module != NULL ? module : "",
	    address != NULL ? address : "", note);
}

/* ---------------------------------------------------------------- stopping */

/*
 * The listeners of our own are shut as well as closed: a balancer would find
 * the port open as long as one copy is.
 */
static void
close_listeners(struct master *master)
{
	struct tine_server *server = master->server;

	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];

		/* Nobody new may come while the queue is emptied. */
		if (!listener->is_inherited && listener->source.fd != -1)
			(void)listen(listener->source.fd, 0);
		listener_close(listener, true);
	}
}

void
master_stop(struct master *master, bool quick)
{
	const unsigned grace = master->server->settings.graceful_timeout;
	const uint64_t now = clock_ms();

	if (master->phase != PHASE_STOPPING) {
		master->phase = PHASE_STOPPING;
		notify_send(&master->notify, "STOPPING=1\nSTATUS=stopping");
		upgrade_stop(master);
		close_listeners(master);
		master_title(master);
	}
	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_EMPTY || slot->was_killed)
			continue;
		slot->abort_at = 0;
		/* One that is not ready has nothing to finish. */
		if (slot->state == SLOT_STARTING)
			slot->kill_at = now;
		else if (quick)
			slot->kill_at = now + QUICK_GRACE;
		else if (grace != 0)
			slot->kill_at = now + grace;
		workers_tell(slot, quick ? COMMAND_QUIT : COMMAND_DRAIN);
		slot->state = SLOT_ENDING;
		slot->is_late = false;
	}
}

static void
kill_all(struct master *master)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].state != SLOT_EMPTY &&
		    !master->slots[i].was_killed)
			master->slots[i].kill_at = clock_ms();
	}
}

static void
interrupt(struct master *master)
{
	if (++master->interrupts == 1) {
		(void)printf("\nKeyboard interrupt received, exiting.\n");
		(void)fflush(stdout);
		master_stop(master, true);
	} else {
		kill_all(master);
	}
}

/* ----------------------------------------------------------- what it is told */

/* A terminal that has gone is no wish for a reload. */
static bool
has_hung_up(const struct master *master)
{
	return master->has_terminal && descriptor_has_hung_up(STDIN_FILENO);
}

static void
handle_signal(struct master *master, const struct signalfd_siginfo *info)
{
	const bool is_from_process = info->ssi_code == SI_USER ||
	    info->ssi_code == SI_QUEUE;

	switch ((int)info->ssi_signo) {
	case SIGTERM:
	case SIGQUIT:
		if (master->phase != PHASE_STOPPING)
			master_stop(master, false);
		break;
	case SIGINT:
		interrupt(master);
		break;
	case SIGHUP:
		if (has_hung_up(master)) {
			if (master->phase != PHASE_STOPPING)
				master_stop(master, false);
			break;
		}
		master->reload_wanted = true;
		master->fork_after = 0;
		break;
	case SIGUSR1:
		reload_logs(master);
		break;
	case SIGUSR2:
		upgrade_ask(master);
		master->fork_after = 0;
		break;
	case SIGTTIN:
	case SIGTTOU:
		/* The kernel sends the same on access to the terminal. */
		if (is_from_process && master->phase == PHASE_SERVING)
			sizing_ask(master, info->ssi_signo == SIGTTIN);
		break;
	default:
		break;
	}
}

static void
read_signals(struct master *master)
{
	struct signalfd_siginfo info;

	while (read(master->signals, &info, sizeof(info)) ==
	    (ssize_t)sizeof(info))
		handle_signal(master, &info);
}

/* --------------------------------------------------------------- the start */

/* A start that cannot succeed ends the master, with the workers' status. */
static void
judge_start(struct master *master)
{
	const unsigned limit = master->server->settings.start_timeout;
	const unsigned serving = workers_count(master, SLOT_SERVING,
	    SLOT_SERVING);
	const bool is_late = limit != 0 &&
	    clock_ms() - master->started >= limit;

	if (master->phase != PHASE_STARTING)
		return;
	if (serving > 0 && (is_late || serving >= master->wanted)) {
		master->phase = PHASE_SERVING;
		master->full_since = clock_ms();
		master_title(master);
		notify_send(&master->notify, "READY=1\nSTATUS=%u workers "
		    "serve\nMAINPID=%ld", serving, (long)getpid());
		if (master->ready != NULL)
			master->ready(master->server);
	} else if (is_late || (master->first_status != 0 && serving == 0 &&
	    workers_count(master, SLOT_STARTING, SLOT_STARTING) == 0)) {
		master->status = master->first_status != 0
		    ? master->first_status : EX_SOFTWARE;
		(void)failure("no worker became ready: %s",
		    *master->first_reason != '\0' ? master->first_reason
		    : "none was within --start-timeout");
		master_stop(master, true);
	}
}

/* ---------------------------------------------------------------- the turn */

/* Whether a service manager may have to be patient. */
static bool
is_waiting(const struct master *master)
{
	return master->phase != PHASE_SERVING ||
	    master->reload != RELOAD_NONE || master->upgrade != NULL;
}

/* A server that can answer nobody has no sign of life to give. */
static bool
is_well(const struct master *master)
{
	return master->phase != PHASE_SERVING ||
	    balance_is_slowed(master) ||
	    workers_count(master, SLOT_SERVING, SLOT_ENDING) > 0;
}

static void
notify_turn(struct master *master)
{
	const uint64_t now = clock_ms();

	notify_extend(&master->notify, now, is_waiting(master));
	if (is_well(master))
		notify_watchdog(&master->notify, now);
	else if (master->notify.interval != 0 && master->notify.next <= now)
		master->notify.next = now + master->notify.interval;
}

/* How long there is nothing to do, in ms; -1: until something happens. */
static int
idle_time(const struct master *master)
{
	const uint64_t now = clock_ms();
	const uint64_t said = notify_due(&master->notify, is_waiting(master));
	uint64_t due = watch_due(master);

	due = sooner(due, balance_due(master));
	due = sooner(due, sizing_due(master));
	due = sooner(due, balance_shut_due(master));
	due = sooner(due, said);
	if (master->phase == PHASE_STARTING &&
	    master->server->settings.start_timeout != 0)
		due = sooner(due, master->started +
		    master->server->settings.start_timeout);
	if (master->upgrade != NULL)
		due = sooner(due, now + 200);
	if (master->server->errors.lost > 0)
		due = sooner(due, now + LATE);
	if (due == 0)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

static void
wait_for_news(struct master *master)
{
	struct pollfd *fds = master->fds;
	nfds_t count = 1;

	fds[0] = (struct pollfd){ .fd = master->signals, .events = POLLIN };
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].control == -1)
			continue;
		fds[count] = (struct pollfd){
			.fd = master->slots[i].control, .events = POLLIN
		};
		master->who[count++] = &master->slots[i];
	}
	if (poll(fds, count, idle_time(master)) <= 0)
		return;
	for (nfds_t i = 1; i < count; i++) {
		if (fds[i].revents != 0)
			workers_hear(master, master->who[i]);
	}
	if (fds[0].revents != 0)
		read_signals(master);
}

static bool
is_over(const struct master *master)
{
	return master->phase == PHASE_STOPPING && master->upgrade == NULL &&
	    workers_count(master, SLOT_STARTING, SLOT_ENDING) == 0;
}

/*
 * A master that was stopped itself must judge nobody by the time that went
 * by: the workers have their say first.
 */
static bool
was_held_up(uint64_t slept_until)
{
	return slept_until != 0 && clock_ms() > slept_until + LATE;
}

static void
supervise(struct master *master)
{
	while (!is_over(master)) {
		const uint64_t now = clock_ms();
		int pause;
		bool late;

		balance_turn(master);
		pause = idle_time(master);
		wait_for_news(master);
		late = was_held_up(pause >= 0 ? now + (uint64_t)pause : 0);
		deaths_reap(master);
		if (late && poll(NULL, 0, LATE) == 0)
			continue;
		judge_start(master);
		watch_end_stuck(master);
		watch_end_late(master);
		sizing_turn(master);
		reload_turn(master);
		upgrade_turn(master);
		notify_turn(master);
		journal_tell_lost(&master->server->errors);
	}
}

/* Nobody who does not read the error log may hold the master up. */
static void
open_journal(struct master *master)
{
	/* No part of the stack, which each worker has a copy of. */
	static char log[8192];
	struct tine_server *server = master->server;

	journal_open(&server->errors, server->log_fds[1], log, sizeof(log),
	    &master->log_used);
}

/* What comes after is written by the server itself. */
static void
close_journal(struct master *master)
{
	journal_tell_lost(&master->server->errors);
	master->server->errors.data = NULL;
}

static int
open_master(struct master *master)
{
	struct tine_server *server = master->server;

	if (workers_open(master) == -1 || open_signals(master) == -1)
		return -1;
	return server->handover[0] != -1 ? 0
	    : handover_pair(server->handover);
}

int
master_run(struct tine_server *server, void (*ready)(struct tine_server *))
{
	const struct settings *settings = &server->settings;
	struct master master = {
		.server = server, .ready = ready,
		.wanted = settings->workers, .least = settings->workers,
		.most = settings->workers_most > settings->workers
		    ? settings->workers_most : settings->workers,
		.started = clock_ms(), .step = 1,
		.generation = 1, .last_generation = 1,
		.has_terminal = isatty(STDIN_FILENO) == 1
	};

	notify_open(&master.notify);
	server_clean_environment();
	open_journal(&master);
	if (open_master(&master) == 0) {
		master_title(&master);
		supervise(&master);
	} else {
		master.status = EX_OSERR;
		notify_export(&master.notify);	/* to who takes over again */
	}
	close_journal(&master);
	reload_close(&master);
	workers_close(&master);
	close_signals(&master);
	notify_close(&master.notify);
	return master.status;
}

TINE_PUBLIC int
tine_prefork(struct tine_server *server)
{
	if (server_read_users(server) == -1)
		return EX_CONFIG;
	return master_run(server, NULL);
}
