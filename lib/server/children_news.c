/* SPDX-License-Identifier: ISC */
/*
 * Mode fork: what the forker says of its children.  See children.h.
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/descriptor.h"
#include "children.h"
#include "server.h"

static void
close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		descriptor_close(fds[i]);
}

static void
born(struct loop *loop, const struct forker_news *news, const int *fds,
    size_t count)
{
	const bool is_asked = children.asked > 0;
	struct child *child = is_asked && count > 0
	    ? calloc(1, sizeof(*child)) : NULL;

	children.asked -= is_asked;
	if (child == NULL) {
		close_all(fds, count);
		if (is_asked)
			children_note_gone(loop, news->pid, false);
		return;
	}
	if (children.is_failing)
		server_log(loop->server, TINE_LOG_INFO,
		    "children can be forked again");
	children.is_failing = false;
	child->source.fd = fds[0];
	child->source.ready = child_ready;
	child->pid = news->pid;
	child->progress = loop_now(loop);
	children.count++;
	if (loop_watch(loop, &child->source) == -1) {
		child_let_go(loop, child);
		return;
	}
	child_add_spare(child);
	children_resume(loop);
}

static void
log_child(struct loop *loop, const struct child *child, int status)
{
	char how[64];

	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "signal %d (%s%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WCOREDUMP(status) ? ", core dumped" : "");
	else
		(void)snprintf(how, sizeof(how), "exit status %d",
		    WEXITSTATUS(status));
	if (*child->client == '\0')
		server_log(loop->server, TINE_LOG_ERROR, "child %ld ended "
		    "with %s while it waited for a request",
		    (long)child->pid, how);
	else
		server_log(loop->server, TINE_LOG_ERROR, "child %ld ended "
		    "with %s%s while it served client %s, request \"%s\"",
		    (long)child->pid, how, child->is_late
		    ? ", killed for its --timeout," : "", child->client,
		    child->request);
}

/* Told only of those that failed. */
static void
died(struct loop *loop, const struct forker_news *news)
{
	struct child *child;

	TAILQ_FOREACH(child, &children.failed, entry) {
		if (child->pid == news->pid)
			break;
	}
	if (child == NULL)
		return;
	log_child(loop, child, news->status);
	TAILQ_REMOVE(&children.failed, child, entry);
	free(child);
}

static void
fork_failed(struct loop *loop, int error)
{
	children.asked -= children.asked > 0;
	children.retry = loop_now(loop) + CHILDREN_RETRY;
	if (!children.is_failing)
		server_log(loop->server, TINE_LOG_ERROR, "cannot fork a "
		    "child: %s; trying again", strerror(error));
	children.is_failing = true;
}

static void
forker_gone(struct loop *loop)
{
	loop_unwatch(loop, &children.channel);
	if (!loop_is_ending(loop))
		server_log(loop->server, TINE_LOG_ERROR,
		    "the forker has died; this worker leaves");
	/* What waits is for others: nothing can be begun here. */
	loop_end(loop, LOOP_MOVES);
}

void
children_hear(struct loop *loop, struct source *source, unsigned events)
{
	struct forker_news news = { .pid = 0 };
	size_t count = 1;
	int fds[1];
	ssize_t n;

	(void)events;
	n = descriptor_receive_now(source->fd, &news, sizeof(news), fds,
	    &count);
	if (n == -1 && (errno == EAGAIN || errno == ENOMEM ||
	    errno == ENOBUFS))
		return;		/* it is still there */
	if (n == -1 && errno == EMSGSIZE) {
		/* No room for its descriptors: it ends, another is forked. */
		if (children.asked > 0)
			children_note_gone(loop, news.pid, false);
		fork_failed(loop, EMFILE);
		return;
	}
	if (n != (ssize_t)sizeof(news)) {
		close_all(fds, n == -1 ? 0 : count);
		forker_gone(loop);
		return;
	}
	if (news.news != NEWS_BORN)
		close_all(fds, count);
	switch ((enum news)news.news) {
	case NEWS_BORN:
		born(loop, &news, fds, count);
		break;
	case NEWS_DIED:
		died(loop, &news);
		break;
	case NEWS_FAILED:
		fork_failed(loop, news.status);
		break;
	case NEWS_READY:
		break;
	}
}
