/* SPDX-License-Identifier: ISC */
/*
 * Workers whose time is over: they have not left, hang in a handler, or give
 * no sign at all.
 */
#include <sys/types.h>

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../base/clock.h"
#include "supervise.h"

#define STUCK_GRACE	1000	/* ms from SIGABRT to SIGKILL */
#define CORE_GRACE	10000	/* ms when it is in its crash path */
#define STRAY		5000	/* ms after SIGKILL: it cannot be killed */
#define SILENCE		1000	/* ms that a loop may be late beside --timeout */

/* What a stuck worker has in hand. */
struct hand {
	char	client[64], request[256];
};

static void
abort_late(struct master *master, struct slot *slot, uint64_t now)
{
	workers_log_hand(master, (unsigned)(slot - master->slots),
	    TINE_LOG_WARNING, "worker %u is cut off with %s");
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
	    atomic_load(&workers_line(master, slot)->state) == WORKER_CRASHED) {
		slot->has_core_time = true;
		slot->kill_at += CORE_GRACE - STUCK_GRACE;
	} else {
		workers_log_hand(master, index, TINE_LOG_WARNING,
		    "worker %u is cut off with %s");
		slot->is_late = slot->was_killed = true;
		slot->abort_at = 0;
		slot->kill_at = now + STRAY;
		(void)kill(slot->pid, SIGKILL);
	}
}

void
watch_end_late(struct master *master)
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
	    workers_board(master, slot), (unsigned)(slot - master->slots), 0);
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
	const uint64_t turn = atomic_load(&workers_line(master, slot)->turn);

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
	worker_line_state(workers_line(master, slot), WORKER_STUCK, now);
	slot->state = SLOT_ENDING;
	slot->is_stuck = is_wanted;
	slot->is_late = true;
	slot->abort_at = 0;
	if (slot->kill_at == 0 || slot->kill_at > now + STUCK_GRACE)
		slot->kill_at = now + STUCK_GRACE;
	(void)kill(slot->pid, SIGABRT);
}

/* Its successor is forked in the same turn; see balance_turn(). */
void
watch_end_stuck(struct master *master)
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

uint64_t
watch_due(const struct master *master)
{
	const uint64_t now = clock_ms();
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
	return due;
}
