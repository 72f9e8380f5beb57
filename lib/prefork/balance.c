/* SPDX-License-Identifier: ISC */
/*
 * As many workers as are wanted: who is forked, and who is let go.
 */
#include <stdatomic.h>

#include "../base/clock.h"
#include "supervise.h"

#define LEAVE_SLACK	250	/* ms more than a leaving worker has itself */
#define PROVEN_AGE	5000	/* ms: it lives, so all may be tried again */
#define PROVEN_LOOK	200	/* ms between two looks at it */
#define SHUT_WITHIN	1000	/* ms that a leaving worker may accept */

/* How many there are, by what is to become of them. */
struct census {
	unsigned	starting, fresh, retiring;
	unsigned	closing;	/* they leave, and may accept still */
};

uint64_t
balance_shut_at(const struct slot *slot, uint64_t now)
{
	return slot->state == SLOT_LEAVING && !slot->has_shut &&
	    now < slot->told + SHUT_WITHIN ? slot->told + SHUT_WITHIN : 0;
}

/* Whether it is to be replaced: it is old, or asked for it. */
static bool
is_retiring(const struct master *master, const struct slot *slot)
{
	return slot->generation != master->generation || slot->wants_leave;
}

static struct census
take_census(const struct master *master)
{
	struct census census = { 0, 0, 0, 0 };
	const uint64_t now = clock_ms();

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_STARTING)
			census.starting++;
		else if (slot->state == SLOT_SERVING &&
		    is_retiring(master, slot))
			census.retiring++;
		else if (slot->state == SLOT_SERVING)
			census.fresh++;
		else if (balance_shut_at(slot, now) != 0)
			census.closing++;
	}
	return census;
}

enum trial
balance_trial(const struct master *master)
{
	enum trial trial = TRIAL_NONE;

	for (unsigned i = 0; i < master->slot_count; i++) {
		const struct slot *slot = &master->slots[i];

		if (slot->state == SLOT_STARTING)
			trial = TRIAL_RUNS;
		if (slot->state != SLOT_SERVING ||
		    slot->forked < master->useless_since)
			continue;
		if (atomic_load(&workers_line(master, slot)->requests) > 0 ||
		    clock_ms() - slot->forked >= PROVEN_AGE)
			return TRIAL_PROVEN;
		trial = TRIAL_RUNS;
	}
	return trial;
}

/*
 * While some are replaced, the new ones come in small groups, each ready
 * before as many old ones leave; an old one counts until it accepts no more.
 * In a reload's trial, one is tried before the others.
 */
static unsigned
missing(const struct master *master, const struct census *census)
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
		const unsigned more = census->starting + census->closing;

		if (more >= most)
			return 0;
		if (need > most - more)
			need = most - more;
	}
	return need;
}

unsigned
balance_missing(const struct master *master)
{
	const struct census census = take_census(master);

	return missing(master, &census);
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
	if (deaths_are_looping(master)) {
		const enum trial trial = balance_trial(master);

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
		if (!workers_fork(master, i))
			return;
		need--;
	}
}

/* Others take its connections. */
static void
leave(struct master *master, struct slot *slot)
{
	const unsigned grace = master->server->settings.graceful_timeout;

	workers_tell(slot, COMMAND_LEAVE);
	slot->state = SLOT_LEAVING;
	slot->told = clock_ms();
	/* It cuts off what is in hand itself, if it can. */
	if (grace != 0)
		slot->abort_at = clock_ms() + grace + LEAVE_SLACK;
}

/* Whether a is rather let go than b, which comes before it in the table. */
static bool
is_more_dispensable(const struct master *master, const struct slot *a,
    const struct slot *b)
{
	if (sizing_is_young(a) != sizing_is_young(b))
		return sizing_is_young(b);
	return atomic_load(&workers_line(master, a)->connections) <=
	    atomic_load(&workers_line(master, b)->connections);
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
balance_turn(struct master *master)
{
	if (master->phase == PHASE_STOPPING)
		return;
	replenish(master);
	release(master);
}

uint64_t
balance_due(const struct master *master)
{
	const struct census census = take_census(master);
	const uint64_t now = clock_ms();

	if (master->phase == PHASE_STOPPING ||
	    census.starting + census.fresh >= master->wanted)
		return 0;
	if (master->fork_after > now)
		return master->fork_after;
	return deaths_are_looping(master) ? now + PROVEN_LOOK : 0;
}

uint64_t
balance_shut_due(const struct master *master)
{
	const uint64_t now = clock_ms();
	uint64_t due = 0;

	for (unsigned i = 0; i < master->slot_count; i++)
		due = sooner(due, balance_shut_at(&master->slots[i], now));
	return due;
}

bool
balance_is_slowed(const struct master *master)
{
	return deaths_are_looping(master) || master->is_fork_failing;
}
