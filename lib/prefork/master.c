/* SPDX-License-Identifier: ISC */
/*
 * See master.h.  One thread, one turn: reap, decide, sleep until the next
 * deadline that is known.  Only the table of this file is believed when a
 * process is signalled or forked; the scoreboard is for reading.
 */
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "master.h"
#include "worker.h"

#define STUCK_LOOK	1000	/* ms between two looks at busy workers */
#define STUCK_GRACE	1000	/* ms from SIGABRT to SIGKILL */
#define QUICK_GRACE	1000	/* ms that handlers have in a quick stop */
#define CRASHES_FREE	4	/* useless deaths in a row without a pause */
#define PAUSE_FIRST	250	/* ms, doubled with each further one */
#define PAUSE_LONGEST	30000
#define USELESS_AGE	60000	/* ms: a worker that lived longer was of use */
#define PROVEN_AGE	5000	/* ms: it lives, so all may be tried again */
#define FORK_PAUSE	100	/* ms after a fork that failed; doubled */
#define FORK_LONGEST	5000

enum slot_state {
	SLOT_EMPTY, SLOT_STARTING, SLOT_SERVING, SLOT_LEAVING, SLOT_ENDING
};

/* What the master knows of one worker. */
struct slot {
	enum slot_state	 state;
	pid_t		 pid;
	int		 control;	/* our end of its socket */
	uint64_t	 forked;	/* ms */
	uint64_t	 kill_at;	/* ms, 0: not to be killed */
};

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_STOPPING };

struct master {
	struct tine_server	*server;
	void			(*ready)(struct tine_server *);
	struct slot		*slots;
	unsigned		 slot_count;
	struct pollfd		*fds;		/* of wait_for_news() */
	struct slot		**who;		/* whose fds they are */
	unsigned		 wanted;	/* workers */
	enum phase		 phase;
	uint64_t		 started;	/* ms */
	uint64_t		 stop_at;	/* ms: end of the grace, or 0 */
	unsigned		 interrupts;	/* SIGINTs seen */
	int			 signals;	/* signalfd */
	sigset_t		 mask_before;

	unsigned		 useless;	/* deaths in a row */
	uint64_t		 requests_seen;	/* when that was counted */
	uint64_t		 fork_after;	/* ms: not before */
	unsigned		 fork_pause;	/* ms */
	bool			 is_fork_failing;
	int			 first_status;	/* exit status of a bad start */
	int			 status;	/* the master's own, at the end */
};

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

static void
title(const struct master *master)
{
	static const char *const notes[] = {
		[PHASE_STARTING] = " (starting)", [PHASE_SERVING] = "",
		[PHASE_STOPPING] = " (stopping)"
	};
	const char *address = tine_server_address(master->server, 0);
	const char *module = master->server->module;

	setproctitle("master%s%s %s%s", module != NULL ? " " : "",
	    module != NULL ? module : "", address != NULL ? address : "",
	    notes[master->phase]);
}

/* ----------------------------------------------------------------- forking */

static void
command(const struct slot *slot, enum command what)
{
	const char byte = (char)what;

	if (slot->control != -1)
		(void)send(slot->control, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static noreturn void
become_worker(struct master *master, unsigned index, int control)
{
	/* A sibling's control socket held open would hide our death from it. */
	for (unsigned i = 0; i < master->slot_count; i++)
		descriptor_close(master->slots[i].control);
	descriptor_close(master->signals);
	worker_main(master->server, index, control);
}

static void
fork_failed(struct master *master)
{
	const uint64_t now = clock_ms();

	if (!master->is_fork_failing)
		server_log(master->server, TINE_LOG_ERROR,
		    "cannot fork a worker: %s; trying again",
		    strerror(errno));
	master->is_fork_failing = true;
	master->fork_pause = master->fork_pause == 0 ? FORK_PAUSE
	    : master->fork_pause * 2;
	if (master->fork_pause > FORK_LONGEST)
		master->fork_pause = FORK_LONGEST;
	master->fork_after = now + master->fork_pause;
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

static bool
fork_worker(struct master *master, unsigned index)
{
	struct slot *slot = &master->slots[index];
	struct worker_line *line = &master->server->board->lines[index];
	int pair[2];
	pid_t pid;

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
	slot->state = SLOT_STARTING;
	slot->pid = pid;
	slot->control = pair[0];
	slot->forked = clock_ms();
	slot->kill_at = 0;
	return true;
}

static unsigned
count_slots(const struct master *master, enum slot_state from,
    enum slot_state to)
{
	unsigned count = 0;

	for (unsigned i = 0; i < master->slot_count; i++)
		count += master->slots[i].state >= from &&
		    master->slots[i].state <= to;
	return count;
}

/* Starts what is missing, unless a pause is due. */
static void
replenish(struct master *master)
{
	unsigned there = count_slots(master, SLOT_STARTING, SLOT_SERVING);
	unsigned most = master->wanted;

	if (master->phase == PHASE_STOPPING ||
	    clock_ms() < master->fork_after)
		return;
	/* In a crash loop one worker is tried before all are. */
	if (master->useless > CRASHES_FREE)
		most = there < master->wanted ? there + 1 : there;
	for (unsigned i = 0; i < master->slot_count && there < most; i++) {
		if (master->slots[i].state != SLOT_EMPTY)
			continue;
		if (!fork_worker(master, i))
			return;
		there++;
	}
	if (master->useless > CRASHES_FREE && there < master->wanted)
		master->fork_after = clock_ms() + PROVEN_AGE;
}

/* ------------------------------------------------------------------ deaths */

static uint64_t
all_requests(const struct master *master)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < master->slot_count; i++)
		sum += atomic_load(&master->server->board->lines[i].requests);
	return sum;
}

static void
describe_death(char *out, size_t size, int status)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, size, "signal %d (%s%s)%s",
		    WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WCOREDUMP(status) ? ", core dumped" : "",
		    WTERMSIG(status) == SIGKILL
		    ? ", not sent by tine: out of memory?" : "");
	else
		(void)snprintf(out, size, "exit status %d",
		    WEXITSTATUS(status));
}

static void
log_death(struct master *master, unsigned index, int status)
{
	const struct slot *slot = &master->slots[index];
	const struct scoreboard *board = master->server->board;
	char how[128], client[64], request[256];

	describe_death(how, sizeof(how), status);
	server_log(master->server, TINE_LOG_ERROR, "worker %u (pid %ld) "
	    "died: %s; it lived %llu ms and served %llu requests", index + 1,
	    (long)slot->pid, how,
	    (unsigned long long)(clock_ms() - slot->forked),
	    (unsigned long long)atomic_load(&board->lines[index].requests));
	for (unsigned i = 0; i < board->handlers; i++) {
		const uint64_t since = handler_line_read(
		    scoreboard_handler(board, index, i), client, request);

		if (since != 0)
			server_log(master->server, TINE_LOG_ERROR, "worker %u "
			    "was serving client %s, request \"%s\", for %llu "
			    "ms", index + 1, client, request,
			    (unsigned long long)(clock_ms() - since));
	}
}

/* What the worker had not written of its logs yet. */
static void
salvage(struct master *master, unsigned index)
{
	struct scoreboard *board = master->server->board;
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

/*
 * A death is useless if the worker completed no request and was young.  The
 * first few in a row cost nothing; then the next fork waits longer and
 * longer, but is never given up.
 */
static void
note_useless(struct master *master, const struct slot *slot)
{
	const uint64_t requests = all_requests(master);
	unsigned pause = PAUSE_FIRST;

	if (requests != master->requests_seen ||
	    clock_ms() - slot->forked >= USELESS_AGE)
		master->useless = 0;
	master->requests_seen = requests;
	if (++master->useless <= CRASHES_FREE)
		return;
	for (unsigned i = CRASHES_FREE + 1; i < master->useless &&
	    pause < PAUSE_LONGEST; i++)
		pause *= 2;
	if (pause > PAUSE_LONGEST)
		pause = PAUSE_LONGEST;
	master->fork_after = clock_ms() + pause;
	server_log(master->server, TINE_LOG_WARNING, "%u workers in a row "
	    "died without having served a request; the next is started in "
	    "%u.%02u s", master->useless, pause / 1000, pause % 1000 / 10);
}

static void
buried(struct master *master, unsigned index, int status)
{
	struct slot *slot = &master->slots[index];
	const bool was_starting = slot->state == SLOT_STARTING;
	const bool was_told = slot->state >= SLOT_LEAVING;

	if (!was_told)
		log_death(master, index, status);
	salvage(master, index);
	if (master->server->hooks.worker_died != NULL)
		master->server->hooks.worker_died(master->server, slot->pid,
		    status);
	if (was_starting && master->phase == PHASE_STARTING)
		master->first_status = WIFEXITED(status)
		    ? WEXITSTATUS(status) : EX_SOFTWARE;
	if (!was_told)
		note_useless(master, slot);
	descriptor_close(slot->control);
	slot->control = -1;
	slot->pid = 0;
	slot->state = SLOT_EMPTY;
	worker_line_state(&master->server->board->lines[index], WORKER_EMPTY,
	    clock_ms());
	atomic_store(&master->server->board->lines[index].connections, 0);
}

static struct slot *
slot_of(struct master *master, pid_t pid)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].pid == pid)
			return &master->slots[i];
	}
	return NULL;
}

/*
 * Only here are children reaped, and a pid is forgotten in the same step: one
 * that was not reaped cannot belong to another process.
 */
static void
reap(struct master *master)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		const struct slot *slot = slot_of(master, pid);

		if (slot != NULL)
			buried(master, (unsigned)(slot - master->slots),
			    status);
	}
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

	for (size_t i = 0; i < server->listener_count; i++)
		listener_close(&server->listeners[i], true);
}

static void
stop(struct master *master, bool quick)
{
	const unsigned grace = master->server->settings.graceful_timeout;
	const uint64_t now = clock_ms();

	if (master->phase != PHASE_STOPPING) {
		master->phase = PHASE_STOPPING;
		close_listeners(master);
		title(master);
	}
	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_EMPTY)
			continue;
		/* One that is not ready has nothing to finish. */
		if (slot->state == SLOT_STARTING)
			slot->kill_at = now;
		else if (quick)
			slot->kill_at = now + QUICK_GRACE;
		else if (grace != 0)
			slot->kill_at = now + grace;
		command(slot, quick ? COMMAND_QUIT : COMMAND_DRAIN);
		slot->state = SLOT_ENDING;
	}
}

static void
kill_all(struct master *master)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].state != SLOT_EMPTY)
			master->slots[i].kill_at = clock_ms();
	}
}

static void
log_cut_off(struct master *master, unsigned index)
{
	const struct scoreboard *board = master->server->board;
	char client[64], request[256];

	for (unsigned i = 0; i < board->handlers; i++) {
		const uint64_t since = handler_line_read(
		    scoreboard_handler(board, index, i), client, request);

		if (since != 0)
			server_log(master->server, TINE_LOG_WARNING, "cut "
			    "off after %llu ms: client %s, request \"%s\"",
			    (unsigned long long)(clock_ms() - since), client,
			    request);
	}
}

static void
kill_late(struct master *master)
{
	const uint64_t now = clock_ms();

	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_EMPTY || slot->kill_at == 0 ||
		    now < slot->kill_at)
			continue;
		log_cut_off(master, i);
		(void)kill(slot->pid, SIGKILL);
		slot->kill_at = 0;
	}
}

/* ------------------------------------------------------------------- stuck */

/*
 * When the handler of a worker in mode single will have had its --timeout, or
 * 0.  In mode fork the workers do this to their children.
 */
static uint64_t
stuck_at(const struct master *master, unsigned index, char client[64],
    char request[256])
{
	const struct tine_server *server = master->server;
	const struct handler_line *line = scoreboard_handler(server->board,
	    index, 0);
	uint64_t since, progress;

	if (server->settings.timeout == 0 ||
	    server->settings.mode != MODE_SINGLE ||
	    master->slots[index].state != SLOT_SERVING)
		return 0;
	since = handler_line_read(line, client, request);
	progress = atomic_load(&line->progress);
	if (since == 0)
		return 0;
	return (progress > since ? progress : since) +
	    server->settings.timeout;
}

/* A new worker takes its place at once; see replenish(). */
static void
end_stuck(struct master *master)
{
	const uint64_t now = clock_ms();
	char client[64], request[256];

	for (unsigned i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];
		const uint64_t at = stuck_at(master, i, client, request);

		if (at == 0 || now < at)
			continue;
		server_log(master->server, TINE_LOG_ERROR, "worker %u (pid "
		    "%ld) is stuck: client %s, request \"%s\", for over "
		    "%u.%03u s; it is replaced", i + 1, (long)slot->pid,
		    client, request, master->server->settings.timeout / 1000,
		    master->server->settings.timeout % 1000);
		slot->state = SLOT_ENDING;
		slot->kill_at = now + STUCK_GRACE;
		(void)kill(slot->pid, SIGABRT);
	}
}

/* ---------------------------------------------------------------- the turn */

static void
resize(struct master *master, bool up)
{
	if (up && master->wanted < master->slot_count) {
		master->wanted++;
	} else if (!up && master->wanted > 1) {
		master->wanted--;
		for (unsigned i = master->slot_count; i > 0; i--) {
			struct slot *slot = &master->slots[i - 1];

			if (slot->state != SLOT_SERVING)
				continue;
			command(slot, COMMAND_DRAIN);
			slot->state = SLOT_LEAVING;
			slot->kill_at = clock_ms() +
			    master->server->settings.graceful_timeout;
			break;
		}
	}
	master->fork_after = 0;
}

static void
interrupt(struct master *master)
{
	if (++master->interrupts == 1) {
		(void)printf("\nKeyboard interrupt received, exiting.\n");
		(void)fflush(stdout);
		stop(master, true);
	} else {
		kill_all(master);
	}
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
			stop(master, false);
		break;
	case SIGINT:
		interrupt(master);
		break;
	case SIGTTIN:
	case SIGTTOU:
		/* The kernel sends the same on access to the terminal. */
		if (is_from_process && master->phase == PHASE_SERVING)
			resize(master, info->ssi_signo == SIGTTIN);
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

static void
start_done(struct master *master)
{
	master->phase = PHASE_SERVING;
	title(master);
	if (master->ready != NULL)
		master->ready(master->server);
}

static void
note_ready(struct master *master, struct slot *slot)
{
	if (slot->state == SLOT_STARTING)
		slot->state = SLOT_SERVING;
	if (master->phase == PHASE_STARTING &&
	    count_slots(master, SLOT_SERVING, SLOT_SERVING) >= master->wanted)
		start_done(master);
}

static void
hear(struct master *master, struct slot *slot)
{
	char byte;
	const ssize_t n = recv(slot->control, &byte, 1, MSG_DONTWAIT);

	if (n == 1 && byte == COMMAND_READY) {
		note_ready(master, slot);
	} else if (n == 0) {
		/* It is dying; waitpid(2) will tell. */
		descriptor_close(slot->control);
		slot->control = -1;
	}
}

/* A start that cannot succeed ends the master, with the workers' status. */
static void
judge_start(struct master *master)
{
	const unsigned limit = master->server->settings.start_timeout;
	const unsigned serving = count_slots(master, SLOT_SERVING,
	    SLOT_SERVING);
	const bool is_late = limit != 0 &&
	    clock_ms() - master->started >= limit;

	if (master->phase != PHASE_STARTING)
		return;
	if (is_late && serving > 0) {
		start_done(master);
	} else if (is_late || (master->first_status != 0 && serving == 0 &&
	    count_slots(master, SLOT_STARTING, SLOT_STARTING) == 0)) {
		master->status = master->first_status != 0
		    ? master->first_status : EX_SOFTWARE;
		(void)failure("no worker became ready (the error log has "
		    "the reason)");
		stop(master, true);
	}
}

static int
until(uint64_t when, uint64_t now, int least)
{
	const int left = when > now ? (int)(when - now) : 0;

	return least < 0 || left < least ? left : least;
}

/* How long there is nothing to do, in ms; -1: until something happens. */
static int
idle_time(const struct master *master)
{
	const uint64_t now = clock_ms();
	const unsigned there = count_slots(master, SLOT_STARTING,
	    SLOT_SERVING);
	int least = -1;

	if (master->phase == PHASE_SERVING &&
	    master->server->settings.timeout != 0 &&
	    master->server->settings.mode == MODE_SINGLE)
		least = STUCK_LOOK;
	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state != SLOT_EMPTY && slot->kill_at != 0)
			least = until(slot->kill_at, now, least);
	}
	if (master->phase == PHASE_STARTING &&
	    master->server->settings.start_timeout != 0)
		least = until(master->started +
		    master->server->settings.start_timeout, now, least);
	if (master->phase != PHASE_STOPPING && there < master->wanted)
		least = until(master->fork_after, now, least);
	return least;
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
			hear(master, master->who[i]);
	}
	if (fds[0].revents != 0)
		read_signals(master);
}

static bool
is_over(const struct master *master)
{
	return master->phase == PHASE_STOPPING &&
	    count_slots(master, SLOT_STARTING, SLOT_ENDING) == 0;
}

static void
supervise(struct master *master)
{
	while (!is_over(master)) {
		replenish(master);
		wait_for_news(master);
		reap(master);
		judge_start(master);
		end_stuck(master);
		kill_late(master);
	}
}

static int
open_slots(struct master *master)
{
	const size_t count = master->slot_count;

	master->slots = calloc(count, sizeof(*master->slots));
	master->fds = calloc(count + 1, sizeof(*master->fds));
	master->who = calloc(count + 1, sizeof(struct slot *));
	if (master->slots == NULL || master->fds == NULL ||
	    master->who == NULL)
		return failure("no memory for %u workers", master->wanted);
	for (size_t i = 0; i < count; i++)
		master->slots[i].control = -1;
	return 0;
}

static void
close_slots(struct master *master)
{
	free(master->slots);
	free(master->fds);
	free(master->who);
}

int
master_run(struct tine_server *server, void (*ready)(struct tine_server *))
{
	struct master master = {
		.server = server, .ready = ready,
		.wanted = server->settings.workers,
		.started = clock_ms()
	};

	/* Room for TTIN, and for a generation beside another. */
	master.slot_count = master.wanted * 2 + 2;
	if (server_prepare(server, master.slot_count) == -1)
		return EX_OSERR;
	if (open_signals(&master) == -1)
		return EX_OSERR;
	if (open_slots(&master) == 0) {
		title(&master);
		supervise(&master);
	} else {
		master.status = EX_OSERR;
	}
	close_slots(&master);
	close_signals(&master);
	return master.status;
}

TINE_PUBLIC int
tine_prefork(struct tine_server *server)
{
	return master_run(server, NULL);
}
