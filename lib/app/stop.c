/* SPDX-License-Identifier: ISC */
/*
 * See stop.h.
 */
#include <signal.h>
#include <stddef.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../prefork/upgrade.h"
#include "stop.h"

static const int stops[] = { SIGTERM, SIGQUIT, SIGINT };

#define STOPS	(sizeof(stops) / sizeof(stops[0]))

static bool is_taken;

static void
set_handler(void (*handler)(int))
{
	for (size_t i = 0; i < STOPS; i++)
		(void)signal(stops[i], handler);
}

static void
leave(int sig)
{
	(void)sig;
	_exit(EX_OK);
}

void
stop_at_once(void)
{
	set_handler(leave);
}

void
stop_by_default(void)
{
	set_handler(SIG_DFL);
}

static void
fill(sigset_t *set)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < STOPS; i++)
		(void)sigaddset(set, stops[i]);
}

void
stop_hold(void)
{
	static const int more[] = { SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t mask;

	fill(&mask);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		(void)sigaddset(&mask, more[i]);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
}

bool
stop_comes_within(unsigned ms)
{
	const struct timespec wait = {
		(time_t)(ms / 1000), (long)(ms % 1000) * 1000000
	};
	sigset_t set;

	/* After an upgrade it is the master's to take. */
	if (upgrade_is_there()) {
		clock_pause(ms);
		return is_taken;
	}
	fill(&set);
	is_taken = sigtimedwait(&set, NULL, &wait) > 0;
	return is_taken;
}

bool
stop_is_taken(void)
{
	return is_taken;
}

/* An upgrade takes its signals with it: they are obeyed by its master. */
bool
stop_is_wanted(void)
{
	sigset_t pending;

	if (is_taken)
		return true;
	if (upgrade_is_there() || sigpending(&pending) == -1)
		return false;
	for (size_t i = 0; i < STOPS; i++) {
		if (sigismember(&pending, stops[i]) == 1)
			return true;
	}
	return false;
}
