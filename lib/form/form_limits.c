/* SPDX-License-Identifier: ISC */
/*
 * See form_limits.h.
 */
#include <string.h>

#include "../server/server.h"
#include "form_limits.h"
#include "multipart.h"

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
defaults_of(const struct settings *settings)
{
	struct settings own;

	if (settings == NULL) {
		settings_default(&own);
		settings = &own;
	}
	return (struct tine_form_limits){
		.fields = settings->form_fields,
		.memory = settings->form_memory,
		.value_memory = settings->form_value_memory,
		.files = settings->form_files,
		.file = settings->form_file > 0 ? settings->form_file
		    : INT64_MAX,
		.body = INT64_MAX,
		.headers = settings->form_headers,
		.boundary = settings->form_boundary,
		.spool_dir = settings_spool_dir(settings)
	};
}

void
form_limits_fill(struct tine_form_limits *all, const struct tine_request *req,
    const struct tine_form_limits *given, size_t size)
{
	const struct tine_form_limits otherwise = defaults_of(settings_of(req));

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
		all->spool_dir = otherwise.spool_dir;
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
		space->used = req->server->board->spooled;
	if (settings != NULL)
		space->limit = settings->spool_space;
	space->dir = limits->spool_dir;
}
