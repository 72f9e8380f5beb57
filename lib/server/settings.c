/* SPDX-License-Identifier: ISC */
/*
 * The defaults of the options that the serving loop knows.
 */
#include <sys/types.h>

#include <stdlib.h>

#include "settings.h"

#define KILO	((size_t)1024)
#define GIGA	((off_t)1024 * 1024 * 1024)

static const struct settings defaults = {
	.mode = MODE_SINGLE,
	.backlog = 4096,
	.workers = 2,
	.max_threads = 64,
	.stack_size = 1024 * 1024,
	.max_children = 40,		/* Python's */
	.spare_children = 2,
	.spare_timeout = 60 * 1000,
	.child_requests = 1,		/* as ForkingMixIn */
	.timeout = 60 * 1000,
	.start_timeout = 60 * 1000,
	.graceful_timeout = 25 * 1000,
	.drain_idle = 1000,
	.spare_least = 2,
	.spare_most = 8,
	.umask = -1,
	.no_new_privs = true,
	.crash_grace = 2 * 1000,
	.keep_alive = 75 * 1000,
	.header_timeout = 20 * 1000,
	.body_timeout = 20 * 1000,
	.send_timeout = 30 * 1000,
	.minimum_rate = 500,
	.linger_read = 5 * 1000,
	.linger_limit = 30 * 1000,
	.max_head = 32 * KILO,
	.max_fields = 100,
	.max_body = 1 * GIGA,
	.max_extensions = 16 * KILO,
	.body_memory = 64 * KILO,
	.reply_memory = 256 * KILO,
	.reply_spool = 1 * GIGA,
	.spool_space = 10 * GIGA,
	.form_fields = 1000,
	.form_memory = 1024 * KILO,
	.form_value_memory = 64 * KILO,
	.form_files = 100,
	.form_headers = 8 * KILO,
	.form_boundary = 70,
	.default_type = "application/octet-stream",
	.listing = true,
	.file_cache = 16 * KILO * KILO,
	.log = "-",
	.error_log = "-",
};

void
settings_default(struct settings *settings)
{
	*settings = defaults;
}

int
settings_room(const struct settings *settings)
{
	switch (settings->mode) {
	case MODE_THREAD:
		return (int)settings->max_threads;
	case MODE_FORK:
		return (int)settings->max_children;
	case MODE_SINGLE:
		break;
	}
	return 1;
}

const char *
settings_spool_dir(const struct settings *settings)
{
	const char *dir = settings->spool_dir;

	if (dir == NULL)
		dir = getenv("TMPDIR");
	if (dir == NULL || *dir == '\0')
		dir = "/tmp";
	return dir;
}
