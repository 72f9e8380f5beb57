/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of the master share: its own table of workers, and what it
 * is doing.  Only this table is believed when a process is signalled or
 * forked; the scoreboard is for reading.
 */
#ifndef PREFORK_SUPERVISE_H
#define PREFORK_SUPERVISE_H

#include <sys/types.h>

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../server/server.h"
#include "notify.h"
#include "worker.h"

enum slot_state {
	SLOT_EMPTY, SLOT_STARTING, SLOT_SERVING,
	SLOT_LEAVING,	/* its connections go to other workers */
	SLOT_ENDING	/* it has been told to end, or is being killed */
};

/* What the master knows of one worker. */
struct slot {
	enum slot_state	 state;
	pid_t		 pid;
	int		 control;	/* our end of its socket */
	unsigned	 generation;
	struct scoreboard *board;	/* that its line is of; NULL: empty */
	bool		 wants_leave;	/* it asked to be replaced */
	bool		 has_shut;	/* it accepts no more */
	bool		 is_stuck;	/* its handler was, so it is ended */
	bool		 is_deaf;	/* its control socket has ended */
	bool		 is_late;	/* it is killed for its time */
	bool		 was_killed;	/* SIGKILL was sent */
	bool		 has_core_time;	/* it has more, to write a core file */
	char		 why[256];	/* it ended, in its own words */
	uint64_t	 forked;	/* ms */
	uint64_t	 told;		/* ms: to leave */
	uint64_t	 abort_at;	/* ms: SIGABRT, 0: never */
	uint64_t	 kill_at;	/* ms: SIGKILL, or a complaint after it;
					   0: never */
};

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_STOPPING };

/* How far a reload is; see reload.c. */
enum reload { RELOAD_NONE, RELOAD_TRIAL, RELOAD_ROLLS };

struct master {
	struct tine_server	*server;
	void			(*ready)(struct tine_server *);
	struct notify		 notify;
	struct slot		*slots;
	unsigned		 slot_count;
	struct pollfd		*fds;		/* of wait_for_news() */
	struct slot		**who;		/* whose fds they are */
	unsigned		 wanted;	/* workers */
	unsigned		 least, most;	/* bounds of that */
	enum phase		 phase;
	uint64_t		 started;	/* ms */
	unsigned		 interrupts;	/* SIGINTs seen */
	int			 signals;	/* signalfd */
	_Atomic uint32_t	 log_used;
	sigset_t		 mask_before;
	bool			 has_terminal;	/* as standard input */

	/* Deaths and forks. */
	unsigned		 useless;	/* deaths in a row */
	uint64_t		 useless_since;	/* ms: the first of them */
	uint64_t		 served;	/* requests, of dead workers */
	uint64_t		 served_before;	/* of all, at the last death */
	uint64_t		 fork_after;	/* ms: not before */
	unsigned		 fork_pause;	/* ms */
	bool			 is_fork_failing;
	uint64_t		 fork_second;	/* ms: when that was begun */
	unsigned		 forks;		/* in it */
	int			 first_status;	/* exit status of a bad start */
	char			 first_reason[256];
	int			 status;	/* the master's own, at the end */

	/* Elastic. */
	uint64_t		 sized;		/* ms: of the last look */
	unsigned		 step;		/* workers to add, doubled */
	uint64_t		 spare_since;	/* ms: too many idle, 0 */
	uint64_t		 full_since;	/* ms: last seen full */
	bool			 is_most_logged;

	/* Reload and upgrade. */
	enum reload		 reload;
	bool			 reload_wanted;
	unsigned		 generation, last_generation;
	struct generation	*before;	/* what to go back to */
	uint64_t		 reload_since;	/* ms */
	bool			 is_upgraded;	/* the trial is of a new image */
	struct upgrade		*upgrade;
	bool			 upgrade_wanted;
};

/* The earlier of two times, of which 0 is none. */
static inline uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* --- workers.c */

int	workers_open(struct master *master);
void	workers_close(struct master *master);

/*
 * Makes room for what the settings say now, if there is too little of it: new
 * workers get a new scoreboard, those that are there keep theirs.  Returns -1
 * with the text of tine_error().
 */
int	workers_make_room(struct master *master);
unsigned workers_count(const struct master *master, enum slot_state from,
	    enum slot_state to);

/* The scoreboard that a worker's line is of, and that line. */
struct scoreboard *workers_board(const struct master *master,
	    const struct slot *slot);
struct worker_line *workers_line(const struct master *master,
	    const struct slot *slot);

/* False if that failed, or would be too much in this second. */
bool	workers_fork(struct master *master, unsigned index);

void	workers_tell(const struct slot *slot, enum command what);

/* Takes what it says on its control socket. */
void	workers_hear(struct master *master, struct slot *slot);

/*
 * Logs each request that a worker has in hand; format has a %u for the
 * worker's number and a %s for the request.
 */
void	workers_log_hand(struct master *master, unsigned index,
	    enum tine_level level, const char *format);

/* --- balance.c */

/* Forks what is missing, and lets go of what is too much. */
void	balance_turn(struct master *master);

/* How many are to be forked now, a crash loop apart. */
unsigned balance_missing(const struct master *master);

/*
 * Until when a leaving worker may accept, in ms; 0: it does not, or it hears
 * nothing and is waited for no more.
 */
uint64_t balance_shut_at(const struct slot *slot, uint64_t now);
uint64_t balance_shut_due(const struct master *master);	/* the earliest */

/* The earliest time, ms, at which one may be forked; 0: none is missing. */
uint64_t balance_due(const struct master *master);

/* Whether forking is slowed down: by a crash loop, or because it fails. */
bool	balance_is_slowed(const struct master *master);

/*
 * What has become of the workers that were tried since deaths were useless:
 * one has shown that it works, or has still to do so.
 */
enum trial { TRIAL_NONE, TRIAL_RUNS, TRIAL_PROVEN };
enum trial balance_trial(const struct master *master);

/* --- deaths.c */

/* Takes the statuses of those that died. */
void	deaths_reap(struct master *master);

/* Whether so many were useless in a row that forking has to be slowed. */
bool	deaths_are_looping(const struct master *master);

/* --- watch.c */

/* Ends those whose time is over. */
void	watch_end_late(struct master *master);
void	watch_end_stuck(struct master *master);

/* The earliest time, ms, at which one may have to be ended; 0: none. */
uint64_t watch_due(const struct master *master);

/* --- sizing.c */

/* Looks at the load, and moves wanted between its bounds. */
void	sizing_turn(struct master *master);
uint64_t sizing_due(const struct master *master);

/* A worker has said that it became full. */
void	sizing_full(struct master *master);

/* SIGTTIN and SIGTTOU: one more or one fewer. */
void	sizing_ask(struct master *master, bool up);

/* Whether it is too young to be let go, as others can be. */
bool	sizing_is_young(const struct slot *slot);

/* --- master.c */

void	master_title(const struct master *master);
void	master_stop(struct master *master, bool quick);

/* --- reload.c */

/* Begins a reload if one is wanted and can be begun. */
void	reload_turn(struct master *master);

/* A worker of this generation was ready, or died before. */
void	reload_ready(struct master *master, const struct slot *slot);
void	reload_failed(struct master *master, const char *why);

/*
 * In a new worker: closes what is there for the old ones only.  A listener
 * that is given up would else stay open in it, and its clients would wait.
 */
void	reload_enter_worker(const struct master *master);

/* Reopens the logs, here and in the workers. */
void	reload_logs(struct master *master);

/* Lets go of what only the generation before had, if there is one. */
void	reload_close(struct master *master);

/* --- upgrade.c */

/* An upgrade is wished for: noted, or refused with a line in the log. */
void	upgrade_ask(struct master *master);

/* Begins an upgrade if one is wanted, and goes on with it. */
void	upgrade_turn(struct master *master);

/* The process that tries the new program has ended.  False: not that one. */
bool	upgrade_reaped(struct master *master, pid_t pid, int status);

/* The master stops: the try is ended. */
void	upgrade_stop(struct master *master);

/*
 * The new image is no good: the old one takes over again.  Returns if it
 * cannot.
 */
void	upgrade_back(struct master *master, const char *why);

/* --- takeover.c */

struct state;
struct state_listener;
struct state_worker;

/*
 * The scoreboard of the image before, if this one reads it and it is large
 * enough, and its descriptor; or NULL.
 */
struct scoreboard *takeover_board(const struct tine_server *server,
	    unsigned workers, int *fd);

/* How many slots the workers of the image before need. */
unsigned takeover_slots(void);

/*
 * Takes up the workers of the image before, if there was one, and begins the
 * reload that replaces them.
 */
void	takeover_begin(struct master *master, bool has_board);

/* It is complete: there is no way back any more. */
void	takeover_done(void);

/* In a new worker: what the image before left is closed. */
void	takeover_enter_worker(void);

/* A worker's description for the next image. */
void	takeover_note(struct state_worker *worker, const struct slot *slot);

/* What the image before left; NULL: nothing, or it is done with. */
const struct state *takeover_state(const struct state_listener **listeners);

/* Whether all of that outlives exec. */
void	takeover_keep(bool over_exec);

#endif
