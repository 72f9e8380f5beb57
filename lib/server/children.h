/* SPDX-License-Identifier: ISC */
/*
 * Mode fork, the worker's side: the children that it keeps, what it gives
 * them and what they answer.  All of it belongs to the leader of the loop.
 *
 *   children.c		how many there are, and how one comes to its end
 *   children_give.c	a whole request goes to a spare child
 *   children_reply.c	what a child answers, kept or sent to the client
 *   children_news.c	what the forker says
 *   strategy_fork.c	when all that is done, and deadlines
 *
 * The process at the other end is child.c's, the one between forker.c's.
 */
#ifndef SERVER_CHILDREN_H
#define SERVER_CHILDREN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "record.h"

enum child_state {
	CHILD_SPARE, CHILD_BUSY,
	CHILD_DONE,		/* has answered, and is let go in a moment */
	CHILD_FAILED		/* its socket is closed; its status is not here */
};

struct child {
	struct source		 source;	/* first; its socket */
	TAILQ_ENTRY(child)	 entry;
	enum child_state	 state;
	pid_t			 pid;
	unsigned		 requests;
	unsigned		 slot;		/* on the scoreboard */
	struct connection	*conn;		/* while it is busy */
	uint64_t		 progress;	/* ms; of a spare: its birth */
	bool			 is_failed;	/* ended without END */
	bool			 is_late;	/* killed for its --timeout */
	bool			 is_held;	/* not read: its reply is full */
	bool			 is_flushing;	/* a part has still to go */
	bool			 is_dropped;	/* nobody wants the reply */
	char			 request[256];	/* for the log */
	char			 client[64];
};

TAILQ_HEAD(child_list, child);

/* One in a process: the loop's strategy has no place of its own in it. */
struct children {
	struct source		 channel;	/* to the forker */
	pid_t			 forker;
	struct child_list	 spares, busy, done, failed;
	unsigned		 count;		/* children, spare or busy */
	unsigned		 spare_count;
	unsigned		 asked;		/* to be born */
	uint64_t		 done_since;	/* ms: one of done */
	unsigned		 target;	/* spares wanted */
	uint64_t		 decay;		/* ms: when that may shrink */
	bool			 is_failing;	/* fork(2) fails */
	uint64_t		 retry;		/* ms: to ask again */
	unsigned		 deaths;	/* of spares, one after another */
	struct forker_gone	*gone;		/* max_children; not told yet */
	unsigned		 gone_count;
};

extern struct children children;

/* --- children.c */

int	children_open(const struct settings *settings);
void	children_close(void);

/* Tells the forker what is wanted, and who has ended. */
void	children_refill(struct loop *loop);

/* Requests wait: more are forked ahead for a while, as Apache does. */
void	children_want_more(struct loop *loop);
void	children_want_fewer(const struct loop *loop);

/* When a tick has something to do although no client says a word; ms or -1. */
int	children_patience(const struct loop *loop);

/* After how many ms a fork that failed is tried again, at first. */
#define CHILDREN_RETRY	((uint64_t)100)

void	child_add_spare(struct child *child);
void	child_remove_spare(struct child *child);

/* A child, perhaps one that was never ours, has ended or soon will. */
void	children_note_gone(const struct loop *loop, pid_t pid, bool is_asked);

/*
 * The child gets no more requests, and unless its status is wanted nothing is
 * kept of it.  It ends when its socket is closed, if it has not ended yet.
 */
void	child_let_go(struct loop *loop, struct child *child);

/* It has answered: its client comes first, then it is let go. */
void	child_done(struct loop *loop, struct child *child);
void	child_let_go_done(struct loop *loop, struct child *child);

/* Lets those go whose client has had a moment to take its reply. */
void	children_settle(struct loop *loop);

/* A spare has ended by itself. */
void	child_died_idle(struct loop *loop, struct child *child);

/* By the forker, whose child it is. */
void	child_kill(const struct child *child);

/* --- children_give.c */

/* As in struct strategy. */
bool	children_start(struct loop *loop, struct connection *conn);
void	children_resume(struct loop *loop);

/* A spare serves conn; it does no more, and is in no list. */
void	child_begin(struct loop *loop, struct child *child,
	    struct connection *conn);
void	child_end(struct loop *loop, struct child *child);

/* Whether its reply waits for the client: with is_held it is not read. */
void	child_hold(struct loop *loop, struct child *child, bool is_held,
	    bool is_flushing);

/* --- children_reply.c */

/* Its socket has something to be read; for struct source. */
void	child_ready(struct loop *loop, struct source *source,
	    unsigned events);

/* The reply cannot be completed: 500 if nothing of it is out, else a cut. */
void	child_failed(struct loop *loop, struct child *child);

/* Sends what can be sent of the replies that wait for their clients. */
void	children_send_held(struct loop *loop);

/* --- children_news.c */

/* The forker says something; for struct source. */
void	children_hear(struct loop *loop, struct source *source,
	    unsigned events);

#endif
