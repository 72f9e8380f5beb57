/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of a crash share.  All of it may be called in a signal
 * handler, in a process whose memory may be broken: see crash.c.
 */
#ifndef SERVER_CRASH_PARTS_H
#define SERVER_CRASH_PARTS_H

#include <sys/types.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "claim.h"
#include "crash.h"

struct connection;
struct exchange;
struct thread;

#define CRASH_STACK	((size_t)128 * 1024)	/* of the handler of signals */

struct crash {
	struct loop		*loop;		/* NULL: not prepared */
	pid_t			 pid, master;
	pid_t			 forker;	/* of a child, in mode fork */
	bool			 is_child;
	atomic_int		 is_taken;	/* a thread is in here */
	atomic_bool		 is_there;	/* the leader shall finish */
	atomic_int		 is_finishing;	/* a thread does */
	atomic_bool		 is_finished;
	atomic_int		 lost;		/* handlers that will not end */
	atomic_int		 answered;	/* of those, let go of */
	pthread_key_t		 key;		/* tells of a thread's end */

	/* What happened, and how far the farewell is: the thread's in here. */
	int			 sig;		/* 0: it was left */
	siginfo_t		 info;
	struct thread		*victim;	/* whose handler is lost */
	struct exchange		*exchange;	/* of that handler */
	enum claim_state	 claimed;	/* what the victim's was */
	struct connection	*driven;	/* lost with no handler */
	const char		*what;		/* of sig 0 */
	unsigned		 step;
	unsigned		 faults;

	/* How far the connections are: the thread's that finishes. */
	uint64_t		 until;		/* ms */
	unsigned		 phase;
	uint32_t		 next;		/* in the table */
};

extern struct crash crash;

/* This thread lets the other handlers end and gives the connections away. */
extern _Thread_local bool crash_finishes;

/*
 * What is done in here may fault: a signal that is blocked then ends the
 * process at once.  A handler may have blocked some, and a checker that stands
 * between the kernel and this one blocks all.
 */
void	crash_admit_faults(void);

/* --- crash_client.c */

/*
 * Tells the client of a lost handler, nothing of whose reply is out, and lets
 * another worker linger on its connection.  False: it could not be told.
 */
bool	crash_answer(const struct loop *loop, struct exchange *exchange,
	    int status);

/* Whether nothing of a reply is out; then nothing will be. */
bool	crash_is_quiet(const struct exchange *exchange);

/* From now on the connection may be looked at, and moves. */
void	crash_part_with(struct connection *conn);

/* What a handler was at when its claim was taken; NONE: it was not had. */
enum claim_state crash_claim(struct claim *claim);

/* The same of the handler of this thread. */
enum claim_state crash_claim_own(struct loop *loop,
	    const struct thread *self);

/*
 * That of another thread: its exchange, or NULL.  The thread itself may have
 * forgotten it, for its handler has returned just now.
 */
struct exchange *crash_claim_other(struct loop *loop,
	    enum claim_state *state);

/* The handler of victim, with exchange, will not end: its client is told. */
void	crash_lose(struct loop *loop, const struct thread *victim,
	    struct exchange *exchange, enum claim_state claimed, int status);

/* A hook has crashed on the thread that leads, while nothing is handled. */
void	crash_lose_driven(struct loop *loop, struct connection *conn);

/* --- crash_report.c */

/* A line of the error log, past the journal. */
void	crash_say(const char *text, size_t length);

/* Why the handler of victim, or NULL, was lost; sig 0: by what how says. */
void	crash_report(const struct thread *victim, int sig,
	    const siginfo_t *info, const char *how);

/* --- crash_rescue.c */

/*
 * Does what crash_finish() does: it goes on where a fault has ended it.
 */
void	crash_go_on(struct loop *loop);

#endif
