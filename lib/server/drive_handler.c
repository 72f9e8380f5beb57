/* SPDX-License-Identifier: ISC */
/*
 * What a handler calls to have its reply sent, or more of its request: it waits
 * for its client itself.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>

#include "../base/clock.h"
#include "drive_parts.h"

/* ms between two notes that a handler waits for its client. */
#define WAIT_LOOK	100

/*
 * Waits until the socket is ready; false after limit ms.  Such waiting is the
 * client's doing, so it is no time of the handler's.
 */
static bool
wait_for(struct exchange *exchange, short events, unsigned limit)
{
	struct connection *conn = exchange->conn;
	struct pollfd wait = { .fd = conn->fd, .events = events };
	uint64_t begun = clock_ms();
	int n;

	if (events == POLLOUT)
		connection_note_untaken(conn);
	do {
		handler_progress(exchange->loop, exchange->thread);
		n = poll(&wait, 1, WAIT_LOOK);
		if (n == 0 && events == POLLOUT && connection_has_taken(conn))
			begun = clock_ms();
		if (n == 0 && limit != 0 && clock_ms() - begun >= limit) {
			errno = ETIMEDOUT;
			return false;
		}
	} while (n == 0 || (n == -1 && errno == EINTR));
	return n == 1;
}

ssize_t
drive_pull(struct exchange *exchange, void *data, size_t size,
    unsigned limit, bool look)
{
	const int flags = MSG_DONTWAIT | (look ? MSG_PEEK : 0);
	struct connection *conn = exchange->conn;
	struct claim *claim = handler_claim(exchange->loop, exchange->thread);
	ssize_t n;

	/* What was sent before was only to ask for the body. */
	if (claim != NULL && exchange->output.sent == 0)
		claim_sent_none(claim);
	for (;;) {
		n = recv(conn->fd, data, size, flags);
		if (n > 0) {
			handler_progress(exchange->loop, exchange->thread);
			/* The poller told of what is now taken, or of more. */
			atomic_fetch_or(&conn->ready, POLLER_READ);
			return n;
		}
		if (n == 0)
			return 0;
		if (errno == EAGAIN && !wait_for(exchange, POLLIN, limit))
			return -1;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
	}
}

int
drive_push(struct exchange *exchange, bool wait)
{
	struct connection *conn = exchange->conn;
	const uint64_t before = exchange->output.sent;
	struct claim *claim = handler_claim(exchange->loop, exchange->thread);

	if (claim != NULL && !claim_send(claim)) {
		errno = EPIPE;		/* its client was told otherwise */
		return -1;
	}
	if (exchange->ends_by_close)
		drive_arm(conn);
	for (;;) {
		const enum sent sent = output_send(&exchange->output,
		    conn->fd);

		/* A handler that moves bytes is not stuck. */
		if (exchange->output.sent != before)
			handler_progress(exchange->loop, exchange->thread);
		switch (sent) {
		case SENT_ALL:
			/* Its file may be begun anew. */
			if (exchange->output.spool.length > 0)
				spool_end(&exchange->output.spool);
			return 0;
		case SENT_FAILED:
			if (errno == ECONNRESET)
				errno = EPIPE;	/* it is gone either way */
			return -1;
		case SENT_PART:
			if (!wait)
				return 0;
			if (!wait_for(exchange, POLLOUT,
			    exchange->loop->settings->send_timeout))
				return -1;
			break;
		}
	}
}
