/* SPDX-License-Identifier: ISC */
/*
 * See form_limits.h.
 */
#include <stdlib.h>
#include <string.h>

#include "../server/server.h"
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

/* What the options say, or NULL outside of a server. */
static const struct settings *
settings_of(const struct tine_request *req)
{
	return req != NULL && req->server != NULL ? &req->server->settings
	    : NULL;
}

static struct tine_form_limits
defaults_of(const struct tine_request *req)
{
	const struct settings *settings = settings_of(req);
	struct tine_form_limits limits = defaults;

	if (settings == NULL)
		return limits;
	limits.fields = settings->form_fields;
	limits.memory = settings->form_memory;
	limits.value_memory = settings->form_value_memory;
	limits.files = settings->form_files;
	if (settings->form_file > 0)
		limits.file = settings->form_file;
	limits.headers = settings->form_headers;
	limits.boundary = settings->form_boundary;
	return limits;
}

static const char *
default_dir(const struct tine_request *req)
{
	const struct settings *settings = settings_of(req);
	const char *dir = getenv("TMPDIR");

	if (settings != NULL && settings->spool_dir != NULL)
		return settings->spool_dir;
	return dir != NULL && *dir != '\0' ? dir : "/tmp";
}

void
form_limits_fill(struct tine_form_limits *all, const struct tine_request *req,
    const struct tine_form_limits *given, size_t size)
{
	const struct tine_form_limits otherwise = defaults_of(req);

	memset(all, 0, sizeof(*all));
	if (given != NULL)
		memcpy(all, given, size < sizeof(*all) ? size : sizeof(*all));
	fill_size(&all->fields, otherwise.fields);
	fill_size(&all->memory, otherwise.memory);
	fill_size(&all->value_memory, otherwise.value_memory);
	fill_size(&all->files, otherwise.files);
	fill_length(&all->file, otherwise.file);
	fill_length(&all->body, otherwise.body);
	fill_size(&all->headers, otherwise.headers);
	fill_size(&all->boundary, otherwise.boundary);
	if (all->boundary > MULTIPART_BOUNDARY)
		all->boundary = MULTIPART_BOUNDARY;
	if (all->spool_dir == NULL)
		all->spool_dir = default_dir(req);
}

void
form_limits_space(struct spool_space *space, const struct tine_request *req,
    const struct tine_form_limits *limits, _Atomic int64_t *own)
{
	const struct settings *settings = settings_of(req);

	space->used = own;
	space->limit = INT64_MAX;
	/* A child that dies would never give back what it had counted. */
	if (settings != NULL && settings->mode != MODE_FORK &&
	    req->server->board != NULL)
		space->used = &req->server->board->spooled;
	if (settings != NULL)
		space->limit = settings->spool_space;
	space->dir = limits->spool_dir;
}
