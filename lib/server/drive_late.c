/* SPDX-License-Identifier: ISC */
/*
 * What becomes of a connection whose deadline has passed, or is looked at
 * because the loop ends.
 */
#include "drive_parts.h"

/* Until its time a stop leaves it as long as an idle connection. */
void
late_proxy(struct loop *loop, struct connection *conn)
{
	const unsigned most = loop->settings->header_timeout;
	const bool is_late = most != 0 && loop_now(loop) - conn->begun >= most;

	if (is_late)
		proxied_complain(loop, conn, "does not come");
	if (is_late || loop->end_seen >= LOOP_SHUTS ||
	    (loop->end_seen == LOOP_DRAINS && loop_now(loop) >=
	    loop->end_since + loop->settings->drain_idle))
		drive_end(loop, conn);
	else
		drive(loop, conn);
}

void
late_idle(struct loop *loop, struct connection *conn)
{
	uint64_t due = conn->since + loop->settings->keep_alive;

	if (loop->end_seen == LOOP_DRAINS)
		due = loop->end_since + loop->settings->drain_idle;
	if (due <= loop_now(loop) || loop->end_seen >= LOOP_SHUTS)
		drive_end(loop, conn);
	else
		drive(loop, conn);
}

/*
 * Whether a head or a body still comes fast enough: a head at the minimum
 * rate has twice its time in all, a body as long as it takes.
 */
static bool
comes(const struct loop *loop, const struct connection *conn)
{
	const struct settings *settings = loop->settings;
	const uint64_t past = loop_now(loop) - conn->begun;
	const uint64_t silent = loop_now(loop) - conn->since;
	const uint64_t first = conn->state == CONNECTION_HEAD
	    ? settings->header_timeout : settings->body_timeout;

	if (past < first)
		return true;
	if (conn->state == CONNECTION_BODY && silent >= first)
		return false;
	if (conn->state == CONNECTION_HEAD && past >= 2 * first)
		return false;
	return conn->bytes * 1000 >= settings->minimum_rate * (past - first) &&
	    silent < first;
}

void
late_request(struct loop *loop, struct connection *conn)
{
	if (comes(loop, conn)) {
		drive(loop, conn);
		return;
	}
	conn->exchange->is_close = true;
	loop->protocol->late(conn->exchange);
	if (output_is_empty(&conn->exchange->output)) {
		drive_end(loop, conn);
		return;
	}
	conn->exchange->is_unread = true;
	drive_enter(loop, conn, CONNECTION_DRAINING);
	atomic_fetch_or(&conn->ready, POLLER_WRITE);
	drive(loop, conn);
}

void
late_sending(struct loop *loop, struct connection *conn)
{
	if (loop_now(loop) - conn->since < loop->settings->send_timeout) {
		drive(loop, conn);
		return;
	}
	if (connection_has_taken(conn)) {
		conn->since = loop_now(loop);
		drive(loop, conn);
		return;
	}
	conn->exchange->is_broken = conn->exchange->ends_by_close;
	drive_end(loop, conn);
}

void
late_lingering(struct loop *loop, struct connection *conn)
{
	const struct settings *settings = loop->settings;
	const uint64_t now = loop_now(loop);

	if (now - conn->since >= settings->linger_read ||
	    now - conn->begun >= settings->linger_limit ||
	    loop->end_seen > LOOP_MOVES)
		drive_end(loop, conn);
	else
		drive(loop, conn);
}
