/* SPDX-License-Identifier: ISC */
/*
 * See paths.h.
 */
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "../base/failure.h"
#include "../http/http.h"
#include "../prefork/sandbox.h"
#include "paths.h"

static bool
is_log_file(const char *log)
{
	return strcmp(log, "-") != 0 && strcmp(log, "none") != 0 &&
	    strcmp(log, "syslog") != 0;
}

static int
make_absolute(struct tine_server *server, const char *prefix,
    const char **path)
{
	char *made;

	if (*path == NULL || **path == '\0' || **path == '/' ||
	    server->start_dir == NULL)
		return 0;
	if (asprintf(&made, "%s%s/%s", prefix, server->start_dir, *path) == -1)
		return failure("no memory for a path");
	*path = server_text(server, made);
	free(made);
	return *path == NULL ? failure("no memory for a path") : 0;
}

/*
 * A socket's path has little room: a relative one that would not fit stays,
 * unless its directory is left.
 */
static int
make_bind_absolute(struct tine_server *server, const char **bind)
{
	const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);
	const char *path = *bind + 5;

	if (strncmp(*bind, "unix:", 5) != 0 || *path == '@' || *path == '/' ||
	    server->start_dir == NULL)
		return 0;
	if (strlen(server->start_dir) + 1 + strlen(path) >= room &&
	    server->settings.chdir == NULL)
		return 0;
	if (make_absolute(server, "unix:", &path) == -1)
		return -1;
	*bind = path;
	return 0;
}

int
paths_absolute(struct tine_server *server, const char **path)
{
	return make_absolute(server, "", path);
}

int
paths_resolve(struct tine_server *server)
{
	struct settings *settings = &server->settings;
	const char **paths[] = {
		&settings->pidfile, &settings->chroot, &settings->chdir,
		&settings->spool_dir, &settings->directory,
		&settings->auth_file,
		is_log_file(settings->log) ? &settings->log : NULL,
		is_log_file(settings->error_log) ? &settings->error_log
		    : NULL
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (paths[i] != NULL &&
		    make_absolute(server, "", paths[i]) == -1)
			return -1;
	}
	for (unsigned i = 0; i < settings->sandbox_path_count; i++) {
		if (make_absolute(server, "",
		    &settings->sandbox_paths[i].path) == -1)
			return -1;
	}
	for (size_t i = 0; i < server->bind_count; i++) {
		if (make_bind_absolute(server, &server->binds[i]) == -1)
			return -1;
	}
	return 0;
}

/* Says what is wrong with a path, by errno; returns the exit status. */
static int
refuse(const char *option, const char *root, const char *path,
    const char *remedy)
{
	if (errno == ENOMEM) {
		(void)failure("no memory for a path");
		return EX_OSERR;
	}
	(void)failure("--%s=%s: %s%s (%s)", option, path, strerror(errno),
	    root != NULL ? ", within --chroot" : "", remedy);
	return EX_NOINPUT;
}

/* Finds out about path, as it is within root, if there is one. */
static int
look_at(const char *root, const char *path, struct stat *there)
{
	/* Within a root one starts at it. */
	const char *between = root != NULL && *path != '/' ? "/" : "";
	char *whole;
	int result;

	if (asprintf(&whole, "%s%s%s", root != NULL ? root : "", between,
	    path) == -1) {
		errno = ENOMEM;
		return -1;
	}
	result = stat(whole, there);
	free(whole);
	return result;
}

static int
check_directory(const char *option, const char *root, const char *path)
{
	struct stat there;
	int result;

	if (path == NULL)
		return EX_OK;
	result = look_at(root, path, &there);
	if (result == 0 && !S_ISDIR(there.st_mode)) {
		errno = ENOTDIR;
		result = -1;
	}
	if (result == 0)
		return EX_OK;
	return refuse(option, root, path, "name a directory");
}

/* A directory that the command serves takes no bodies, nor do streams. */
static bool
has_bodies(const struct tine_server *server)
{
	const bool is_directory = server->load != NULL &&
	    server->module == NULL;

	return server->protocol == &protocol_http && !is_directory;
}

/* Where none is named there is a default, which another root may not have. */
static int
check_default_spool(const struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	const char *dir = settings_spool_dir(settings);
	struct stat there;
	int result;

	if (settings->chroot == NULL || !has_bodies(server))
		return EX_OK;
	result = look_at(settings->chroot, dir, &there);
	if (result == 0 && S_ISDIR(there.st_mode))
		return EX_OK;
	(void)failure("%s: %s, within --chroot (bodies too large for memory "
	    "are kept there: make it, or name another by --spool-dir)", dir,
	    result == 0 ? strerror(ENOTDIR) : strerror(errno));
	return EX_NOINPUT;
}

static int
check_spool(const struct tine_server *server)
{
	const struct settings *settings = &server->settings;

	return settings->spool_dir == NULL ? check_default_spool(server)
	    : check_directory("spool-dir", settings->chroot,
	    settings->spool_dir);
}

/* Each process that locks itself in looks for them anew. */
static int
check_sandbox(const struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	struct stat there;

	if (!sandbox_is_wanted(server))
		return EX_OK;
	for (unsigned i = 0; i < settings->sandbox_path_count; i++) {
		const struct sandbox_path *named = &settings->sandbox_paths[i];

		if (look_at(settings->chroot, named->path, &there) == -1)
			return refuse(named->is_writable ? "sandbox-write"
			    : "sandbox-read", settings->chroot, named->path,
			    "name what is there");
	}
	return EX_OK;
}

int
paths_check(const struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	int status = check_directory("chdir", NULL, settings->chdir);

	if (status == EX_OK)
		status = check_directory("chroot", NULL, settings->chroot);
	if (status == EX_OK)
		status = check_spool(server);
	if (status == EX_OK)
		status = check_sandbox(server);
	return status;
}
