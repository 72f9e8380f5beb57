/* SPDX-License-Identifier: ISC */
/*
 * See sandbox.h.
 *
 * The order matters: a privilege is needed to drop the bounding set, none
 * after no_new_privs, and the filter of system calls comes last, since it
 * refuses what the others are done by.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "capabilities.h"
#include "confinement.h"
#include "sandbox.h"

/* Of this process; a forked one takes over what its parent had. */
static struct {
	bool	is_told;	/* what is lacking */
	bool	is_ready;	/* see get_ready() */
	pid_t	entered;	/* the process that is locked in, or 0 */
	bool	is_filtered;	/* its system calls are */
	char	*spool;
	bool	spool_has_names;
} sandbox;

bool
sandbox_is_wanted(const struct tine_server *server)
{
	switch (server->settings.sandbox) {
	case SANDBOX_ON:
		return true;
	case SANDBOX_OFF:
		return false;
	case SANDBOX_DEFAULT:
		break;
	}
	return server->is_confined;
}

/* --------------------------------------------------------------- the spool */

/* Whether a directory is ours alone; it is kept open, and shared-locked. */
static bool
hold(const char *dir)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	struct stat there;

	if (fd == -1)
		return false;
	if (fstat(fd, &there) == -1 || there.st_uid != geteuid() ||
	    (there.st_mode & 077) != 0) {
		descriptor_close(fd);
		return false;
	}
	/* systemd-tmpfiles(8) leaves alone what is locked. */
	(void)flock(fd, LOCK_SH | LOCK_NB);
	/* cppcheck-suppress resourceLeak ; the lock is to last */
	return true;
}

/*
 * All of /tmp would be too much to write to, and each spool file is gone
 * from its directory at once: so one directory, always empty, serves for all
 * servers of a user.  If somebody else has taken its name, another is made.
 */
static int
make_spool(const struct tine_server *server)
{
	const char *parent = settings_spool_dir(&server->settings);
	char *path;

	if (asprintf(&path, "%s/tine-%ld", parent, (long)geteuid()) == -1)
		return -1;
	(void)mkdir(path, 0700);
	if (!hold(path)) {
		free(path);
		if (asprintf(&path, "%s/tine-%ld-XXXXXX", parent,
		    (long)geteuid()) == -1)
			return -1;
		if (mkdtemp(path) == NULL || !hold(path)) {
			free(path);
			return 0;	/* said when a file is wanted there */
		}
	}
	sandbox.spool = path;
	return 0;
}

static bool
has_nameless(const char *dir)
{
#ifdef O_TMPFILE
	const int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	descriptor_close(fd);
	return fd != -1;
#else
	(void)dir;
	return false;
#endif
}

/*
 * Before anything of this server is opened, and with the user's rights: the
 * directory of the spools, and a log that would be looked for later.
 */
static int
get_ready(struct tine_server *server)
{
	if (sandbox.is_ready)
		return 0;
	sandbox_tell(server);
	if (make_spool(server) == -1)
		return failure("no memory for a path");
	if (sandbox.spool != NULL) {
		sandbox.spool_has_names = !has_nameless(sandbox.spool);
		server->settings.spool_dir = server_text(server,
		    sandbox.spool);
		if (server->settings.spool_dir == NULL)
			return failure("no memory for a path");
	}
	sandbox.is_ready = true;
	return 0;
}

/* ----------------------------------------------------------------- the door */

static bool
has_threads(void)
{
	struct stat tasks;

	return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3;
}

static int
enter(struct tine_server *server, enum confined who)
{
	const struct settings *settings = &server->settings;
	struct confinement confinement = {
		.server = server, .who = who,
		.landlock = landlock_version(),
		.spool = sandbox.spool,
		.spool_has_names = sandbox.spool_has_names,
		.uses_syslog = server->use_syslog ||
		    strcmp(settings->log, "syslog") == 0
	};

	for (unsigned i = 0; i < settings->sandbox_path_count; i++)
		confinement.may_write |=
		    settings->sandbox_paths[i].is_writable;
	if (has_threads() && confinement.landlock < LANDLOCK_WITH_THREADS)
		server_log(server, TINE_LOG_WARNING, "--sandbox: threads "
		    "that were made before the first request may still use "
		    "all files (make them later)");
	capabilities_bound();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return failure("--sandbox: no_new_privs: %s",
		    strerror(errno));
	if (capabilities_drop() == -1)
		return failure("--sandbox: cannot drop capabilities: %s",
		    strerror(errno));
	sandbox.is_filtered = seccomp_lack() == NULL;
	if (landlock_enter(&confinement) == -1 ||
	    seccomp_enter(&confinement) == -1)
		return -1;
	sandbox.entered = getpid();
	return 0;
}

int
sandbox_enter(struct tine_server *server, enum confined who)
{
	if (!sandbox_is_wanted(server))
		return 0;
	switch (who) {
	case CONFINED_NOT_YET:
		return get_ready(server);
	case CONFINED_CHILD:
		return sandbox.is_filtered ? seccomp_enter_child() : 0;
	case CONFINED_WORKER:
	case CONFINED_FORKER:
		break;
	}
	/* Who serves a second time is in there already. */
	return sandbox.entered == getpid() ? 0 : enter(server, who);
}

/* The master could reach them, but it may be another user. */
int
sandbox_reach(const struct tine_server *server)
{
	const struct settings *settings = &server->settings;

	if (!sandbox_is_wanted(server))
		return 0;
	for (unsigned i = 0; i < settings->sandbox_path_count; i++) {
		const struct sandbox_path *named = &settings->sandbox_paths[i];
		const int fd = open(named->path, O_PATH | O_CLOEXEC);

		if (fd == -1)
			return failure("--sandbox-%s=%s: %s (the user that "
			    "serves has to reach it, see --user)",
			    named->is_writable ? "write" : "read",
			    named->path, strerror(errno));
		descriptor_close(fd);
	}
	return 0;
}

/* ---------------------------------------------------------------- the lacks */

/* What versions of Landlock have brought, as far as it is missed. */
static const struct {
	int		 version;
	const char	*what;
} brought[] = {
	{ 3, "truncating files" }, { 4, "TCP" }, { 5, "devices" },
	{ 6, "signals" }
};

static void
tell_landlock(struct tine_server *server)
{
	const int version = landlock_version();
	char what[128] = "";
	size_t n = 0;

	if (version == 0) {
		server_log(server, TINE_LOG_WARNING, "--sandbox: this kernel "
		    "has no Landlock (or it is not enabled): the files that "
		    "may be used are not restricted");
		return;
	}
	for (size_t i = 0; i < sizeof(brought) / sizeof(brought[0]); i++) {
		if (version < brought[i].version)
			n += (size_t)snprintf(what + n, sizeof(what) - n,
			    "%s%s", n > 0 ? ", " : "", brought[i].what);
	}
	if (n > 0)
		server_log(server, TINE_LOG_WARNING, "--sandbox: the "
		    "Landlock of this kernel is version %d, without rules "
		    "for %s", version, what);
}

void
sandbox_tell(struct tine_server *server)
{
	const char *lack = seccomp_lack();

	if (sandbox.is_told || !sandbox_is_wanted(server))
		return;
	sandbox.is_told = true;
	tell_landlock(server);
	if (lack != NULL)
		server_log(server, TINE_LOG_WARNING, "--sandbox: %s: the "
		    "system calls are not restricted", lack);
}
