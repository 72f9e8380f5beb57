/* SPDX-License-Identifier: ISC */
/*
 * See journal.h.  What cannot be written (a full disk, a pipe that nobody
 * reads) is counted and dropped, and said when writing works again: a log
 * must not stop the server.
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "journal.h"
#include "system_log.h"

#define PATIENCE	10	/* ms that a pipe's reader may take */

static void
aim(struct journal *journal, int fd)
{
	journal->fd = fd;
	journal->is_prompt = fd != -1 && isatty(fd) == 1;
}

void
journal_open(struct journal *journal, int fd, char *data, size_t size,
    _Atomic uint32_t *used)
{
	(void)pthread_mutex_init(&journal->lock, NULL);
	aim(journal, fd);
	journal->data = data;
	journal->size = size;
	journal->used = used;
	journal->first = 0;
	journal->lost = 0;
	journal->relay = NULL;
}

/* Where one write may end so that no line of another process gets into it. */
static size_t
piece_of(const char *data, size_t length)
{
	size_t piece = length < PIPE_BUF ? length : PIPE_BUF;

	while (piece > 0 && data[piece - 1] != '\n')
		piece--;
	return piece > 0 ? piece : length < PIPE_BUF ? length : PIPE_BUF;
}

static bool
can_write(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };

	return poll(&wait, 1, PATIENCE) == 1;
}

/* Each line is a message; its time and process are syslog's own business. */
static size_t
write_syslog(const char *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		const char *newline = memchr(data + done, '\n', length - done);
		const size_t end = newline != NULL ? (size_t)(newline - data)
		    : length;

		if (system_log_send(LOG_INFO, data + done, end - done) == -1)
			break;
		done = end + (newline != NULL);
	}
	return done;
}

/* Returns how much was written. */
static size_t
write_out(int fd, const char *data, size_t length)
{
	struct stat what;
	size_t done = 0;
	bool is_file;

	if (fd == JOURNAL_SYSLOG)
		return write_syslog(data, length);
	is_file = fstat(fd, &what) == 0 && S_ISREG(what.st_mode);
	while (done < length && (is_file || can_write(fd))) {
		const size_t piece = is_file ? length - done
		    : piece_of(data + done, length - done);
		const ssize_t n = write(fd, data + done, piece);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static uint64_t
lines_in(const char *data, size_t length)
{
	uint64_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += data[i] == '\n';
	return count;
}

/* It is in memory that a broken handler of this process may have filled. */
static uint32_t
used_of(const struct journal *journal)
{
	const uint32_t used = atomic_load_explicit(journal->used,
	    memory_order_relaxed);

	return used <= journal->size ? used : 0;
}

static bool
tell_lost(struct journal *journal)
{
	char text[80];
	const int length = snprintf(text, sizeof(text),
	    "tine: %llu lines of this log were lost\n",
	    (unsigned long long)journal->lost);

	if (write_out(journal->fd, text, (size_t)length) != (size_t)length)
		return false;
	journal->lost = 0;
	return true;
}

static void
flush_locked(struct journal *journal)
{
	const uint32_t used = used_of(journal);
	const int saved = errno;
	size_t done = 0;

	if (used == 0)
		return;
	if (journal->fd != -1) {
		if (journal->lost == 0 || tell_lost(journal))
			done = write_out(journal->fd, journal->data, used);
		journal->lost += lines_in(journal->data + done, used - done);
	}
	atomic_store_explicit(journal->used, 0, memory_order_release);
	errno = saved;
}

void
journal_flush(struct journal *journal)
{
	if (journal->relay != NULL)
		return;
	(void)pthread_mutex_lock(&journal->lock);
	flush_locked(journal);
	(void)pthread_mutex_unlock(&journal->lock);
}

void
journal_tell_lost(struct journal *journal)
{
	(void)pthread_mutex_lock(&journal->lock);
	if (journal->fd != -1 && journal->lost > 0)
		(void)tell_lost(journal);
	(void)pthread_mutex_unlock(&journal->lock);
}

void
journal_move(struct journal *journal, int fd)
{
	(void)pthread_mutex_lock(&journal->lock);
	aim(journal, fd);
	(void)pthread_mutex_unlock(&journal->lock);
}

static void
append_locked(struct journal *journal, uint64_t now, const char *text,
    size_t length)
{
	uint32_t used = used_of(journal);

	if (length >= journal->size)
		length = journal->size - 1;
	if (length + 1 > journal->size - used) {
		flush_locked(journal);
		used = 0;
	}
	if (used == 0)
		journal->first = now;
	memcpy(journal->data + used, text, length);
	journal->data[used + length] = '\n';
	atomic_store_explicit(journal->used, (uint32_t)(used + length + 1),
	    memory_order_release);
}

void
journal_line(struct journal *journal, uint64_t now, const char *text,
    size_t length)
{
	if (journal->fd == -1)
		return;
	if (journal->relay != NULL) {
		journal->relay(journal, text, length);
		return;
	}
	(void)pthread_mutex_lock(&journal->lock);
	append_locked(journal, now, text, length);
	if (journal->is_prompt)
		flush_locked(journal);
	(void)pthread_mutex_unlock(&journal->lock);
}

int
journal_tick_used(struct journal *journal, uint64_t now, unsigned delay)
{
	int left = -1;

	(void)pthread_mutex_lock(&journal->lock);
	if (now - journal->first >= delay)
		flush_locked(journal);
	else
		left = (int)(delay - (now - journal->first));
	(void)pthread_mutex_unlock(&journal->lock);
	return left;
}

void
journal_salvage(int fd, const char *data, size_t size, uint32_t used)
{
	size_t length = used <= size ? used : size;

	/* Only whole lines: the writer may have died in the middle of one. */
	while (length > 0 && data[length - 1] != '\n')
		length--;
	if (fd != -1 && length > 0)
		(void)write_out(fd, data, length);
}
