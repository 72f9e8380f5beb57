/* SPDX-License-Identifier: ISC */
/*
 * Landlock: which files this process may read and write.  The numbers are the
 * kernel's interface and are given here, since the header of a system may be
 * older than its kernel; what the kernel does not know is not asked of it.
 *
 * Not under Landlock, and so refused by seccomp: chmod(2) and its kin,
 * sockets other than TCP, and whatever is done by a process number.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "confinement.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset	444	/* on every architecture */
#define SYS_landlock_add_rule		445
#define SYS_landlock_restrict_self	446
#endif

#define ASK_VERSION	1U		/* a flag of create_ruleset */
#define PATH_BENEATH	1		/* a type of rule */
#define ALL_THREADS	(1U << 3)	/* a flag of restrict_self */

#define RIGHT(n)	(UINT64_C(1) << (n))

/* What may be done with a file, or in a directory. */
#define EXECUTE		RIGHT(0)
#define WRITE_FILE	RIGHT(1)
#define READ_FILE	RIGHT(2)
#define READ_DIR	RIGHT(3)
#define REMOVE_DIR	RIGHT(4)
#define REMOVE_FILE	RIGHT(5)
#define MAKE_DIR	RIGHT(7)
#define MAKE_REG	RIGHT(8)
#define MAKE_SYM	RIGHT(12)
#define REFER		RIGHT(13)
#define TRUNCATE	RIGHT(14)
#define IOCTL_DEV	RIGHT(15)
#define RESOLVE_UNIX	RIGHT(16)

#define BIND_TCP	RIGHT(0)
#define CONNECT_TCP	RIGHT(1)

#define SCOPE_ABSTRACT	RIGHT(0)	/* sockets of others */
#define SCOPE_SIGNAL	RIGHT(1)	/* to others */

/* The only rights that a file has; the others are those of directories. */
#define OF_FILES	(EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | \
			    IOCTL_DEV)

#define MAY_READ	(READ_FILE | READ_DIR)
#define MAY_SPOOL	(READ_FILE | WRITE_FILE | TRUNCATE | REFER)
#define MAY_WRITE	(MAY_READ | MAY_SPOOL | MAKE_REG | MAKE_DIR | \
			    MAKE_SYM | REMOVE_FILE | REMOVE_DIR)

/* All that a ruleset forbids where no rule allows it. */
struct ruleset {
	uint64_t	files, net, scopes;
};

struct rule {
	uint64_t	allowed;
	int32_t		parent;
} __attribute__((packed));

/* A ruleset that is being filled. */
struct fence {
	int		 fd;
	uint64_t	 handled;	/* rights on files */
};

static const struct {
	const char	*path;
	uint64_t	 rights;
} common[] = {
	{ "/dev/null", READ_FILE | WRITE_FILE },
	{ "/dev/zero", READ_FILE | WRITE_FILE },
	{ "/dev/full", READ_FILE | WRITE_FILE },
	{ "/dev/random", READ_FILE },
	{ "/dev/urandom", READ_FILE },
	{ "/etc/localtime", READ_FILE },
	{ "/etc/mime.types", READ_FILE },
	{ "/usr/lib/locale", MAY_READ },
	{ "/usr/share/locale", MAY_READ },
	{ "/usr/share/zoneinfo", MAY_READ },
};

/* How a host is found; the targets of links are in places of their own. */
static const char *const for_names[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf",
	"/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
	"/run/systemd/resolve"
};

int
landlock_version(void)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    ASK_VERSION);

	return version > 0 ? (int)version : 0;
}

static struct ruleset
all_of(const struct confinement *confinement)
{
	const int version = confinement->landlock;
	const bool connects = confinement->server->settings.sandbox_connect;
	struct ruleset all = { RIGHT(13) - 1, 0, 0 };

	if (version >= 2)
		all.files |= REFER;
	if (version >= 3)
		all.files |= TRUNCATE;
	if (version >= 4)
		all.net = connects ? BIND_TCP : BIND_TCP | CONNECT_TCP;
	if (version >= 5)
		all.files |= IOCTL_DEV;
	if (version >= 6)
		all.scopes = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	if (version >= 9 && !connects && !confinement->uses_syslog)
		all.files |= RESOLVE_UNIX;
	return all;
}

/* ------------------------------------------------------------------- rules */

static int
add_rule(const struct fence *fence, int fd, uint64_t rights)
{
	struct rule rule = { rights & fence->handled, fd };
	struct stat there;

	if (fstat(fd, &there) == -1)
		return -1;
	if (!S_ISDIR(there.st_mode))
		rule.allowed &= OF_FILES;
	return rule.allowed == 0 ? 0 : (int)syscall(SYS_landlock_add_rule,
	    fence->fd, PATH_BENEATH, &rule, 0);
}

static int
allow(const struct fence *fence, const char *path, uint64_t rights)
{
	const int fd = open(path, O_PATH | O_CLOEXEC);
	int result;

	if (fd == -1)
		return -1;
	result = add_rule(fence, fd, rights);
	descriptor_close(fd);
	return result;
}

/* What was loaded may be read, for the names in a backtrace. */
static int
allow_object(struct dl_phdr_info *object, size_t size, void *fence)
{
	const char *name = object->dlpi_name;

	(void)size;
	(void)allow(fence, *name != '\0' ? name : "/proc/self/exe",
	    READ_FILE);
	return 0;
}

/* What serving needs: what is not there cannot be read either. */
static void
allow_common(const struct fence *fence, const struct confinement *confinement)
{
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		(void)allow(fence, common[i].path, common[i].rights);
	(void)dl_iterate_phdr(allow_object, (void *)(uintptr_t)fence);
	if (confinement->spool != NULL)
		(void)allow(fence, confinement->spool,
		    confinement->spool_has_names
		    ? MAY_SPOOL | MAKE_REG | REMOVE_FILE : MAY_SPOOL);
	if (!confinement->server->settings.sandbox_connect)
		return;
	for (size_t i = 0; i < sizeof(for_names) / sizeof(for_names[0]); i++)
		(void)allow(fence, for_names[i], MAY_READ);
}

/*
 * Links that may lead out of the directory lead anywhere, unless it is said
 * where to.
 */
static int
allow_served(const struct fence *fence, const struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	int result;

	if (server->served == -1)
		return 0;
	result = add_rule(fence, server->served, MAY_READ);
	if (result == 0 && settings->follow_symlinks &&
	    settings->sandbox_path_count == 0)
		result = allow(fence, "/", MAY_READ);
	return result == 0 ? 0 : failure("--sandbox: the directory that is "
	    "served: %s", strerror(errno));
}

/* What was asked for has to be there: a wrong name is found at the start. */
static int
allow_named(const struct fence *fence, const struct tine_server *server)
{
	const struct settings *settings = &server->settings;

	for (unsigned i = 0; i < settings->sandbox_path_count; i++) {
		const struct sandbox_path *named = &settings->sandbox_paths[i];

		if (allow(fence, named->path, named->is_writable ? MAY_WRITE
		    : MAY_READ) == -1)
			return failure("--sandbox-%s=%s: %s",
			    named->is_writable ? "write" : "read",
			    named->path, strerror(errno));
	}
	return 0;
}

static int
restrict_self(const struct fence *fence, int version)
{
	const unsigned flags = version >= LANDLOCK_WITH_THREADS ? ALL_THREADS
	    : 0;

	if (syscall(SYS_landlock_restrict_self, fence->fd, flags) == -1)
		return failure("--sandbox: Landlock: %s", strerror(errno));
	return 0;
}

int
landlock_enter(const struct confinement *confinement)
{
	const struct ruleset all = all_of(confinement);
	struct fence fence = { .handled = all.files };
	int result;

	if (confinement->landlock == 0)
		return 0;
	/* An older kernel takes more bytes than it knows, if they are 0. */
	fence.fd = (int)syscall(SYS_landlock_create_ruleset, &all,
	    sizeof(all), 0);
	if (fence.fd == -1)
		return failure("--sandbox: Landlock: %s", strerror(errno));
	allow_common(&fence, confinement);
	result = allow_served(&fence, confinement->server);
	if (result == 0)
		result = allow_named(&fence, confinement->server);
	if (result == 0)
		result = restrict_self(&fence, confinement->landlock);
	descriptor_close(fence.fd);
	return result;
}
