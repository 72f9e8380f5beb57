/* SPDX-License-Identifier: ISC */
/*
 * What the rooms of a connection's life share.
 */
#ifndef SERVER_DRIVE_PARTS_H
#define SERVER_DRIVE_PARTS_H

#include "loop.h"

/* How many requests that are already there one connection may go on with. */
#define TURN	16

enum next {
	NEXT_GO,	/* there is more to do */
	NEXT_WAIT,	/* nothing to do until something comes */
	NEXT_LEFT	/* the connection is no longer ours */
};

/*
 * Moves conn to the state next.  Nothing else writes conn->state, so its
 * deadline and what it waits for cannot disagree.  The leader puts it into
 * the list of that state when it has to wait there, not before.
 */
static inline void
drive_enter(struct loop *loop, struct connection *conn,
    enum connection_state next)
{
	if (conn->state == next)
		return;
	conn->state = (uint8_t)next;
	conn->begun = conn->since = loop_now(loop);
	conn->bytes = 0;
}

static inline enum next
drive_over(struct loop *loop, struct connection *conn)
{
	drive_end(loop, conn);
	return NEXT_LEFT;
}

/* --- drive.c */

/* All is sent, and the client may still be sending. */
enum next drive_linger(struct loop *loop, struct connection *conn);

/* --- drive_receive.c */

enum next drive_receive(struct loop *loop, struct connection *conn);

/* Looks at the input that is there. */
enum next drive_frame(struct loop *loop, struct connection *conn);

/* The request is whole: to its handler. */
enum next drive_run(struct loop *loop, struct connection *conn);

/* --- drive_send.c */

enum next drive_send(struct loop *loop, struct connection *conn);

/* --- drive_late.c: a deadline of that state has passed */

void	late_proxy(struct loop *loop, struct connection *conn);
void	late_idle(struct loop *loop, struct connection *conn);
void	late_request(struct loop *loop, struct connection *conn);
void	late_sending(struct loop *loop, struct connection *conn);
void	late_lingering(struct loop *loop, struct connection *conn);

#endif
