/* SPDX-License-Identifier: ISC */
/*
 * How many workers are wanted: by the load, between the bounds of --workers,
 * and by SIGTTIN and SIGTTOU.
 */
#include <stdatomic.h>

#include "../base/clock.h"
#include "supervise.h"

#define SIZE_LOOK	1000	/* ms between two looks at the load */
#define SPARE_STAYS	10000	/* ms that too many may be idle */
#define QUIET		60000	/* ms without a full worker: down to N */
#define STEP_MOST	32

struct load {
	unsigned	idle, full;
};

bool
sizing_is_young(const struct slot *slot)
{
	return clock_ms() - slot->forked < SPARE_STAYS;
}

static struct load
take_load(const struct master *master)
{
	const int room = settings_room(&master->server->settings);
	const unsigned there = workers_count(master, SLOT_STARTING,
	    SLOT_SERVING);
	struct load load = { 0, 0 };

	/* What is still to be forked will be idle, too. */
	if (master->wanted > there)
		load.idle = master->wanted - there;

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];
		const struct worker_line *line = workers_line(master, slot);

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
grow(struct master *master, unsigned count)
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
	master->wanted += count;
	if (master->wanted > master->most)
		master->wanted = master->most;
}

/* How many idle workers there should be at least. */
static unsigned
least_idle(const struct master *master)
{
	const unsigned least = master->server->settings.spare_least;

	return least < master->least ? least : master->least;
}

/* Whether there is one that has been there long enough to be let go. */
static bool
has_old(const struct master *master)
{
	for (unsigned i = 0; i < master->slot_count; i++) {
		if (master->slots[i].state == SLOT_SERVING &&
		    !sizing_is_young(&master->slots[i]))
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
sizing_turn(struct master *master)
{
	const uint64_t now = clock_ms();
	struct load load;

	if (master->least == master->most || master->phase != PHASE_SERVING ||
	    now - master->sized < SIZE_LOOK)
		return;
	master->sized = now;
	load = take_load(master);
	if (load.full > 0)
		master->full_since = now;
	if (load.idle < least_idle(master) && master->useless == 0) {
		master->spare_since = 0;
		grow(master, master->step);
		if (master->step < STEP_MOST)
			master->step *= 2;
		return;
	}
	master->step = 1;
	shrink(master, &load, now);
}

/*
 * A worker has just become full: what is lacking then need not wait for the
 * next look.  One at a time, since each that becomes full says so.
 */
void
sizing_full(struct master *master)
{
	if (master->least == master->most || master->phase != PHASE_SERVING ||
	    master->useless != 0 ||
	    take_load(master).idle >= least_idle(master))
		return;
	master->full_since = clock_ms();
	master->spare_since = 0;
	grow(master, 1);
}

uint64_t
sizing_due(const struct master *master)
{
	return master->least != master->most ? master->sized + SIZE_LOOK : 0;
}

void
sizing_ask(struct master *master, bool up)
{
	if (up && master->most >= master->slot_count / 2) {
		server_log(master->server, TINE_LOG_WARNING, "TTIN: no room "
		    "for more than %u workers (raise --workers)",
		    master->most);
	} else if (up) {
		master->wanted++;
		master->least++;
		master->most++;
	} else if (!up && master->most > 1) {
		master->most--;
		master->least -= master->least > 1;
		master->wanted -= master->wanted > master->least;
	}
	master->fork_after = 0;
	master->useless = 0;
}
