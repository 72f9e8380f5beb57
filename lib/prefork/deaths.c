/* SPDX-License-Identifier: ISC */
/*
 * Workers that died: what of, what of their work is to be told, and when
 * deaths are a loop that has to be slowed.
 */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/date.h"
#include "../base/descriptor.h"
#include "../base/text.h"
#include "supervise.h"

#define CRASHES_FREE	4	/* useless deaths in a row without a pause */
#define PAUSE_FIRST	250	/* ms, doubled with each further one */
#define PAUSE_LONGEST	30000
#define USELESS_AGE	60000	/* ms: a worker that lived longer was of use */

static void
describe_death(char *out, size_t size, int status, const struct slot *slot)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, size, "signal %d (%s%s)%s",
		    WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WCOREDUMP(status) ? ", core dumped" : "",
		    WTERMSIG(status) == SIGKILL && !slot->is_late
		    ? ", not sent by tine: out of memory?" : "");
	else
		(void)snprintf(out, size, "exit status %d",
		    WEXITSTATUS(status));
}

/*
 * A worker that died told its last client so, but could not write the line
 * of the request log.
 */
static void
log_last_reply(struct master *master, unsigned index)
{
	const struct scoreboard *board = workers_board(master,
	    &master->slots[index]);
	const struct worker_line *line = &board->lines[index];
	const unsigned slot = (unsigned)atomic_load(&line->crash_slot);
	const int status = atomic_load(&line->crash_status);
	char client[64], request[256], text[1280], date[21];
	size_t n;

	if (status == 0 || slot >= board->handlers ||
	    master->server->log_fds[0] == -1 || handler_line_read(
	    scoreboard_handler(board, index, slot), client, request) == 0)
		return;
	date_log(date, time(NULL));
	n = (size_t)snprintf(text, sizeof(text), "%.60s - - [%s] \"", client,
	    date);
	n += text_escape_log(text + n, sizeof(text) - n - 16, request,
	    strlen(request));
	if (n > sizeof(text) - 16)
		n = sizeof(text) - 16;
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\" %d -\n",
	    status);
	journal_salvage(master->server->log_fds[0], text, n, (uint32_t)n);
}

static void
log_death(struct master *master, unsigned index, int status)
{
	const struct slot *slot = &master->slots[index];
	const struct worker_line *line = workers_line(master, slot);
	const int cut = atomic_load(&line->crash_cut);
	char how[128];

	describe_death(how, sizeof(how), status, slot);
	server_log(master->server, TINE_LOG_ERROR, "worker %u (pid %ld) "
	    "died: %s; it lived %llu ms and served %llu requests", index + 1,
	    (long)slot->pid, how,
	    (unsigned long long)(clock_ms() - slot->forked),
	    (unsigned long long)atomic_load(&line->requests));
	if (cut > 0)
		server_log(master->server, TINE_LOG_ERROR, "worker %u could "
		    "not hand %d connections over", index + 1, cut);
	workers_log_hand(master, index, TINE_LOG_ERROR,
	    "worker %u was serving %s");
}

/*
 * One that was told to end, and did it with requests in hand: their time was
 * over by its own clock before it was by ours, or the stop is a quick one.
 */
static void
log_cut(struct master *master, unsigned index)
{
	workers_log_hand(master, index, TINE_LOG_WARNING,
	    "worker %u was cut off with %s");
}

/* What the worker had not written of its logs yet. */
static void
salvage(struct master *master, unsigned index)
{
	struct scoreboard *board = workers_board(master, &master->slots[index]);
	struct worker_line *line = &board->lines[index];

	for (unsigned which = 0; which < 2; which++) {
		journal_salvage(master->server->log_fds[which],
		    scoreboard_journal(board, index, which),
		    board->journal_size, atomic_load(&line->log_used[which]));
		atomic_store(&line->log_used[which], 0);
	}
	for (unsigned i = 0; i < board->handlers; i++)
		handler_line_end(scoreboard_handler(board, index, i));
}

/* -------------------------------------------------------------- crash loops */

/* The requests that all workers have completed. */
static uint64_t
served(const struct master *master)
{
	uint64_t sum = master->served;

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state != SLOT_EMPTY)
			sum += atomic_load(
			    &workers_line(master, slot)->requests);
	}
	return sum;
}

/*
 * Whether this death continues a row of useless ones.  That others serve is
 * no excuse for one that never became ready: each try of it would fail.
 */
static bool
is_in_row(struct master *master, bool was_starting)
{
	const uint64_t before = master->served_before;

	master->served_before = served(master);
	if (master->useless == 0 || balance_trial(master) == TRIAL_PROVEN)
		return false;
	return was_starting || master->served_before == before;
}

/*
 * A death is useless if the worker completed no request and was young.  The
 * first few in a row cost nothing; then the next fork waits longer and
 * longer, but is never given up.
 */
static void
note_useless(struct master *master, const struct slot *slot,
    bool was_starting, int status)
{
	unsigned pause = PAUSE_FIRST;
	char how[128];

	if (atomic_load(&workers_line(master, slot)->requests) > 0 ||
	    clock_ms() - slot->forked >= USELESS_AGE) {
		master->useless = 0;
		return;
	}
	if (!is_in_row(master, was_starting)) {
		master->useless = 0;
		master->useless_since = clock_ms();
	}
	if (++master->useless <= CRASHES_FREE)
		return;
	for (unsigned i = CRASHES_FREE + 1; i < master->useless &&
	    pause < PAUSE_LONGEST; i++)
		pause *= 2;
	if (pause > PAUSE_LONGEST)
		pause = PAUSE_LONGEST;
	master->fork_after = clock_ms() + pause;
	describe_death(how, sizeof(how), status, slot);
	server_log(master->server, TINE_LOG_WARNING, "%u workers in a row "
	    "died without having served a request, the last by %s; the next "
	    "is started in %u.%02u s", master->useless, how, pause / 1000,
	    pause % 1000 / 10);
}

bool
deaths_are_looping(const struct master *master)
{
	return master->useless > CRASHES_FREE;
}

/* ------------------------------------------------------------------ reaping */

/* The last of an old generation takes its board along. */
static void
drop_board(const struct master *master, struct slot *slot)
{
	struct scoreboard *board = slot->board;

	slot->board = NULL;
	if (board == NULL || board == master->server->board)
		return;
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].board == board)
			return;
	}
	scoreboard_free(board);
}

/*
 * Why it never became ready: in its own words, if it had any, which may lie
 * in its socket still.
 */
static void
find_why(struct master *master, struct slot *slot, int status)
{
	char how[128];

	if (*slot->why == '\0' && slot->control != -1)
		workers_hear(master, slot);
	if (*slot->why != '\0')
		return;
	describe_death(how, sizeof(how), status, slot);
	(void)snprintf(slot->why, sizeof(slot->why), "worker %u ended "
	    "before it was ready: %s", (unsigned)(slot - master->slots) + 1,
	    how);
}

static void
note_first(struct master *master, const struct slot *slot, int status)
{
	static const int known[] = { EX_NOINPUT, EX_OSERR, EX_NOPERM,
	    EX_CONFIG };

	master->first_status = EX_SOFTWARE;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (WIFEXITED(status) && WEXITSTATUS(status) == known[i])
			master->first_status = known[i];
	}
	(void)snprintf(master->first_reason, sizeof(master->first_reason),
	    "%s", slot->why);
}

static void
buried(struct master *master, unsigned index, int status)
{
	struct slot *slot = &master->slots[index];
	struct worker_line *line = workers_line(master, slot);
	const bool was_starting = slot->state == SLOT_STARTING;
	const bool was_told = slot->state >= SLOT_LEAVING && !slot->is_stuck;
	const bool is_trial = was_starting &&
	    master->reload == RELOAD_TRIAL &&
	    slot->generation == master->generation;
	char why[300];

	if (!was_told || (WIFSIGNALED(status) && !slot->is_late))
		log_death(master, index, status);
	else if (!slot->is_late)
		log_cut(master, index);
	log_last_reply(master, index);
	salvage(master, index);
	if (master->server->hooks.worker_died != NULL)
		master->server->hooks.worker_died(master->server, slot->pid,
		    status);
	if (was_starting)
		find_why(master, slot, status);
	if (was_starting && master->phase == PHASE_STARTING)
		note_first(master, slot, status);
	(void)snprintf(why, sizeof(why), "the first new worker: %s",
	    slot->why);
	if (!was_told && !is_trial)
		note_useless(master, slot, was_starting, status);
	master->served += atomic_load(&line->requests);
	descriptor_close(slot->control);
	worker_line_state(line, WORKER_EMPTY, clock_ms());
	atomic_store(&line->connections, 0);
	drop_board(master, slot);
	*slot = (struct slot){ .control = -1 };
	if (is_trial)
		reload_failed(master, why);
}

static struct slot *
slot_of(struct master *master, pid_t pid)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].pid == pid &&
		    master->slots[i].state != SLOT_EMPTY)
			return &master->slots[i];
	}
	return NULL;
}

/* A hook may have reaped behind our back: the control socket has told. */
static void
find_stolen(struct master *master)
{
	siginfo_t info;

	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		/* Only a look: one that has just died is not to be reaped here. */
		if (slot->state == SLOT_EMPTY || slot->control != -1 ||
		    waitid(P_PID, (id_t)slot->pid, &info,
		    WEXITED | WNOHANG | WNOWAIT) != -1 || errno != ECHILD)
			continue;
		server_log(master->server, TINE_LOG_WARNING, "worker %u (pid "
		    "%ld) was reaped by someone else; its status is unknown",
		    i + 1, (long)slot->pid);
		slot->state = SLOT_LEAVING;
		buried(master, i, 0);
	}
}

/*
 * Only here are children reaped, and a pid is forgotten in the same step: one
 * that was not reaped cannot belong to another process.
 */
void
deaths_reap(struct master *master)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		const struct slot *slot = slot_of(master, pid);

		if (slot != NULL)
			buried(master, (unsigned)(slot - master->slots),
			    status);
		else
			(void)upgrade_reaped(master, pid, status);
	}
	find_stolen(master);
}
