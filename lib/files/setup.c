/* SPDX-License-Identifier: ISC */
/*
 * What a server that serves files has open; see files.h.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "../base/failure.h"
#include "files.h"

#define MOST_IN_MEMORY	((size_t)256 * 1024)	/* past it sendfile(2) wins */
#define MOST_DESCRIPTORS	256

/* One server or several may be asked for the first time at once. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

/* The operand, the option, or where the process works. */
static const char *
directory_of(const struct tine_server *server)
{
	if (server->directory != NULL)
		return server->directory;
	return server->settings.directory != NULL ? server->settings.directory
	    : ".";
}

static void
free_files(void *memory)
{
	struct files *files = memory;

	if (files->is_open) {
		cache_close(&files->cache);
		below_close(&files->below);
	}
	types_free(&files->types);
	free(files->directory);
	free(files);
}

/* A machine without the file has what is built in. */
static int
load_types(struct types *types)
{
	types_init(types);
	if (types_load(types, TYPES_FILE) == 0 || errno != ENOMEM)
		return 0;
	types_free(types);
	return failure_errno(ENOMEM, "no memory for the media types");
}

static struct files *
make(const struct tine_server *server)
{
	struct files *files = calloc(1, sizeof(*files));

	if (files == NULL ||
	    (files->directory = strdup(directory_of(server))) == NULL) {
		(void)failure("no memory for the files");
		free(files);
		return NULL;
	}
	files->below.root = -1;
	if (load_types(&files->types) == -1) {
		free_files(files);
		return NULL;
	}
	return files;
}

static int
check(const struct files *files)
{
	struct stat status;

	if (stat(files->directory, &status) == -1)
		return failure("%s: %s", files->directory, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return failure_errno(ENOTDIR, "%s: %s (name a directory)",
		    files->directory, strerror(ENOTDIR));
	return 0;
}

int
files_prepare(struct tine_server *server)
{
	struct files *before = server->files;
	struct files *files = make(server);

	if (files == NULL || check(files) == -1) {
		if (files != NULL)
			free_files(files);
		return -1;
	}
	server->files = files;
	server->free_files = free_files;
	if (before != NULL)
		free_files(before);
	return 0;
}

/*
 * Descriptors that the cache may hold are of those that server.c leaves for
 * the handlers' own files.
 */
static unsigned
descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return 16;
	return limit.rlim_cur / 16 < MOST_DESCRIPTORS
	    ? (unsigned)(limit.rlim_cur / 16) : MOST_DESCRIPTORS;
}

static int
open_files(struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	struct files *files;

	if (server->files == NULL && files_prepare(server) == -1)
		return EX_NOINPUT;
	files = server->files;
	if (files->is_open)
		return EX_OK;
	if (below_init(&files->below, files->directory,
	    settings->follow_symlinks) == -1) {
		(void)failure("%s: %s", files->directory, strerror(errno));
		return EX_NOINPUT;
	}
	cache_init(&files->cache, settings->file_cache, descriptors());
	files->most = settings->file_cache / 64;
	if (files->most > MOST_IN_MEMORY)
		files->most = MOST_IN_MEMORY;
	files->is_open = true;
	server->served = files->below.root;
	return EX_OK;
}

int
files_open(struct tine_server *server)
{
	int status;

	(void)pthread_mutex_lock(&opening);
	status = open_files(server);
	(void)pthread_mutex_unlock(&opening);
	return status;
}

int
files_use(struct tine_server *server)
{
	if (files_prepare(server) == -1)
		return EX_NOINPUT;
	server->load = files_open;
	server->reopen_module = files_prepare;
	return EX_OK;
}

struct files *
files_of(struct tine_server *server)
{
	struct files *files = server->files;

	/* Programs that do not begin with tine_main() come here first. */
	if (files == NULL || !files->is_open) {
		if (files_open(server) != EX_OK)
			return NULL;
		files = server->files;
	}
	return files;
}
