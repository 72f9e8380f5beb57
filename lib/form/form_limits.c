/* SPDX-License-Identifier: ISC */
/*
 * See form_limits.h.
 */
#include <stdlib.h>
#include <string.h>

#include "form_limits.h"
#include "multipart.h"

#define KILO	((size_t)1024)
#define MEGA	(KILO * KILO)

static const struct tine_form_limits defaults = {
	.fields = 1000,
	.memory = 1 * MEGA,
	.value_memory = 64 * KILO,
	.files = 100,
	.file = INT64_MAX,
	.body = INT64_MAX,
	.headers = 8 * KILO,
	.boundary = 70
};

/* Sums with a size below do not overflow. */
static const size_t most = SIZE_MAX / 4;

static void
fill_size(size_t *size, size_t value)
{
	if (*size == 0)
		*size = value;
	if (*size > most)
		*size = most;
}

static void
fill_length(off_t *length, off_t value)
{
	if (*length <= 0)
		*length = value;
}

static const char *
default_dir(const struct tine_request *req)
{
	const char *dir = getenv("TMPDIR");

	(void)req;
	return dir != NULL && *dir != '\0' ? dir : "/tmp";
}

void
form_limits_fill(struct tine_form_limits *all, const struct tine_request *req,
    const struct tine_form_limits *given, size_t size)
{
	memset(all, 0, sizeof(*all));
	if (given != NULL)
		memcpy(all, given, size < sizeof(*all) ? size : sizeof(*all));
	fill_size(&all->fields, defaults.fields);
	fill_size(&all->memory, defaults.memory);
	fill_size(&all->value_memory, defaults.value_memory);
	fill_size(&all->files, defaults.files);
	fill_length(&all->file, defaults.file);
	fill_length(&all->body, defaults.body);
	fill_size(&all->headers, defaults.headers);
	fill_size(&all->boundary, defaults.boundary);
	if (all->boundary > MULTIPART_BOUNDARY)
		all->boundary = MULTIPART_BOUNDARY;
	if (all->spool_dir == NULL)
		all->spool_dir = default_dir(req);
}

void
form_limits_space(struct spool_space *space, const struct tine_request *req,
    const struct tine_form_limits *limits, _Atomic int64_t *own)
{
	(void)req;
	space->used = own;
	space->limit = INT64_MAX;
	space->dir = limits->spool_dir;
}
