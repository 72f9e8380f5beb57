/* SPDX-License-Identifier: ISC */
/*
 * See pidfile.h.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/libutil.h>

#include "../base/failure.h"
#include "../prefork/upgrade.h"
#include "pidfile.h"

/* What was taken; a reload may name another, which is for the next start. */
static struct pidfh *held;
static const char *held_path;

/* Between its lock and its number a file is empty: then there is no pid. */
static int
is_held(const char *path, pid_t other)
{
	if (other > 0)
		(void)failure("%s: a server is running already, with the "
		    "process id %ld (stop it, or choose another --pidfile)",
		    path, (long)other);
	else
		(void)failure("%s: a server is just being started (stop it, "
		    "or choose another --pidfile)", path);
	return EX_UNAVAILABLE;
}

int
pidfile_take(struct tine_server *server)
{
	const char *path = server->settings.pidfile;
	pid_t other = 0;

	if (path == NULL)
		return EX_OK;
	held_path = path;
	server->pidfile_fd = upgrade_pidfile();
	if (server->pidfile_fd != -1)
		return EX_OK;		/* it is locked, and says this pid */
	held = pidfile_open(path, 0644, &other);
	if (held == NULL && errno == EEXIST)
		return is_held(path, other);
	if (held == NULL) {
		(void)failure("cannot write the pidfile %s: %s (see "
		    "--pidfile)", path, strerror(errno));
		return EX_CANTCREAT;
	}
	/* Its descriptor holds the lock as long as this process lives. */
	server->pidfile_fd = pidfile_fileno(held);
	(void)fcntl(server->pidfile_fd, F_SETFD, FD_CLOEXEC);
	if (pidfile_write(held) == -1) {
		(void)failure("cannot write the pidfile %s: %s", path,
		    strerror(errno));
		return EX_CANTCREAT;
	}
	return EX_OK;
}

void
pidfile_drop(const struct tine_server *server)
{
	struct stat mine, there;

	if (server->pidfile_fd != -1 &&
	    fstat(server->pidfile_fd, &mine) == 0 &&
	    stat(held_path, &there) == 0 && mine.st_dev == there.st_dev &&
	    mine.st_ino == there.st_ino)
		(void)unlink(held_path);
}
