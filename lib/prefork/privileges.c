/* SPDX-License-Identifier: ISC */
/*
 * See privileges.h.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/failure.h"
#include "capabilities.h"
#include "privileges.h"
#include "sandbox.h"

#define GROUPS	64

struct identity {
	bool	is_wanted;	/* --user or --group was given */
	uid_t	user;
	gid_t	group;
	gid_t	groups[GROUPS];
	int	group_count;
};

/* Found in the master, at its start and at a reload. */
static struct identity identity;

static int
find_user(struct identity *found, const char *name)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(name);
	if (entry == NULL) {
		(void)failure("--user=%s: there is no such user", name);
		return EX_NOUSER;
	}
	found->user = entry->pw_uid;
	found->group = entry->pw_gid;
	found->group_count = GROUPS;
	if (getgrouplist(name, entry->pw_gid, found->groups,
	    &found->group_count) == -1)
		found->group_count = GROUPS;
	return EX_OK;
}

static int
find_group(struct identity *found, const char *name)
{
	const struct group *entry = getgrnam(name);

	if (entry == NULL) {
		(void)failure("--group=%s: there is no such group", name);
		return EX_NOUSER;
	}
	found->group = entry->gr_gid;
	if (found->group_count == 0) {
		found->groups[0] = entry->gr_gid;
		found->group_count = 1;
	}
	return EX_OK;
}

int
privileges_find(struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	int status = EX_OK;
	struct identity found = {
		.user = geteuid(), .group = getegid(),
		.is_wanted = settings->user != NULL || settings->group != NULL
	};

	if (settings->user != NULL)
		status = find_user(&found, settings->user);
	if (status == EX_OK && settings->group != NULL)
		status = find_group(&found, settings->group);
	if (status == EX_OK && geteuid() != 0 &&
	    (found.user != geteuid() || found.group != getegid() ||
	    settings->chroot != NULL)) {
		(void)failure("%s needs root", settings->chroot != NULL
		    ? "--chroot" : "another --user or --group");
		status = EX_NOPERM;
	}
	if (status == EX_OK)
		identity = found;
	return status;
}

int
privileges_try(void)
{
	if (!identity.is_wanted || geteuid() != 0)
		return 0;
	if (setegid(identity.group) == -1 || seteuid(identity.user) == -1)
		return failure("cannot become user %ld: %s",
		    (long)identity.user, strerror(errno));
	return 0;
}

static int
enter_root(const char *dir)
{
	if (dir == NULL)
		return 0;
	if (chroot(dir) == -1 || chdir("/") == -1)
		return failure("--chroot=%s: %s", dir, strerror(errno));
	return 0;
}

static int
become_user(void)
{
	if (!identity.is_wanted || geteuid() != 0)
		return 0;
	if (setgroups((size_t)identity.group_count, identity.groups) == -1 ||
	    setgid(identity.group) == -1 || setuid(identity.user) == -1)
		return failure("cannot become user %ld: %s",
		    (long)identity.user, strerror(errno));
	/* What is not gone now never will be. */
	if (identity.user != 0 && (seteuid(0) == 0 || setuid(0) == 0))
		return failure_errno(EPERM, "root could be had back");
	return 0;
}

int
privileges_drop(const struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	const struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };

	if (settings->has_core)
		(void)setrlimit(RLIMIT_CORE, &any);
	if (identity.is_wanted && getuid() == 0 &&
	    (seteuid(0) == -1 || setegid(0) == -1))
		return failure("cannot become root again: %s",
		    strerror(errno));
	if (settings->umask != -1)
		(void)umask((mode_t)settings->umask);
	if (sandbox_is_wanted(server))
		capabilities_bound();
	if (enter_root(settings->chroot) == -1 || become_user() == -1)
		return -1;
	if (settings->no_new_privs &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return failure("no_new_privs: %s", strerror(errno));
	/* A change of user clears it, and then there is no core file. */
	if (settings->has_core)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return sandbox_reach(server);
}
