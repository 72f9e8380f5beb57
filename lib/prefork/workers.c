/* SPDX-License-Identifier: ISC */
/*
 * The master's table of workers: who is forked, who leaves, who died and
 * what of.
 */
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/date.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/text.h"
#include "sandbox.h"
#include "supervise.h"

#define LEAVE_SLACK	250	/* ms more than a leaving worker has itself */
#define STUCK_GRACE	1000	/* ms from SIGABRT to SIGKILL */
#define CORE_GRACE	10000	/* ms when it is in its crash path */
#define STRAY		5000	/* ms after SIGKILL: it cannot be killed */
#define DEAF_GRACE	3000	/* ms after the end of its control socket */
#define SILENCE		1000	/* ms that a loop may be late beside --timeout */
#define CRASHES_FREE	4	/* useless deaths in a row without a pause */
#define PAUSE_FIRST	250	/* ms, doubled with each further one */
#define PAUSE_LONGEST	30000
#define USELESS_AGE	60000	/* ms: a worker that lived longer was of use */
#define PROVEN_AGE	5000	/* ms: it lives, so all may be tried again */
#define PROVEN_LOOK	200	/* ms between two looks at it */
#define FORK_PAUSE	100	/* ms after a fork that failed; doubled */
#define FORK_LONGEST	5000
#define FORKS_A_SECOND	100
#define SIZE_LOOK	1000	/* ms between two looks at the load */
#define SPARE_STAYS	10000	/* ms that too many may be idle */
#define QUIET		60000	/* ms without a full worker: down to N */
#define STEP_MOST	32

/* A generation that is leaving may have a board of its own. */
static struct scoreboard *
board_of(const struct master *master, const struct slot *slot)
{
	return slot->board != NULL ? slot->board : master->server->board;
}

static struct worker_line *
line_of(const struct master *master, const struct slot *slot)
{
	return &board_of(master, slot)->lines[slot - master->slots];
}

unsigned
workers_count(const struct master *master, enum slot_state from,
    enum slot_state to)
{
	unsigned count = 0;

	for (unsigned i = 0; i < master->slot_count; i++)
		count += master->slots[i].state >= from &&
		    master->slots[i].state <= to;
	return count;
}

/* Whether it is to be replaced: it is old, or asked for it. */
static bool
is_retiring(const struct master *master, const struct slot *slot)
{
	return slot->generation != master->generation || slot->wants_leave;
}

void
workers_tell(const struct slot *slot, enum command what)
{
	const char byte = (char)what;

	if (slot->control != -1)
		(void)send(slot->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Others take its connections. */
static void
leave(struct master *master, struct slot *slot)
{
	const unsigned grace = master->server->settings.graceful_timeout;

	workers_tell(slot, COMMAND_LEAVE);
	slot->state = SLOT_LEAVING;
	/* It cuts off what is in hand itself, if it can. */
	if (grace != 0)
		slot->abort_at = clock_ms() + grace + LEAVE_SLACK;
}

/* -------------------------------------------------------------- what it says */

static void
note_ready(struct master *master, struct slot *slot)
{
	if (slot->state != SLOT_STARTING)
		return;
	slot->state = SLOT_SERVING;
	slot->kill_at = 0;
	reload_ready(master, slot);
}

/* The reason follows its byte in the same message. */
static void
note_why(struct slot *slot)
{
	const ssize_t n = recv(slot->control, slot->why,
	    sizeof(slot->why) - 1, MSG_DONTWAIT);

	slot->why[n > 0 ? n : 0] = '\0';
}

void
workers_hear(struct master *master, struct slot *slot)
{
	char byte;
	const ssize_t n = recv(slot->control, &byte, 1, MSG_DONTWAIT);

	if (n == 1 && byte == COMMAND_READY) {
		note_ready(master, slot);
	} else if (n == 1 && byte == COMMAND_RECYCLE) {
		slot->wants_leave = true;
	} else if (n == 1 && byte == COMMAND_FAILED) {
		note_why(slot);
	} else if (n == 0 || (n == -1 && errno != EAGAIN &&
	    errno != EINTR)) {
		/* It is dying, and if not it cannot be told anything. */
		descriptor_close(slot->control);
		slot->control = -1;
		slot->is_deaf = true;
		if (slot->kill_at == 0)
			slot->kill_at = clock_ms() + DEAF_GRACE;
	}
}

/* ----------------------------------------------------------------- forking */

static noreturn void
become_worker(struct master *master, unsigned index, int control)
{
	/* A sibling's control socket held open would hide our death from it. */
	for (unsigned i = 0; i < master->slot_count; i++)
		descriptor_close(master->slots[i].control);
	descriptor_close(master->signals);
	notify_close(&master->notify);
	descriptor_close(master->server->pidfile_fd);
	descriptor_close(master->server->board_fd);
	descriptor_close(master->server->config_fd);
	reload_enter_worker(master);
	worker_main(master->server, index, control);
}

static void
fork_failed(struct master *master)
{
	const uint64_t now = clock_ms();
	const int error = errno;
	char why[128];

	if (master->phase == PHASE_STARTING) {
		(void)snprintf(master->first_reason,
		    sizeof(master->first_reason), "cannot fork a worker: %s "
		    "(see ulimit -u)", strerror(error));
		master->first_status = EX_OSERR;
	}
	if (!master->is_fork_failing)
		server_log(master->server, TINE_LOG_ERROR,
		    "cannot fork a worker: %s; trying again",
		    strerror(error));
	master->is_fork_failing = true;
	master->fork_pause = master->fork_pause == 0 ? FORK_PAUSE
	    : master->fork_pause * 2;
	if (master->fork_pause > FORK_LONGEST)
		master->fork_pause = FORK_LONGEST;
	master->fork_after = now + master->fork_pause;
	if (master->reload == RELOAD_TRIAL) {
		(void)snprintf(why, sizeof(why), "cannot fork a worker: %s",
		    strerror(error));
		reload_failed(master, why);
	}
}

static void
fork_worked(struct master *master)
{
	if (master->is_fork_failing)
		server_log(master->server, TINE_LOG_INFO,
		    "workers can be forked again");
	master->is_fork_failing = false;
	master->fork_pause = 0;
}

/* False when a pause is due: a server must not fork without end. */
static bool
may_fork(struct master *master)
{
	const uint64_t now = clock_ms();

	if (now - master->fork_second >= 1000) {
		master->fork_second = now;
		master->forks = 0;
	}
	if (++master->forks <= FORKS_A_SECOND)
		return true;
	master->fork_after = master->fork_second + 1000;
	return false;
}

static bool
fork_worker(struct master *master, unsigned index)
{
	struct slot *slot = &master->slots[index];
	struct worker_line *line = line_of(master, slot);
	int pair[2];
	pid_t pid;

	if (!may_fork(master))
		return false;
	sandbox_tell(master->server);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		fork_failed(master);
		return false;
	}
	memset(line, 0, sizeof(*line));
	worker_line_state(line, WORKER_STARTING, clock_ms());
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		descriptor_close(pair[0]);
		become_worker(master, index, pair[1]);
	}
	descriptor_close(pair[1]);
	if (pid == -1) {
		descriptor_close(pair[0]);
		worker_line_state(line, WORKER_EMPTY, clock_ms());
		fork_failed(master);
		return false;
	}
	fork_worked(master);
	*slot = (struct slot){
		.state = SLOT_STARTING, .pid = pid, .control = pair[0],
		.generation = master->generation, .forked = clock_ms(),
		.board = master->server->board
	};
	if (master->server->settings.start_timeout != 0)
		slot->kill_at = slot->forked +
		    master->server->settings.start_timeout;
	return true;
}

/* ----------------------------------------------------------------- balance */

/* How many there are, by what is to become of them. */
struct census {
	unsigned	starting, fresh, retiring;
};

static struct census
take_census(const struct master *master)
{
	struct census census = { 0, 0, 0 };

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_STARTING)
			census.starting++;
		else if (slot->state == SLOT_SERVING &&
		    is_retiring(master, slot))
			census.retiring++;
		else if (slot->state == SLOT_SERVING)
			census.fresh++;
	}
	return census;
}

/*
 * What has become of the workers that were tried since deaths were useless:
 * one has shown that it works, or has still to do so.
 */
enum trial { TRIAL_NONE, TRIAL_RUNS, TRIAL_PROVEN };

static enum trial
look_at_trials(const struct master *master)
{
	enum trial trial = TRIAL_NONE;

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_STARTING)
			trial = TRIAL_RUNS;
		if (slot->state != SLOT_SERVING ||
		    slot->forked < master->useless_since)
			continue;
		if (atomic_load(&line_of(master, slot)->requests) > 0 ||
		    clock_ms() - slot->forked >= PROVEN_AGE)
			return TRIAL_PROVEN;
		trial = TRIAL_RUNS;
	}
	return trial;
}

/*
 * How many to fork now.  While some are replaced, the new ones come in small
 * groups, each ready before as many old ones leave; in a crash loop, and in a
 * reload's trial, one is tried before the others.
 */
static unsigned
missing(struct master *master, const struct census *census)
{
	const unsigned there = census->starting + census->fresh;
	const unsigned alive = there + census->retiring;
	const unsigned group = master->wanted < 8 ? 1 : master->wanted / 4;
	unsigned need = there < master->wanted ? master->wanted - there : 0;

	if (alive < master->wanted)
		return need < master->wanted - alive ? need
		    : master->wanted - alive;
	if (census->retiring > 0 && need > 0) {
		const unsigned most = master->reload == RELOAD_TRIAL ? 1
		    : group;

		if (census->starting >= most)
			return 0;
		if (need > most - census->starting)
			need = most - census->starting;
	}
	return need;
}

static void
replenish(struct master *master)
{
	const struct census census = take_census(master);
	unsigned need = missing(master, &census);

	if (need == 0 || clock_ms() < master->fork_after)
		return;
	/* A server that never worked ends, once the others have tried. */
	if (master->phase == PHASE_STARTING && master->first_status != 0 &&
	    census.fresh == 0)
		return;
	if (master->useless > CRASHES_FREE) {
		const enum trial trial = look_at_trials(master);

		if (trial == TRIAL_RUNS)
			return;
		if (trial == TRIAL_PROVEN)
			master->useless = 0;
		else
			need = 1;
	}
	for (unsigned i = 0; i < master->slot_count && need > 0; i++) {
		if (master->slots[i].state != SLOT_EMPTY)
			continue;
		if (!fork_worker(master, i))
			return;
		need--;
	}
}

static bool
is_young(const struct slot *slot)
{
	return clock_ms() - slot->forked < SPARE_STAYS;
}

/* Whether a is rather let go than b, which comes before it in the table. */
static bool
is_more_dispensable(const struct master *master, const struct slot *a,
    const struct slot *b)
{
	if (is_young(a) != is_young(b))
		return is_young(b);
	return atomic_load(&line_of(master, a)->connections) <=
	    atomic_load(&line_of(master, b)->connections);
}

/* The one to let go: one that retires, else the one with the fewest clients. */
static struct slot *
dispensable(struct master *master)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		if (slot->state != SLOT_SERVING)
			continue;
		if (is_retiring(master, slot))
			return slot;
		if (best == NULL || is_more_dispensable(master, slot, best))
			best = slot;
	}
	return best;
}

static void
release(struct master *master)
{
	const struct census census = take_census(master);
	unsigned serving = census.fresh + census.retiring;

	/* Before the trial is over nobody leaves. */
	if (master->reload == RELOAD_TRIAL)
		return;
	while (serving > master->wanted) {
		struct slot *slot = dispensable(master);

		if (slot == NULL)
			return;
		leave(master, slot);
		serving--;
	}
}

void
workers_balance(struct master *master)
{
	if (master->phase == PHASE_STOPPING)
		return;
	replenish(master);
	release(master);
}

/* ----------------------------------------------------------------- elastic */

struct load {
	unsigned	idle, full;
};

/* How many handlers a worker may run at once. */
static int
room_of(const struct settings *settings)
{
	switch (settings->mode) {
	case MODE_THREAD:
		return (int)settings->max_threads;
	case MODE_FORK:
		return (int)settings->max_children;
	case MODE_SINGLE:
		break;
	}
	return 1;
}

static struct load
take_load(const struct master *master)
{
	const int room = room_of(&master->server->settings);
	struct load load = { 0, 0 };

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];
		const struct worker_line *line = line_of(master, slot);

		if (slot->state == SLOT_STARTING)
			load.idle++;	/* it soon will be */
		if (slot->state != SLOT_SERVING)
			continue;
		load.idle += atomic_load(&line->busy) <= 0;
		load.full += atomic_load(&line->busy) >= room ||
		    atomic_load(&line->pending) > 0;
	}
	return load;
}

static void
grow(struct master *master)
{
	if (master->wanted == master->most) {
		if (!master->is_most_logged)
			server_log(master->server, TINE_LOG_WARNING, "all %u "
			    "workers are busy, and there may be no more "
			    "(raise --workers=%u-%u)", master->most,
			    master->least, master->most);
		master->is_most_logged = true;
		return;
	}
	master->wanted += master->step;
	if (master->wanted > master->most)
		master->wanted = master->most;
	if (master->step < STEP_MOST)
		master->step *= 2;
}

/* Whether there is one that has been there long enough to be let go. */
static bool
has_old(const struct master *master)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].state == SLOT_SERVING &&
		    !is_young(&master->slots[i]))
			return true;
	}
	return false;
}

static void
shrink(struct master *master, const struct load *load, uint64_t now)
{
	const bool is_quiet = now - master->full_since >= QUIET;

	if (load->idle <= master->server->settings.spare_most && !is_quiet) {
		master->spare_since = 0;
		return;
	}
	if (master->spare_since == 0)
		master->spare_since = now;
	if ((!is_quiet && now - master->spare_since < SPARE_STAYS) ||
	    master->wanted <= master->least || !has_old(master))
		return;
	master->wanted--;
	master->is_most_logged = false;
}

void
workers_resize(struct master *master)
{
	const struct settings *settings = &master->server->settings;
	const uint64_t now = clock_ms();
	unsigned least = settings->spare_least;
	struct load load;

	if (master->least == master->most || master->phase != PHASE_SERVING ||
	    now - master->sized < SIZE_LOOK)
		return;
	master->sized = now;
	load = take_load(master);
	if (load.full > 0)
		master->full_since = now;
	if (least > master->least)
		least = master->least;
	if (load.idle < least && master->useless == 0) {
		master->spare_since = 0;
		grow(master);
		return;
	}
	master->step = 1;
	shrink(master, &load, now);
}

/* ------------------------------------------------------------------ deaths */

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

static void
log_hand(struct master *master, unsigned index, enum tine_level level,
    const char *format)
{
	const struct scoreboard *board = board_of(master,
	    &master->slots[index]);
	char client[64], request[256], what[400];

	for (unsigned i = 0; i < board->handlers; i++) {
		const uint64_t since = handler_line_read(
		    scoreboard_handler(board, index, i), client, request);

		if (since == 0)
			continue;
		(void)snprintf(what, sizeof(what),
		    "client %s, request \"%s\", for %llu ms", client, request,
		    (unsigned long long)(clock_ms() - since));
		server_log(master->server, level, format, index + 1,
		    what);
	}
}

/*
 * A worker that died told its last client so, but could not write the line
 * of the request log.
 */
static void
log_last_reply(struct master *master, unsigned index)
{
	const struct scoreboard *board = board_of(master,
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
	const struct worker_line *line = line_of(master, slot);
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
	log_hand(master, index, TINE_LOG_ERROR, "worker %u was serving %s");
}

/* What a stuck worker has in hand. */
struct hand {
	char	client[64], request[256];
};

/* What the worker had not written of its logs yet. */
static void
salvage(struct master *master, unsigned index)
{
	struct scoreboard *board = board_of(master, &master->slots[index]);
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

/* The requests that all workers have completed. */
static uint64_t
served(const struct master *master)
{
	uint64_t sum = master->served;

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state != SLOT_EMPTY)
			sum += atomic_load(&line_of(master, slot)->requests);
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
	if (master->useless == 0 || look_at_trials(master) == TRIAL_PROVEN)
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
	char how[128];

	unsigned pause = PAUSE_FIRST;

	if (atomic_load(&line_of(master, slot)->requests) > 0 ||
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
	    "before it was ready: %s", (unsigned)(slot - master->slots) + 1, how);
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
	struct worker_line *line = line_of(master, slot);
	const bool was_starting = slot->state == SLOT_STARTING;
	const bool was_told = slot->state >= SLOT_LEAVING && !slot->is_stuck;
	const bool is_trial = was_starting &&
	    master->reload == RELOAD_TRIAL &&
	    slot->generation == master->generation;
	char why[300];

	if (!was_told || (WIFSIGNALED(status) && !slot->is_late &&
	    slot->state == SLOT_LEAVING))
		log_death(master, index, status);
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
workers_reap(struct master *master)
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

/* -------------------------------------------------------------------- late */

static void
abort_late(struct master *master, struct slot *slot, uint64_t now)
{
	log_hand(master, (unsigned)(slot - master->slots), TINE_LOG_WARNING,
	    "worker %u is cut off with %s");
	slot->abort_at = 0;
	slot->is_late = true;
	slot->kill_at = now + STUCK_GRACE;
	(void)kill(slot->pid, SIGABRT);
}

static void
kill_late(struct master *master, struct slot *slot, uint64_t now)
{
	const unsigned index = (unsigned)(slot - master->slots);

	if (slot->was_killed) {
		slot->kill_at = 0;
		server_log(master->server, TINE_LOG_ERROR, "worker %u (pid "
		    "%ld) cannot be killed", index + 1, (long)slot->pid);
	} else if (slot->is_deaf && !slot->is_late) {
		server_log(master->server, TINE_LOG_ERROR, "worker %u (pid "
		    "%ld) has closed its control socket; it is killed",
		    index + 1, (long)slot->pid);
		slot->is_late = true;
	} else if (slot->is_late && !slot->has_core_time &&
	    atomic_load(&line_of(master, slot)->state) == WORKER_CRASHED) {
		slot->has_core_time = true;
		slot->kill_at += CORE_GRACE - STUCK_GRACE;
	} else {
		log_hand(master, index, TINE_LOG_WARNING,
		    "worker %u is cut off with %s");
		slot->is_late = slot->was_killed = true;
		slot->abort_at = 0;
		slot->kill_at = now + STRAY;
		(void)kill(slot->pid, SIGKILL);
	}
}

void
workers_end_late(struct master *master)
{
	const uint64_t now = clock_ms();

	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_EMPTY)
			continue;
		if (slot->kill_at != 0 && now >= slot->kill_at)
			kill_late(master, slot, now);
		else if (slot->abort_at != 0 && now >= slot->abort_at)
			abort_late(master, slot, now);
	}
}

/*
 * When the handler of a worker in mode single will have had its --timeout, or
 * 0.  In the other modes the workers look after this themselves.
 */
static uint64_t
stuck_at(const struct master *master, const struct slot *slot,
    struct hand *hand)
{
	char client[64], request[256];
	const struct tine_server *server = master->server;
	const struct handler_line *line = scoreboard_handler(
	    board_of(master, slot), (unsigned)(slot - master->slots), 0);
	uint64_t since, progress;

	/* One that leaves has no more time for it than the others. */
	if (server->settings.timeout == 0 ||
	    server->settings.mode != MODE_SINGLE ||
	    slot->state < SLOT_SERVING || slot->is_late)
		return 0;
	since = handler_line_read(line, client, request);
	progress = atomic_load(&line->progress);
	if (since == 0)
		return 0;
	if (hand != NULL) {
		memcpy(hand->client, client, sizeof(client));
		memcpy(hand->request, request, sizeof(request));
	}
	return (progress > since ? progress : since) +
	    server->settings.timeout;
}

/*
 * When the loop of a worker will have given no sign for so long that it is
 * taken for dead, or 0.  It turns at least twice a second, whatever its
 * handlers do; one that has not turned yet begins.
 */
static uint64_t
silent_at(const struct master *master, const struct slot *slot)
{
	const uint64_t turn = atomic_load(&line_of(master, slot)->turn);

	if (master->server->settings.timeout == 0 || turn == 0 ||
	    slot->state != SLOT_SERVING)
		return 0;
	return turn + master->server->settings.timeout + SILENCE;
}

static void
end_stuck(struct master *master, struct slot *slot, bool is_handler)
{
	const unsigned timeout = master->server->settings.timeout;
	const unsigned number = (unsigned)(slot - master->slots) + 1;
	const bool is_wanted = slot->state == SLOT_SERVING;
	const uint64_t now = clock_ms();
	struct hand hand = { "", "" };

	if (is_handler && stuck_at(master, slot, &hand) != 0)
		server_log(master->server, TINE_LOG_ERROR, "worker %u (pid "
		    "%ld) is stuck: client %s, request \"%s\", for over "
		    "%u.%03u s; it is %s", number, (long)slot->pid,
		    hand.client, hand.request, timeout / 1000,
		    timeout % 1000, is_wanted ? "replaced" : "ended");
	else
		server_log(master->server, TINE_LOG_ERROR, "worker %u (pid "
		    "%ld) is stuck: its loop gave no sign for over %u.%03u s; "
		    "it is replaced", number, (long)slot->pid, timeout / 1000,
		    timeout % 1000);
	worker_line_state(line_of(master, slot), WORKER_STUCK, now);
	slot->state = SLOT_ENDING;
	slot->is_stuck = is_wanted;
	slot->is_late = true;
	slot->abort_at = 0;
	if (slot->kill_at == 0 || slot->kill_at > now + STUCK_GRACE)
		slot->kill_at = now + STUCK_GRACE;
	(void)kill(slot->pid, SIGABRT);
}

/* Its successor is forked in the same turn; see workers_balance(). */
void
workers_end_stuck(struct master *master)
{
	const uint64_t now = clock_ms();

	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];
		const uint64_t handler = stuck_at(master, slot, NULL);
		const uint64_t loop = silent_at(master, slot);

		if (handler != 0 && now >= handler)
			end_stuck(master, slot, true);
		else if (loop != 0 && now >= loop)
			end_stuck(master, slot, false);
	}
}

/* ------------------------------------------------------------------- timing */

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

uint64_t
workers_due(const struct master *master)
{
	const uint64_t now = clock_ms();
	const struct census census = take_census(master);
	uint64_t due = 0;

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_EMPTY)
			continue;
		due = sooner(due, slot->kill_at);
		due = sooner(due, slot->abort_at);
		due = sooner(due, stuck_at(master, slot, NULL));
		due = sooner(due, silent_at(master, slot));
	}
	/* A handler may begin at any time: no later than a fourth of that. */
	if (master->server->settings.timeout != 0 &&
	    master->phase == PHASE_SERVING) {
		const unsigned look = master->server->settings.timeout / 4;

		due = sooner(due, now + (look > 1000 ? look : 1000));
	}
	if (master->phase != PHASE_STOPPING &&
	    census.starting + census.fresh < master->wanted) {
		if (master->fork_after > now)
			due = sooner(due, master->fork_after);
		else if (master->useless > CRASHES_FREE)
			due = sooner(due, now + PROVEN_LOOK);
	}
	if (master->least != master->most)
		due = sooner(due, master->sized + SIZE_LOOK);
	return due;
}

bool
workers_are_slowed(const struct master *master)
{
	return master->useless > CRASHES_FREE || master->is_fork_failing;
}

/* A start that cannot succeed ends the master, with the workers' status. */
void
workers_judge_start(struct master *master)
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

/* --------------------------------------------------------- opening, closing */

/* Room for TTIN, and for a generation beside another. */
static unsigned
slots_wanted(const struct master *master)
{
	return master->most * 4 + 16;
}

static int
make_slots(struct master *master, unsigned count)
{
	struct slot *slots = reallocarray(master->slots, count,
	    sizeof(*slots));
	struct pollfd *fds;
	struct slot **who;

	if (slots != NULL)
		master->slots = slots;
	fds = reallocarray(master->fds, count + 1, sizeof(*fds));
	if (fds != NULL)
		master->fds = fds;
	who = reallocarray(master->who, count + 1, sizeof(struct slot *));
	if (who != NULL)
		master->who = who;
	if (slots == NULL || fds == NULL || who == NULL)
		return failure("no memory for %u workers", master->wanted);
	for (unsigned i = master->slot_count; i < count; i++)
		slots[i] = (struct slot){ .control = -1 };
	master->slot_count = count;
	return 0;
}

int
workers_open(struct master *master)
{
	struct tine_server *server = master->server;
	struct scoreboard *board;
	unsigned count = slots_wanted(master);

	server_settle(server);
	if (takeover_slots() > count)
		count = takeover_slots();
	board = takeover_board(server, count, &server->board_fd);
	if (board != NULL)
		count = board->workers;
	server->board = board != NULL ? board
	    : server_board(server, count, &server->board_fd);
	if (server->board == NULL || make_slots(master, count) == -1)
		return -1;
	takeover_begin(master, board != NULL);
	return 0;
}

int
workers_make_room(struct master *master)
{
	struct tine_server *server = master->server;
	struct scoreboard *before = server->board, *board;
	int fd;
	unsigned count = slots_wanted(master);

	if (count < master->slot_count)
		count = master->slot_count;
	if (count == master->slot_count &&
	    server_handlers(&server->settings) <= before->handlers)
		return 0;
	board = server_board(server, count, &fd);
	if (board == NULL)
		return -1;
	if (make_slots(master, count) == -1) {
		scoreboard_free(board);
		descriptor_close(fd);
		return -1;
	}
	descriptor_close(server->board_fd);
	server->board = board;
	server->board_fd = fd;
	if (workers_count(master, SLOT_STARTING, SLOT_ENDING) == 0)
		scoreboard_free(before);
	return 0;
}

void
workers_close(struct master *master)
{
	free(master->slots);
	free(master->fds);
	free(master->who);
}
