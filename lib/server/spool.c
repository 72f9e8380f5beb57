/* SPDX-License-Identifier: ISC */
/*
 * See spool.h.
 */
#include <errno.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "spool.h"

void
spool_init(struct spool *spool, const struct spool_space *space)
{
	spool->fd = -1;
	spool->length = 0;
	spool->space = space;
}

static int
reserve(const struct spool_space *space, int64_t length)
{
	const int64_t before = atomic_fetch_add(space->used, length);

	if (before <= space->limit - length)
		return 0;
	atomic_fetch_sub(space->used, length);
	errno = ENOSPC;
	return -1;
}

int
spool_append(struct spool *spool, const void *data, size_t length)
{
	const off_t at = spool->length;

	if (spool->fd == -1)
		spool->fd = descriptor_temporary(spool->space->dir);
	if (spool->fd == -1 || reserve(spool->space, (int64_t)length) == -1)
		return -1;
	spool->length += (off_t)length;	/* so that spool_end gives it back */
	return descriptor_write(spool->fd, data, length, at);
}

void
spool_end(struct spool *spool)
{
	if (spool->length > 0)
		atomic_fetch_sub(spool->space->used, spool->length);
	descriptor_close(spool->fd);
	spool->fd = -1;
	spool->length = 0;
}
