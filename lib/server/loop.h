/* SPDX-License-Identifier: ISC */
/*
 * The serving loop of a process: its connections, what they wait for, and
 * who leads it.  It knows a protocol and a strategy by their functions only.
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <sys/types.h>
#include <bsd/sys/queue.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/journal.h"
#include "claim.h"
#include "connection.h"
#include "exchange.h"
#include "memory.h"
#include "poller.h"
#include "protocol.h"
#include "scoreboard.h"
#include "settings.h"

#define LOOP_BATCH	64
#define SLOT_NONE	UINT32_MAX	/* no line of the scoreboard is free */
#define SLOTS		256		/* handlers at once in a worker */

struct loop;
struct listener;
struct tine_server;

/* Something else that the loop waits for. */
struct source {
	int	  fd;
	void	(*ready)(struct loop *, struct source *, unsigned events);
};

/* How a loop is asked to end; each includes the ones before it. */
enum loop_end {
	LOOP_RUNS,
	LOOP_MOVES,	/* connections go to other workers */
	LOOP_DRAINS,	/* idle connections stay readable for a while */
	LOOP_SHUTS,	/* idle connections are closed, handlers end */
	LOOP_QUITS	/* nothing is waited for */
};

/*
 * How handlers are run.
 */
struct strategy {
	const char	*name;
	/*
	 * Before all else, while the process has one thread.  Returns -1 with
	 * errno and the text of tine_error().
	 */
	int		 (*open)(struct loop *);
	/* When the loop is open; likewise. */
	int		 (*begin)(struct loop *);
	/*
	 * A whole request.  True: its handler has run, on this thread, and
	 * the caller goes on with the connection.  False: it was taken, to
	 * wait or to run elsewhere, and is no longer the caller's.
	 */
	bool		 (*start)(struct loop *, struct connection *);
	/* Whether a handler could start now; asked by the leader. */
	bool		 (*is_free)(const struct loop *);
	/* Called by the leader between events, when requests are pending. */
	void		 (*resume)(struct loop *);
	/* Called by the leader in each turn, when its events are done. */
	void		 (*settle)(struct loop *);
	/* Called by the leader a few times a second while handlers run. */
	void		 (*tick)(struct loop *);
	/* How long the loop may wait until a tick is due, in ms; -1. */
	int		 (*patience)(const struct loop *);
	void		 (*close)(struct loop *);
};

extern const struct strategy strategy_single, strategy_thread, strategy_fork;

#define HANDOVER_INLINE	((size_t)32 * 1024)	/* bytes of a message's blob */
#define HANDOVER_HOPS	2	/* how often a request may move */

/* Connections on their way to and from other workers; see handover.h. */
struct handover {
	struct source	 source;	/* where they come; fd -1: no others */
	int		 out;		/* where they go; -1 */
	bool		 is_watched;
	char		 state[256];	/* of the protocol, being packed */
};

/* One of the threads of the process that may lead the loop. */
struct thread {
	struct loop	*loop;
	bool		 leads;
	bool		 is_main;	/* the one that called loop_run() */
	unsigned	 step;		/* the mark of its long step, or 0 */
	unsigned	 slot;		/* its line of the scoreboard */
	struct exchange	*kept;		/* an exchange at hand */
	struct exchange	*exchange;	/* whose handler it runs, or NULL */
	struct connection *driven;	/* what it looks after, or NULL */
	uint64_t	 ordinal;	/* of that request in the worker */
	pthread_t	 id;
	LIST_ENTRY(thread) entry;
};

/* The threads, and how they wait for the loop; see step.c. */
struct crew {
	pthread_mutex_t	 lock;
	pthread_cond_t	 spare;		/* there is a token, or an end */
	pthread_cond_t	 back;		/* the main thread leads again */
	pthread_cond_t	 ended;
	LIST_HEAD(, thread) threads;	/* all but the main one */
	LIST_HEAD(, thread) left;	/* ended, to be joined */
	unsigned	 count;		/* threads there are, spares too */
	unsigned	 spares;	/* that wait */
	unsigned	 tokens;	/* loops given away: 0 or 1 */
	bool		 is_open;
	bool		 is_ending;
	pthread_t	 watcher;
	bool		 has_watcher;	/* the leader's */
	bool		 is_told;	/* that there can be none */
	atomic_uint	 watcher_sleeps;	/* a futex word */
	atomic_bool	 watcher_ends;
	atomic_bool	 back_wanted;
	_Atomic uint32_t slots[SLOTS / 32];	/* bits: slots in use */
};

/*
 * Who may touch what.  "The leader" is the one thread whose thread.leads is
 * true; see step.c for how that changes hands.
 *
 * A thread that does not lead may touch what is constant and what is
 * anybody's; its own struct thread; the connection that it owns, that is the
 * second group of it, with its exchange; its handler's line of the scoreboard
 * and claim; and the crew and the pool under their locks.
 *
 * Nor may the leader touch more of what it does not own: of a connection only
 * what is its own there, and the bits; of a handler that another thread runs
 * the line of the scoreboard, and the claim, which lends the exchange to who
 * takes it (see claim.h).
 *
 * What is the leader's alone is asserted where it is changed: loop_leads().
 */
struct loop {
	/* Constant while the loop runs. */
	const struct settings	*settings;
	const struct protocol	*protocol;
	const struct strategy	*strategy;
	struct tine_server	*server;
	struct scoreboard	*board;
	struct worker_line	*line;
	unsigned		 index;		/* of line */
	struct spool_space	 space;
	struct journal		*requests;	/* the request log */
	struct journal		*errors;	/* the error log */
	unsigned		 patience[CONNECTION_STATES];	/* ms, 0: none */
	bool			 is_threaded;	/* long steps may be taken */
	bool			 is_child;	/* of mode fork: runs a handler */
	bool			(*verify)(struct tine_server *,
				    const struct peer *);
	void			(*turned)(struct tine_server *);

	/* The leader's alone. */
	int			 turn_within;	/* ms: turned wants it; -1 */
	struct poller		*poller;
	struct poller_event	 events[LOOP_BATCH];
	int			 event_count, event_next;
	struct connection_table	 table;
	struct connection_list	 lists[CONNECTION_STATES];
	uint64_t		 due;		/* ms: no deadline is before it */
	struct listener		*listeners;
	size_t			 listener_count;
	bool			 is_accepting;	/* listeners are polled */
	bool			 is_obliged;	/* to accept one */
	bool			 is_emptying;	/* the queues, before closing */
	unsigned		 emptying_left;	/* turns for that */
	uint64_t		 accept_after;	/* ms: not before */
	uint64_t		 balance_after;	/* ms: the next look at shares */
	uint32_t		 balanced;	/* connections at the last one */
	unsigned		 accept_limit;	/* connections still to take;
						   UINT32_MAX: any number */
	uint64_t		 accept_until;	/* ms: give up if none came; 0 */
	int			 reserve;	/* a descriptor to give up */
	enum loop_end		 end_seen;
	uint64_t		 end_since;	/* ms */
	uint64_t		 judge_after;	/* ms: nobody is late before */
	uint64_t		 checked;	/* ms: its descriptors */
	struct source		 kick;
	struct handover		 handover;
	struct connection	*returning;	/* of those, the ones to drive */
	struct connection	*resuming;	/* the same of those paused */
	uint64_t		 resumed;	/* ms: the last look for memory */
	uint64_t		 ticked;	/* ms: the strategy's last tick */
	unsigned		 held;		/* children that wait for clients */
	unsigned		 written_off;	/* connections of lost threads */
	uint64_t		 complained;	/* ms: of a proxy, last */
	unsigned		 complaints;	/* since then, not written */
	_Atomic uint64_t	 average;	/* ns: of handlers lately */

	/* Anybody's, atomically. */
	_Atomic uint64_t	 now;		/* ms, of this turn */
	_Atomic uint64_t	 turns;		/* the poller was asked */
	atomic_uint		 word;		/* sequence, lowest bit: takable */
	_Atomic(struct connection *) returned;	/* given back to the leader */
	_Atomic(struct connection *) paused;	/* not read, for want of memory */
	struct memory		 memory;	/* of clients */
	atomic_int		 end_wanted;	/* enum loop_end */
	atomic_bool		 is_kicked;
	atomic_uint		 pending;	/* length of that list */
	_Atomic uint64_t	 ordinals;	/* requests begun */

	struct crew		 crew;		/* under its own lock */
	pthread_mutex_t		 pool_lock;
	struct exchange_pool	 pool;		/* under pool_lock */
	/* Of the handlers in hand: as many as there are lines for them. */
	unsigned		 claim_count;	/* SLOTS at most */
	struct claim		 claims[];
};

/* The thread that is running, or NULL outside of a loop. */
extern _Thread_local struct thread *thread_self;

/* For assert(3): this thread leads, or the loop is only being made. */
static inline bool
loop_leads(const struct loop *loop)
{
	return thread_self == NULL ||
	    (thread_self->loop == loop && thread_self->leads);
}

static inline uint64_t
loop_now(const struct loop *loop)
{
	return atomic_load_explicit(&loop->now, memory_order_relaxed);
}

/*
 * Which turn it is.  What a client can have learned of by a reply happened in
 * the turn in which its next request is seen, or before: so what was looked
 * at in a turn need not be looked at again in it.
 */
static inline uint64_t
loop_turns(const struct loop *loop)
{
	return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}

/* A loop for a process of board, which free(3) frees; NULL with errno. */
struct loop *loop_new(struct scoreboard *board);

/*
 * Makes the loop ready to run; listeners, journals and hooks have been filled
 * in by the caller.  loop_start() then makes ready for threads, and may
 * wait for other processes.  Both return -1 with errno and the text of
 * tine_error().
 */
int	loop_open(struct loop *loop);
int	loop_start(struct loop *loop);
void	loop_close(struct loop *loop);

/* Runs until it is asked to end and has done so. */
void	loop_run(struct loop *loop);

/*
 * Asks the loop to end, from anywhere, a signal handler too.
 */
void	loop_end(struct loop *loop, enum loop_end how);

/* Wakes the leader, from anywhere, a signal handler too. */
void	loop_kick(struct loop *loop);

/* Whether no further request should be invited on a connection. */
static inline bool
loop_is_ending(const struct loop *loop)
{
	if (atomic_load_explicit(&loop->end_wanted, memory_order_relaxed) >
	    LOOP_MOVES)
		return true;
	/* A child of mode fork is told by its worker's line. */
	return loop->is_child && atomic_load_explicit(&loop->line->is_closing,
	    memory_order_relaxed) != 0;
}

/*
 * Whether a conversation, which cannot move, has only so much time left.  To a
 * child an end by draining only says that it has no further request.
 */
static inline bool
loop_is_leaving(const struct loop *loop)
{
	const int wanted = atomic_load_explicit(&loop->end_wanted,
	    memory_order_relaxed);

	if (!loop->is_child)
		return wanted != LOOP_RUNS;
	return wanted > LOOP_DRAINS || atomic_load_explicit(
	    &loop->line->state, memory_order_relaxed) >= WORKER_LEAVING;
}

/* Whether idle connections are closed. */
static inline bool
loop_is_shut(const struct loop *loop)
{
	return atomic_load_explicit(&loop->end_wanted, memory_order_relaxed) >=
	    LOOP_SHUTS;
}

/* Whether the loop was made for one request: handle_request(). */
static inline bool
loop_is_single_shot(const struct loop *loop)
{
	return loop->accept_limit != UINT32_MAX;
}

/* Adds a source, level-triggered.  Leader only. */
int	loop_watch(struct loop *loop, struct source *source);
void	loop_unwatch(struct loop *loop, struct source *source);

/* --- loop.c, lists.c, returned.c, loop_exchange.c: for the other rooms */

/* One turn, of at most timeout ms; false when the thread lost the loop. */
bool	loop_turn(struct loop *loop, struct thread *self, int timeout);
void	loop_lead(struct loop *loop, struct thread *self);

/* Puts conn into the list of a state, and polls it.  Leader only. */
int	loop_settle(struct loop *loop, struct connection *conn,
	    enum connection_state state);

/* Has the poller forget conn, until it is settled again.  Leader only. */
void	loop_unpoll(struct loop *loop, struct connection *conn);

/* Hands conn, still owned, to the leader, who will drive it. */
void	loop_return(struct loop *loop, struct connection *conn);

/* Keeps conn, still owned, unread until there is memory. */
void	loop_pause(struct loop *loop, struct connection *conn);

/* Takes conn out of all that knows it and closes it.  Leader only. */
void	loop_forget(struct loop *loop, struct connection *conn);

/* An exchange for conn; NULL when there is no memory. */
struct exchange *loop_exchange(struct loop *loop, struct connection *conn);
void	loop_exchange_end(struct loop *loop, struct connection *conn);

/*
 * Appends a whole request to those that wait for a handler; a thread that
 * does not lead gives it to the leader, who looks at it anew.
 */
void	loop_pend(struct loop *loop, struct connection *conn);
struct connection *loop_unpend(struct loop *loop);

/* Puts it back before the others.  Leader only. */
void	loop_pend_first(struct loop *loop, struct connection *conn);

/* --- drive.c */

/* Takes conn, which is owned, as far as it goes without waiting. */
void	drive(struct loop *loop, struct connection *conn);

/* The same for a connection whose handler has just run. */
void	drive_handled(struct loop *loop, struct connection *conn);

/* A deadline of conn's has passed; conn is owned. */
void	drive_expired(struct loop *loop, struct connection *conn);

/*
 * A reply that only the close delimits goes out before it is complete: from
 * now on the kernel sends a reset should this process die.
 */
void	drive_arm(struct connection *conn);

/* The reply is complete. */
void	drive_disarm(struct connection *conn);

/* What a handler calls to have its output sent: see exchange.h. */
int	drive_push(struct exchange *exchange, bool wait);
ssize_t	drive_pull(struct exchange *exchange, void *data, size_t size,
	    unsigned limit, bool look);

/* Ends conn without a word, or so that a cut reply shows. */
void	drive_end(struct loop *loop, struct connection *conn);

/* --- accept.c */

/* Looks at the share of this worker, and polls the listeners or not. */
void	accept_balance(struct loop *loop);

/*
 * Takes what still waits in the queues, one from each in a turn, for so many
 * turns at most; then no more.
 */
void	accept_end(struct loop *loop, unsigned turns);
void	accept_rest(struct loop *loop);
void	accept_ready(struct loop *loop, struct source *source,
	    unsigned events);

/*
 * Whether the client of conn may be served; if not, conn has been ended.
 * Leader only.
 */
bool	accept_admit(struct loop *loop, struct connection *conn);

/* How long the loop may wait before it has to look again; -1: for ever. */
int	accept_patience(const struct loop *loop);

/* --- packets.c */

/* Whether a datagram may be taken.  Leader only. */
bool	packets_are_wanted(const struct loop *loop);
void	packets_ready(struct loop *loop, struct source *source,
	    unsigned events);

/* Sends the reply in conn's output by the socket that it came in by. */
enum sent packets_send(const struct loop *loop, struct connection *conn);

/* --- proxied.c */

enum proxied {
	PROXIED_MORE,	/* more of the header has to come */
	PROXIED_DONE,	/* the input begins with what is the client's */
	PROXIED_BAD	/* close without a word: the log has it */
};

/*
 * Takes the header that a proxy begins with from the input, and from it the
 * client's address for conn->peer.  Leader only.
 */
enum proxied proxied_read(struct loop *loop, struct connection *conn);

/* A line in the error log: why is said of the header of conn's proxy. */
void	proxied_complain(struct loop *loop, const struct connection *conn,
	    const char *why);

/* --- step.c */

/* What the step about to be taken may block; see step.c. */
void	step_begin(struct loop *loop, struct thread *self);

/* Returns whether the thread still leads, if it did. */
bool	step_end(struct loop *loop, struct thread *self);

/* Gives the loop to another thread; the caller no longer leads. */
void	step_give(struct loop *loop, struct thread *self);

void	crew_open(struct loop *loop, struct thread *main_thread);
void	crew_close(struct loop *loop, struct thread *main_thread);

/* Waits as a spare until the thread leads (true) or shall end (false). */
bool	crew_wait(struct loop *loop, struct thread *self);

/* The main thread asks for the loop back, and waits until it leads. */
void	crew_take_back(struct loop *loop, struct thread *self);

/* Called by a leader between two events: gives the loop to who asked. */
bool	crew_yield_now(struct loop *loop, struct thread *self);

static inline bool
crew_yield(struct loop *loop, struct thread *self)
{
	return !self->is_main && atomic_load_explicit(&loop->crew.back_wanted,
	    memory_order_relaxed) && crew_yield_now(loop, self);
}

/* --- handler.c */

/* A line of the scoreboard for a handler that runs, or SLOT_NONE. */
unsigned crew_slot(struct loop *loop);
void	crew_slot_end(struct loop *loop, unsigned slot);

/* Runs the handler of conn on this thread, noting it on the scoreboard. */
void	handler_run(struct loop *loop, struct thread *self,
	    struct connection *conn);

/* Notes on the scoreboard that the handler of thread moves bytes. */
void	handler_progress(struct loop *loop, const struct thread *thread);

/* The claim of the handler that a thread runs; NULL if it has no slot. */
static inline struct claim *
handler_claim(struct loop *loop, const struct thread *thread)
{
	return thread == NULL || thread->slot == SLOT_NONE ? NULL
	    : &loop->claims[thread->slot % SLOTS];
}

#endif
