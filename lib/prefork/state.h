/* SPDX-License-Identifier: ISC */
/*
 * The master's state as it goes from one image of the program to the next, in
 * a memfd that TINE_STATE names: struct state, then the workers, then the
 * listeners.  Descriptors keep their numbers over exec.
 *
 * The members up to way_back stand where they always stood, whatever the
 * format is: a program that cannot read the rest executes that one.
 */
#ifndef PREFORK_STATE_H
#define PREFORK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define STATE_MAGIC	UINT32_C(0x74696e65)
#define STATE_FORMAT	3
#define STATE_MOST	4096		/* workers, listeners */
#define STATE_NAME	"TINE_STATE"

enum {
	STATE_RELOAD = 1 << 0,	/* what was asked for meanwhile */
	STATE_UPGRADE = 1 << 1
};

struct state {
	uint32_t	magic, format, size;
	uint32_t	worker_count, listener_count;
	uint32_t	is_back;	/* to the program before */
	int32_t		handover[2];
	int32_t		pidfile;
	int32_t		program;	/* of the image before, open; -1 */
	int32_t		way_back;	/* a copy of all this, for that one */
	int32_t		master;		/* the process id */
	/* What is in force, copies; or -1. */
	int32_t		module, config, users;
	int32_t		logs[2];
	int32_t		board;		/* the scoreboard's memory; -1 */
	uint32_t	board_layout, mode;
	uint32_t	wanted;		/* workers */
	uint32_t	wishes;		/* STATE_RELOAD and so on */
};

struct state_worker {
	int32_t		pid, control;
	uint32_t	index;		/* in the table, and on the board */
	uint32_t	state;		/* enum slot_state */
	uint32_t	is_new;		/* of an image that gave up */
	uint32_t	flags;
	uint64_t	forked, abort_at, kill_at;
};

struct state_listener {
	int32_t		fd;
	uint32_t	is_inherited;
	char		text[128];
};

/* Whether a descriptor outlives exec. */
void	state_keep(int fd, bool over_exec);

/* What a scoreboard looks like: it is shared only with its like. */
uint32_t state_board_layout(void);

#endif
