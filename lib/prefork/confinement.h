/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the sandbox share: sandbox.c decides, and each of the
 * others does one thing about this process that cannot be undone.
 */
#ifndef PREFORK_CONFINEMENT_H
#define PREFORK_CONFINEMENT_H

#include <stdbool.h>

#include "../server/server.h"

struct confinement {
	const struct tine_server *server;
	enum confined	 who;
	int		 landlock;	/* the kernel's version; 0: none */
	const char	*spool;		/* a directory of our own; NULL: none */
	bool		 spool_has_names;	/* for there is no O_TMPFILE */
	bool		 may_write;	/* elsewhere too */
	bool		 uses_syslog;	/* and connects to it anew */
};

/* --- sandbox_landlock.c */

/* The version of its interface, or 0. */
int	landlock_version(void);
int	landlock_enter(const struct confinement *confinement);

#define LANDLOCK_WITH_THREADS	8	/* it reaches all threads */

/* --- sandbox_seccomp.c, or sandbox_no_seccomp.c without libseccomp */

/* Why there is no filter of system calls, or NULL. */
const char *seccomp_lack(void);
int	seccomp_enter(const struct confinement *confinement);

/* --- sandbox_child.c */

/* What a child of a confined forker gives up beside: cheap, for each is. */
int	seccomp_enter_child(void);

#endif
