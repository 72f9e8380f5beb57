/* SPDX-License-Identifier: ISC */
/*
 * What a process that a handler forks, by itself or by a library that it
 * calls, has to let go of.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "../base/descriptor.h"
#include "loop.h"
#include "server.h"
#include "server_parts.h"

/*
 * A process that a handler forks is none of ours: what it held open would keep
 * clients waiting for their end, and the port from being free.
 */
static const struct loop *guarded;

/* Whether it is the client that the handler speaks to, which forks. */
static bool
is_spoken_to(const struct loop *loop, const struct connection *conn)
{
	return loop->protocol->is_conversation && thread_self != NULL &&
	    thread_self->exchange != NULL &&
	    thread_self->exchange->conn == conn;
}

static void
forked_by_handler(void)
{
	const struct loop *loop = guarded;

	if (loop == NULL)
		return;
	guarded = NULL;
	for (size_t i = 0; i < loop->listener_count; i++)
		descriptor_close(loop->listeners[i].source.fd);
	for (uint32_t i = 0; i < loop->table.used; i++) {
		const struct connection *conn = &loop->table.entries[i];

		if (conn->state != CONNECTION_FREE && !is_spoken_to(loop, conn))
			descriptor_close(conn->fd);
	}
	descriptor_close(loop->server->control);
	descriptor_close(loop->server->handover[0]);
	descriptor_close(loop->server->handover[1]);
}

void
server_guard(const struct loop *loop)
{
	guarded = loop;
}

void
server_guard_forks(void)
{
	static bool is_guarded;

	if (!is_guarded)
		is_guarded = pthread_atfork(NULL, NULL,
		    forked_by_handler) == 0;
}
