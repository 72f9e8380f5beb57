/* SPDX-License-Identifier: ISC */
/*
 * The scoreboard's memory: lines, then handlers, then journals, each begun on
 * a cache line of its own so that two writers never share one.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "scoreboard.h"

#define LINE	SCOREBOARD_LINE
#define REQUEST_AT	offsetof(struct handler_text, request)
#define MOST	8192		/* workers, handlers of one that is taken */

/*
 * What the memory begins with.  A later image of this program finds the size
 * here, and believes it only if it is that of the whole.
 */
struct header {
	uint32_t	 workers, handlers;
	uint64_t	 journal_size;
	_Atomic int64_t	 spooled;
};

/* Of what comes before the handlers. */
static size_t
lines_size(unsigned workers)
{
	const size_t size = LINE +
	    (size_t)workers * sizeof(struct worker_line);

	return (size + LINE - 1) & ~(size_t)(LINE - 1);
}

static size_t
handlers_size(unsigned workers, unsigned handlers)
{
	return (size_t)workers * handlers * sizeof(struct handler_line);
}

static size_t
size_of(unsigned workers, unsigned handlers, size_t journal_size)
{
	return lines_size(workers) + handlers_size(workers, handlers) +
	    2 * (size_t)workers * journal_size;
}

static struct header *
map(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED |
	    (fd == -1 ? MAP_ANONYMOUS : 0), fd, 0);

	/* cppcheck-suppress memleak ; it is returned */
	return memory == MAP_FAILED ? NULL : memory;
}

/* Takes header; NULL if there is no memory. */
static struct scoreboard *
make(struct header *header, const struct header *said, size_t size)
{
	struct scoreboard *board = malloc(sizeof(*board));

	if (board == NULL) {
		(void)munmap(header, size);
		return NULL;
	}
	*board = (struct scoreboard){
		.workers = said->workers, .handlers = said->handlers,
		.journal_size = (size_t)said->journal_size, .size = size,
		.memory = (char *)header, .spooled = &header->spooled,
		.lines = (void *)((char *)header + LINE),
		.handler_lines = (void *)((char *)header +
		    lines_size(said->workers))
	};
	return board;
}

struct scoreboard *
scoreboard_new(unsigned workers, unsigned handlers, size_t journal_size,
    int *fd)
{
	const size_t size = size_of(workers, handlers, journal_size);
	struct scoreboard *board = NULL;
	struct header *header;

	*fd = memfd_create("scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd != -1 && (ftruncate(*fd, (off_t)size) == -1 || fcntl(*fd,
	    F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1)) {
		descriptor_close(*fd);
		*fd = -1;
	}
	header = map(*fd, size);
	if (header != NULL) {
		header->workers = workers;
		header->handlers = handlers;
		header->journal_size = journal_size;
		board = make(header, header, size);
	}
	if (board == NULL) {
		descriptor_close(*fd);
		*fd = -1;
	}
	return board;
}

struct scoreboard *
scoreboard_take(int fd, size_t journal_size)
{
	struct header *header, said;
	struct stat there;
	size_t size;

	if (fd == -1 || fstat(fd, &there) == -1 || there.st_size < LINE)
		return NULL;
	size = (size_t)there.st_size;
	header = map(fd, size);
	if (header == NULL)
		return NULL;
	/* Copied first: a worker may write there while it is looked at. */
	memcpy(&said, header, sizeof(said));
	if (said.workers <= MOST && said.handlers <= MOST &&
	    said.journal_size == journal_size &&
	    size_of(said.workers, said.handlers, journal_size) == size)
		return make(header, &said, size);
	(void)munmap(header, size);
	return NULL;
}

void
scoreboard_free(struct scoreboard *board)
{
	const int saved = errno;

	if (board != NULL)
		(void)munmap(board->memory, board->size);
	free(board);
	errno = saved;
}

char *
scoreboard_journal(const struct scoreboard *board, unsigned worker,
    unsigned which)
{
	char *first = board->memory + lines_size(board->workers) +
	    handlers_size(board->workers, board->handlers);

	return first + (2 * (size_t)worker + which) * board->journal_size;
}

/* A word of less than eight bytes and zeros, without a call. */
static inline uint64_t
last_word(const char *from, size_t length)
{
	char bytes[sizeof(uint64_t)] = { 0 };
	uint64_t word;
	size_t at = 0;

	if ((length & 4) != 0) {
		memcpy(bytes, from, 4);
		at = 4;
	}
	if ((length & 2) != 0) {
		memcpy(bytes + at, from + at, 2);
		at += 2;
	}
	if ((length & 1) != 0)
		bytes[at] = from[at];
	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Puts text into words, the rest of the last one zero. */
static inline void
store_text(_Atomic uint64_t *words, const void *text, size_t length)
{
	const char *from = text;
	uint64_t word;

	for (; length >= sizeof(word); length -= sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		atomic_store_explicit(words++, word, memory_order_relaxed);
		from += sizeof(word);
	}
	atomic_store_explicit(words, last_word(from, length),
	    memory_order_relaxed);
}

void
handler_line_begin(struct handler_line *line, uint64_t now,
    const struct peer *client, const char *request, size_t length)
{
	const unsigned sequence = atomic_load_explicit(&line->sequence,
	    memory_order_relaxed) | 1;
	const size_t most = sizeof(struct handler_text) - REQUEST_AT - 1;

	atomic_store_explicit(&line->sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	store_text(line->text, client, sizeof(*client));
	store_text(line->text + REQUEST_AT / sizeof(line->text[0]), request,
	    length < most ? length : most);
	atomic_store_explicit(&line->progress, now, memory_order_relaxed);
	atomic_store_explicit(&line->since, now, memory_order_relaxed);
	atomic_store_explicit(&line->sequence, sequence + 1,
	    memory_order_release);
}

void
handler_line_end(struct handler_line *line)
{
	atomic_store_explicit(&line->since, 0, memory_order_relaxed);
}

uint64_t
handler_line_read(const struct handler_line *line, char client[64],
    char request[256])
{
	const unsigned before = atomic_load_explicit(&line->sequence,
	    memory_order_acquire);
	uint64_t words[HANDLER_WORDS] = { 0 }, since;
	struct handler_text text;

	for (size_t i = 0; i < HANDLER_WORDS; i++)
		words[i] = atomic_load_explicit(&line->text[i],
		    memory_order_relaxed);
	memcpy(&text, words, sizeof(text));
	memcpy(request, text.request, 256);
	request[255] = '\0';
	since = atomic_load_explicit(&line->since, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if ((before & 1) != 0 || before != atomic_load_explicit(
	    &line->sequence, memory_order_relaxed))
		return 0;
	peer_format(&text.client, client, 64);
	return since;
}

const char *
worker_state_name(enum worker_state state)
{
	static const char *const names[] = {
		[WORKER_EMPTY] = "empty", [WORKER_STARTING] = "starting",
		[WORKER_IDLE] = "idle", [WORKER_BUSY] = "busy",
		[WORKER_FULL] = "full", [WORKER_LEAVING] = "leaving",
		[WORKER_CRASHED] = "crashed", [WORKER_STUCK] = "stuck"
	};

	if ((unsigned)state >= sizeof(names) / sizeof(names[0]))
		return "unknown";	/* a worker may write anything */
	return names[state];
}
