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

/* The same of those that are passed on, but program; not standard error. */
void	state_keep_all(const struct state *state, bool over_exec);

/* What a scoreboard looks like: it is shared only with its like. */
uint32_t state_board_layout(void);

struct master;

/*
 * A memfd with the state, whose descriptors outlive exec; -1.  program is this
 * image, open, and way_back the copy for it; or -1.  On the way back, to the
 * image before, all but the workers is as it came.
 */
int	state_write(const struct master *master, int program, int way_back,
	    bool is_back);

/* What nobody can change: for this program, should the new one give up. */
int	state_write_way_back(const struct master *master);

/* exec failed, and this image goes on: nothing outlives another one. */
void	state_stays(const struct master *master);

#endif
