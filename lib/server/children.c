/* SPDX-License-Identifier: ISC */
/*
 * The children of a worker in mode fork: how many there are and should be,
 * and how one comes to its end.  See children.h.
 */
#include <sys/socket.h>
#include <sys/syscall.h>

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "children.h"

#define DECAY	1000	/* ms after which fewer spares are wanted again */
#define SETTLE	1	/* ms that a client has before its child ends */
#define LOOK	250	/* ms: no ticks come more often */
#define LIVED	1000	/* ms: it was ready for requests */
#define ENOUGH	16	/* spares: with more of them each costs more */
#define DEATHS	7	/* of generations: the pause grows no more */

struct children children;

void
child_add_spare(struct child *child)
{
	child->state = CHILD_SPARE;
	TAILQ_INSERT_TAIL(&children.spares, child, entry);
	children.spare_count++;
}

void
child_remove_spare(struct child *child)
{
	TAILQ_REMOVE(&children.spares, child, entry);
	children.spare_count--;
}

/*
 * How many children there should be more.  While more spares than usual are
 * kept, so that there are many requests, they are asked for by the dozen.
 */
static unsigned
lacking(const struct loop *loop)
{
	const unsigned most = loop->settings->max_children;
	const bool is_usual = children.target <= loop->settings->spare_children;
	unsigned count;

	if (children.spare_count >= children.target || children.count >= most)
		return 0;
	if (!is_usual && children.spare_count > children.target / 2)
		return 0;
	count = children.target - children.spare_count;
	return count < most - children.count ? count : most - children.count;
}

static int
send_order(unsigned count, unsigned gone_count)
{
	struct forker_order order = {
		.count = count, .gone_count = gone_count
	};
	const size_t told = gone_count * sizeof(order.gone[0]);
	const size_t size = offsetof(struct forker_order, gone) + told;

	memcpy(order.gone, children.gone + children.gone_count - gone_count,
	    told);
	if (send(children.channel.fd, &order, size,
	    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		return -1;
	children.gone_count -= gone_count;
	children.asked += count;
	return 0;
}

/*
 * The forker is told by the next order, which takes all of them: so no more
 * can gather than children there may be.
 */
void
children_note_gone(const struct loop *loop, pid_t pid, bool is_asked)
{
	assert(children.gone_count < loop->settings->max_children);
	children.gone[children.gone_count++] = (struct forker_gone){
		.pid = pid, .is_asked = is_asked
	};
}

void
child_let_go(struct loop *loop, struct child *child)
{
	const int fd = child->source.fd;

	loop_unwatch(loop, &child->source);
	children.count--;
	children_note_gone(loop, child->pid, child->is_failed);
	if (child->is_failed) {
		child->source.fd = -1;
		child->state = CHILD_FAILED;
		TAILQ_INSERT_TAIL(&children.failed, child, entry);
	} else {
		free(child);
	}
	descriptor_close(fd);
}

void
child_done(struct loop *loop, struct child *child)
{
	if (TAILQ_EMPTY(&children.done))
		children.done_since = loop_now(loop);
	child->state = CHILD_DONE;
	TAILQ_INSERT_TAIL(&children.done, child, entry);
}

void
child_let_go_done(struct loop *loop, struct child *child)
{
	TAILQ_REMOVE(&children.done, child, entry);
	child_let_go(loop, child);
}

static void
let_go_all_done(struct loop *loop)
{
	struct child *child;

	while ((child = TAILQ_FIRST(&children.done)) != NULL)
		child_let_go_done(loop, child);
}

/*
 * Tells the forker how many children are wanted and which have ended.  It
 * gets one order at a time: what happens while it forks goes into the next,
 * so that it is woken the less, the more there is to do.
 */
void
children_refill(struct loop *loop)
{
	unsigned count;

	let_go_all_done(loop);
	if (children.asked > 0)
		return;
	count = loop_now(loop) < children.retry ? 0 : lacking(loop);
	/* The last packet asks for children, so that all were told before. */
	while (children.gone_count > ORDER_GONE) {
		if (send_order(0, ORDER_GONE) == -1)
			return;
	}
	if (count > 0 || children.gone_count > 0)
		(void)send_order(count, children.gone_count);
}

void
children_want_more(struct loop *loop)
{
	if (children.asked == 0 && loop_now(loop) >= children.retry &&
	    children.target < ENOUGH &&
	    children.target < loop->settings->max_children)
		children.target *= 2;
	children.decay = loop_now(loop) + DECAY;
	children_refill(loop);
}

/* The loop may have slept for long: what was due meanwhile is made up for. */
void
children_want_fewer(const struct loop *loop)
{
	while (children.target > loop->settings->spare_children &&
	    loop_now(loop) >= children.decay) {
		children.target /= 2;
		if (children.target < loop->settings->spare_children)
			children.target = loop->settings->spare_children;
		children.decay += DECAY;
	}
}

/*
 * To end a process takes longer than its request did, and so does making the
 * next one: while there are spares, both wait until the client has its reply,
 * which it may need this very processor for.
 */
void
children_settle(struct loop *loop)
{
	if (!TAILQ_EMPTY(&children.done) &&
	    loop_now(loop) >= children.done_since + SETTLE)
		children_refill(loop);
}

int
children_patience(const struct loop *loop)
{
	const struct child *first = TAILQ_FIRST(&children.spares);
	const unsigned timeout = loop->settings->spare_timeout;
	const uint64_t now = loop_now(loop);

	if (!TAILQ_EMPTY(&children.done))
		return SETTLE;
	if (children.asked == 0 &&
	    (children.gone_count > 0 || lacking(loop) > 0))
		return LOOK;
	if (first == NULL || timeout == 0)
		return -1;
	return first->progress + timeout > now + LOOK
	    ? (int)(first->progress + timeout - now) : LOOK;
}

/*
 * A spare has ended by itself.  If its successors do as well, they are not
 * forked as fast as they end.  Those that were forked together and ended
 * together count as one; one that had lived for a while says nothing about
 * its successors.
 */
static void
slow_down(const struct loop *loop, const struct child *child)
{
	const uint64_t now = loop_now(loop);

	if (child->progress < children.retry)
		return;			/* forked before the last pause */
	if (now - child->progress >= LIVED)
		children.deaths = 0;
	else if (children.deaths < DEATHS)
		children.deaths++;
	children.retry = children.deaths == 0 ? now
	    : now + (CHILDREN_RETRY << (children.deaths - 1));
}

void
child_died_idle(struct loop *loop, struct child *child)
{
	child_remove_spare(child);
	child->is_failed = true;
	*child->client = '\0';
	slow_down(loop, child);
	child_let_go(loop, child);
}

void
child_kill(const struct child *child)
{
	const struct forker_order order = { .killed = child->pid };
	const size_t size = offsetof(struct forker_order, gone);

	/* Its pid stays its own until the forker is told that it has gone. */
	if (send(children.channel.fd, &order, size,
	    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		(void)kill(child->pid, SIGKILL);
}

int
children_open(const struct settings *settings)
{
	memset(&children, 0, sizeof(children));
	TAILQ_INIT(&children.spares);
	TAILQ_INIT(&children.busy);
	TAILQ_INIT(&children.done);
	TAILQ_INIT(&children.failed);
	children.channel.ready = children_hear;
	children.channel.fd = -1;
	children.target = settings->spare_children;
	children.gone = calloc(settings->max_children, sizeof(*children.gone));
	return children.gone == NULL ? -1 : 0;
}

static void
free_list(struct child_list *list)
{
	struct child *child;

	while ((child = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, child, entry);
		descriptor_close(child->source.fd);
		free(child);
	}
}

void
children_close(void)
{
	free_list(&children.spares);
	free_list(&children.busy);
	free_list(&children.done);
	free_list(&children.failed);
	free(children.gone);
	children.gone = NULL;
}
