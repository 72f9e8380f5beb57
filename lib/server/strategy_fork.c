/* SPDX-License-Identifier: ISC */
/*
 * Mode fork: a process for each request.  When a worker looks after its
 * children, and which of them it ends; see children.h for the rest.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "children.h"
#include "forker.h"

/* Those that have closed their socket and go on without it. */
static void
end_failed(const struct loop *loop)
{
	struct child *child;

	TAILQ_FOREACH(child, &children.failed, entry) {
		if (child->is_late || loop_now(loop) - child->progress <
		    loop->settings->timeout)
			continue;
		child->is_late = true;
		child_kill(child);
	}
}

/* When it last moved a byte, which of a conversation only its line tells. */
static uint64_t
progress_of(const struct loop *loop, const struct child *child)
{
	uint64_t told;

	if (!loop->protocol->is_conversation || child->slot == SLOT_NONE)
		return child->progress;
	told = atomic_load_explicit(&scoreboard_handler(loop->board,
	    loop->index, child->slot)->progress, memory_order_relaxed);
	return told > child->progress ? told : child->progress;
}

/* Ends children that neither return nor move a byte; needs a master. */
static void
end_late(struct loop *loop)
{
	const unsigned timeout = loop->settings->timeout;
	struct child *child, *next;

	if (timeout == 0 || loop->settings->workers == 0 ||
	    loop_now(loop) < loop->judge_after)
		return;
	end_failed(loop);
	for (child = TAILQ_FIRST(&children.busy); child != NULL; child = next) {
		next = TAILQ_NEXT(child, entry);
		if (loop_now(loop) < progress_of(loop, child) + timeout)
			continue;
		child->is_late = true;
		child_kill(child);
		child_failed(loop, child);
		if (!thread_self->leads)
			return;
	}
}

/*
 * Spares are thrown away when they have waited for long: what they took with
 * them, such as a connection that post_fork has opened, grows old.  There are
 * new ones, unless fewer are wanted by now.
 */
static void
end_old(struct loop *loop)
{
	const unsigned timeout = loop->settings->spare_timeout;
	struct child *child;

	while (timeout != 0 &&
	    (child = TAILQ_FIRST(&children.spares)) != NULL &&
	    loop_now(loop) - child->progress >= timeout) {
		child_remove_spare(child);
		child_let_go(loop, child);
	}
}

static void
tick(struct loop *loop)
{
	children_send_held(loop);
	end_late(loop);
	if (!thread_self->leads)
		return;
	children_want_fewer(loop);
	end_old(loop);
	children_resume(loop);
}

/* One that waits for a child has more of them forked. */
static bool
is_free(const struct loop *loop)
{
	return atomic_load(&loop->pending) == 0 &&
	    (!TAILQ_EMPTY(&children.spares) ||
	    children.count < loop->settings->max_children);
}

/* Called first, while the process has one thread and no client. */
static int
open_forker(struct loop *loop)
{
	if (children_open(loop->settings) == -1)
		return failure("no memory for %u children",
		    loop->settings->max_children);
	children.forker = forker_start(loop, &children.channel.fd);
	return children.forker == -1 ? -1 : 0;
}

/* Waits for worker_init, which runs there: it is ready, or says why not. */
static int
begin(struct loop *loop)
{
	union {
		struct forker_news	news;
		char			why[512];
	} word;
	ssize_t n;

	do
		n = recv(children.channel.fd, &word, sizeof(word) - 1, 0);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return failure_errno(ECHILD, "the forker died in the hook "
		    "worker_init");
	if (n != (ssize_t)sizeof(word.news) || word.news.news != NEWS_READY)
		return failure_errno(ECHILD, "%.*s", (int)n, word.why);
	if (loop_watch(loop, &children.channel) == -1)
		return failure("cannot watch the forker");
	children_refill(loop);
	return 0;
}

/* The forker ends when its channel does, and its children with it. */
static void
close_forker(struct loop *loop)
{
	(void)loop;
	children_close();
	descriptor_close(children.channel.fd);
	children.channel.fd = -1;
	if (children.forker > 0) {
		while (waitpid(children.forker, NULL, 0) == -1 &&
		    errno == EINTR)
			;
	}
	children.forker = 0;
}

const struct strategy strategy_fork = {
	.name = "fork",
	.open = open_forker,
	.begin = begin,
	.start = children_start,
	.is_free = is_free,
	.resume = children_resume,
	.tick = tick,
	.settle = children_settle,
	.patience = children_patience,
	.close = close_forker
};
