/* SPDX-License-Identifier: ISC */
/*
 * Where datagrams are served there are no connections to accept.  A datagram
 * is taken from its socket when its handler can start, so what comes while a
 * worker is busy waits there for any of them that is free.  While it is in
 * hand it is a connection without a descriptor.
 */
#include <assert.h>

#include "../base/cold.h"
#include "listener.h"
#include "loop.h"

bool
packets_are_wanted(const struct loop *loop)
{
	return loop->end_seen == LOOP_RUNS && loop->accept_limit > 0 &&
	    loop->table.count < loop->table.size &&
	    loop->strategy->is_free(loop);
}

/* False: none was there, or another worker was quicker. */
static bool
receive(struct loop *loop, struct connection *conn,
    const struct listener *listener)
{
	struct exchange *exchange = loop_exchange(loop, conn);
	int got = 0;

	conn->listener = (uint16_t)(listener - loop->listeners);
	if (exchange != NULL)
		got = loop->protocol->receive(exchange, listener->source.fd);
	if (exchange != NULL && got != 1)
		exchange->is_done = true;	/* nothing was begun */
	if (got != 0 && loop->accept_limit != UINT32_MAX)
		loop->accept_limit--;
	return got == 1;
}

void
packets_ready(struct loop *loop, struct source *source, unsigned events)
{
	struct connection *conn;

	(void)events;
	assert(loop_leads(loop));
	if (!packets_are_wanted(loop))
		return;			/* it is not asked for much longer */
	conn = connection_new(&loop->table, -1);
	if (conn == NULL)
		return;
	if (!receive(loop, conn, (const struct listener *)source)) {
		drive_end(loop, conn);
		return;
	}
	atomic_fetch_add_explicit(&loop->line->accepted, 1,
	    memory_order_relaxed);
	conn->since = conn->begun = loop_now(loop);
	if (loop->verify == NULL || loop->verify(loop->server, &conn->peer))
		drive(loop, conn);
	else
		drive_end(loop, conn);
}

APART enum sent
packets_send(const struct loop *loop, struct connection *conn)
{
	loop->protocol->send(conn->exchange,
	    loop->listeners[conn->listener].source.fd);
	return SENT_ALL;
}
