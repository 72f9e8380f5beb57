/* SPDX-License-Identifier: ISC */
/*
 * An open file with all that a reply says of it, and the cache of them.
 *
 * A short file is in memory, so that one send(2) answers for it, and what is
 * sent is what its tag says even if the file is changed or truncated
 * meanwhile.  A long one keeps its descriptor.
 */
#ifndef FILES_FILE_H
#define FILES_FILE_H

#include <sys/stat.h>
#include <bsd/sys/queue.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "below.h"

/* Its texts and its contents are in the same block of memory. */
struct file {
	LIST_ENTRY(file)	 chain;		/* of the cache's table */
	TAILQ_ENTRY(file)	 age;
	atomic_uint		 references;
	_Atomic uint64_t	 checked;	/* the loop's turn */
	bool			 is_cached;
	bool			 is_fresh;	/* it may still be being written */
	uint32_t		 hash;
	struct stat		 status;
	time_t			 modified;	/* what Last-Modified says */
	int			 fd;		/* -1: its contents are here */
	const char		*type;
	char			*data;
	char			*fields;	/* of a 200, each with CRLF */
	size_t			 fields_length;
	char			*name;		/* what was opened */
	char			*key;		/* the path that was asked for */
	size_t			 key_length;
	size_t			 size;		/* of the block */
	char			 last_modified[30];
	char			 etag[48];
};

/*
 * Opens name, whose type is type.  It is in memory if it has most bytes or
 * fewer.  One reference is the caller's.  NULL with errno of below_open(), or
 * ENOMEM, EISDIR, EIO (it could not be read).
 */
struct file_wanted {
	const char	*name;
	const char	*key;
	size_t		 key_length;
	const char	*type;
	size_t		 most;
};
struct file *file_open(const struct below *below,
	    const struct file_wanted *wanted);

/* Whether the file that has its name now is this one, unchanged. */
bool	file_is_current(const struct file *file, const struct below *below);

/* Ends a reference; takes void * to be a loan's release function. */
void	file_release(void *file);

static inline off_t
file_size(const struct file *file)
{
	return file->status.st_size;
}

#define CACHE_SLOTS	1024	/* a power of two */

/* Files by the path that was asked for, the one used last first. */
struct cache {
	pthread_mutex_t		 lock;
	LIST_HEAD(, file)	 slots[CACHE_SLOTS];
	TAILQ_HEAD(file_list, file) ages;
	unsigned		 count;
	unsigned		 descriptors, most_descriptors;
	size_t			 memory, most_memory;
};

void	cache_init(struct cache *cache, size_t memory, unsigned descriptors);
void	cache_close(struct cache *cache);

/* With a reference for the caller, or NULL. */
struct file *cache_find(struct cache *cache, const char *key, size_t length);

/* Keeps a file that is not yet in it, in the place of one with its key. */
void	cache_add(struct cache *cache, struct file *file);
void	cache_remove(struct cache *cache, struct file *file);

/* Lets go of all descriptors: there are none left. */
void	cache_shed(struct cache *cache);

#endif
