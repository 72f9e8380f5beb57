/* SPDX-License-Identifier: ISC */
/*
 * The cache of open files; see file.h.  Each file that is in it has one
 * reference for that, so one that is dropped while it is sent lives on until
 * it was.
 */
#include <string.h>

#include "file.h"

static uint32_t
hash(const char *key, size_t length)
{
	uint32_t sum = 2166136261U;	/* FNV-1a */

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (unsigned char)key[i]) * 16777619U;
	return sum;
}

void
cache_init(struct cache *cache, size_t memory, unsigned descriptors)
{
	memset(cache, 0, sizeof(*cache));
	(void)pthread_mutex_init(&cache->lock, NULL);
	TAILQ_INIT(&cache->ages);
	cache->most_memory = memory;
	cache->most_descriptors = descriptors;
}

/* The lock is held. */
static void
drop(struct cache *cache, struct file *file)
{
	LIST_REMOVE(file, chain);
	TAILQ_REMOVE(&cache->ages, file, age);
	file->is_cached = false;
	cache->count--;
	cache->memory -= file->size;
	cache->descriptors -= file->fd != -1;
	file_release(file);
}

void
cache_close(struct cache *cache)
{
	struct file *file;

	while ((file = TAILQ_FIRST(&cache->ages)) != NULL)
		drop(cache, file);
	(void)pthread_mutex_destroy(&cache->lock);
}

/* The lock is held. */
static struct file *
look_up(struct cache *cache, uint32_t sum, const char *key, size_t length)
{
	struct file *file;

	LIST_FOREACH(file, &cache->slots[sum % CACHE_SLOTS], chain) {
		if (file->hash == sum && file->key_length == length &&
		    memcmp(file->key, key, length) == 0)
			return file;
	}
	return NULL;
}

struct file *
cache_find(struct cache *cache, const char *key, size_t length)
{
	const uint32_t sum = hash(key, length);
	struct file *file;

	(void)pthread_mutex_lock(&cache->lock);
	file = look_up(cache, sum, key, length);
	if (file != NULL) {
		atomic_fetch_add_explicit(&file->references, 1,
		    memory_order_relaxed);
		if (file != TAILQ_FIRST(&cache->ages)) {
			TAILQ_REMOVE(&cache->ages, file, age);
			TAILQ_INSERT_HEAD(&cache->ages, file, age);
		}
	}
	(void)pthread_mutex_unlock(&cache->lock);
	return file;
}

/* The lock is held; the file that was added last is not dropped. */
static void
make_room(struct cache *cache)
{
	while (cache->count > CACHE_SLOTS ||
	    cache->memory > cache->most_memory)
		drop(cache, TAILQ_LAST(&cache->ages, file_list));
	while (cache->descriptors > cache->most_descriptors) {
		struct file *file = TAILQ_LAST(&cache->ages, file_list);

		while (file->fd == -1)
			file = TAILQ_PREV(file, file_list, age);
		drop(cache, file);
	}
}

void
cache_add(struct cache *cache, struct file *file)
{
	struct file *before;

	file->hash = hash(file->key, file->key_length);
	(void)pthread_mutex_lock(&cache->lock);
	before = look_up(cache, file->hash, file->key, file->key_length);
	if (before != NULL)
		drop(cache, before);
	LIST_INSERT_HEAD(&cache->slots[file->hash % CACHE_SLOTS], file,
	    chain);
	TAILQ_INSERT_HEAD(&cache->ages, file, age);
	file->is_cached = true;
	cache->count++;
	cache->memory += file->size;
	cache->descriptors += file->fd != -1;
	atomic_fetch_add(&file->references, 1);
	make_room(cache);
	(void)pthread_mutex_unlock(&cache->lock);
}

void
cache_remove(struct cache *cache, struct file *file)
{
	(void)pthread_mutex_lock(&cache->lock);
	if (file->is_cached)
		drop(cache, file);
	(void)pthread_mutex_unlock(&cache->lock);
}

void
cache_shed(struct cache *cache)
{
	struct file *file, *next;

	(void)pthread_mutex_lock(&cache->lock);
	for (file = TAILQ_FIRST(&cache->ages); file != NULL; file = next) {
		next = TAILQ_NEXT(file, age);
		if (file->fd != -1)
			drop(cache, file);
	}
	(void)pthread_mutex_unlock(&cache->lock);
}
