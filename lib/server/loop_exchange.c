/* SPDX-License-Identifier: ISC */
/*
 * The exchanges of a loop: each thread keeps one at hand, the others lie in
 * the pool.
 */
#include "loop.h"

struct exchange *
loop_exchange(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;
	struct exchange *exchange = self->kept;

	if (exchange != NULL) {
		self->kept = NULL;
	} else {
		(void)pthread_mutex_lock(&loop->pool_lock);
		exchange = exchange_get(&loop->pool);
		(void)pthread_mutex_unlock(&loop->pool_lock);
	}
	if (exchange == NULL)
		return NULL;
	exchange->conn = conn;
	exchange->loop = loop;
	exchange->output.memory_limit = loop->settings->reply_memory;
	exchange->output.spool_limit = loop->settings->reply_spool;
	exchange->output.spool.space = &loop->space;
	exchange->body.space = &loop->space;
	conn->exchange = exchange;
	loop->protocol->begin(exchange);
	return exchange;
}

void
loop_exchange_end(struct loop *loop, struct connection *conn)
{
	struct thread *self = thread_self;
	struct exchange *exchange = conn->exchange;

	conn->exchange = NULL;
	if (self->kept == NULL && exchange->input.data == exchange->input.own) {
		exchange_reset(exchange);
		exchange->input.start = exchange->input.end = 0;
		exchange->input.wanted = 0;
		self->kept = exchange;
		return;
	}
	(void)pthread_mutex_lock(&loop->pool_lock);
	exchange_put(&loop->pool, exchange);
	(void)pthread_mutex_unlock(&loop->pool_lock);
}
