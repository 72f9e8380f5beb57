/* SPDX-License-Identifier: ISC */
/*
 * seccomp: the system calls that serving and an honest handler need, by name;
 * all others fail with EPERM, so that whoever tried sees an error and can
 * report it.  What needs an exception to that:
 *
 *   clone3	ENOSYS: its flags are in memory, where no filter can look, and
 *		the C library then uses clone(2)
 *   socket ...	EACCES, as Landlock and socket(2) itself say it
 *
 * Names that libseccomp or the architecture does not know are left out.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif

#include "../base/failure.h"
#include "confinement.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* Whatever the arguments. */
static const char *const allowed[] = {
	/* connections */
	"accept", "accept4", "epoll_create", "epoll_create1", "epoll_ctl",
	"epoll_pwait", "epoll_pwait2", "epoll_wait", "getpeername",
	"getsockname", "getsockopt", "poll", "ppoll", "ppoll_time64",
	"pselect6", "pselect6_time64", "recv", "recvfrom", "recvmmsg",
	"recvmmsg_time64", "recvmsg", "select", "_newselect", "send",
	"sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
	/* descriptors */
	"close", "close_range", "copy_file_range", "dup", "dup2", "dup3",
	"eventfd", "eventfd2", "fadvise64", "fadvise64_64",
	"arm_fadvise64_64", "fallocate", "fdatasync", "flock", "fstat",
	"fstat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
	"ftruncate64", "lseek", "_llseek", "memfd_create", "pipe", "pipe2",
	"pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2",
	"read", "readahead", "readv", "sendfile", "sendfile64", "signalfd",
	"signalfd4", "splice", "sync_file_range", "sync_file_range2", "tee",
	"timerfd_create", "timerfd_gettime", "timerfd_gettime64",
	"timerfd_settime", "timerfd_settime64", "vmsplice", "write",
	"writev",
	/* files, which Landlock bounds */
	"access", "chdir", "faccessat", "faccessat2", "fchdir", "fstatat64",
	"getcwd", "getdents", "getdents64", "lstat", "lstat64",
	"newfstatat", "open", "openat", "openat2", "readlink", "readlinkat",
	"stat", "stat64", "statfs", "statfs64", "statx", "umask",
	/* memory */
	"brk", "madvise", "membarrier", "mincore", "mlock", "mlock2",
	"mlockall", "mremap", "msync", "munlock", "munlockall", "munmap",
	/* time */
	"clock_getres", "clock_getres_time64", "clock_gettime",
	"clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64",
	"gettimeofday", "nanosleep", "time", "times",
	/* threads, and this process */
	"alarm", "cacheflush", "capget", "exit",
	"exit_group", "futex", "futex_time64", "futex_waitv",
	"get_robust_list", "getcpu", "getegid", "getegid32", "geteuid",
	"geteuid32", "getgid", "getgid32", "getgroups", "getgroups32",
	"getitimer", "getpgid", "getpgrp", "getpid", "getppid",
	"getpriority", "getrandom", "getresgid", "getresgid32", "getresuid",
	"getresuid32", "getrlimit", "getrusage", "getsid", "gettid",
	"getuid", "getuid32", "pause", "restart_syscall",
	"riscv_flush_icache", "riscv_hwprobe", "rseq", "rt_sigaction",
	"rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
	"rt_sigtimedwait", "rt_sigtimedwait_time64",
	"sched_get_priority_max", "sched_get_priority_min",
	"sched_getaffinity", "sched_getparam", "sched_getscheduler",
	"sched_rr_get_interval", "sched_yield", "set_robust_list",
	"set_thread_area", "set_tid_address", "set_tls", "setitimer",
	"sigaltstack", "sigreturn", "sysinfo", "timer_create",
	"timer_delete", "timer_getoverrun", "timer_gettime",
	"timer_gettime64", "timer_settime", "timer_settime64",
	"ugetrlimit", "uname", "wait4", "waitid", "waitpid"
};

/* With a directory to write to, which Landlock bounds as well. */
static const char *const for_writing[] = {
	"creat", "fchmod", "link", "linkat", "mkdir", "mkdirat", "rename",
	"renameat", "renameat2", "rmdir", "symlink", "symlinkat",
	"truncate", "truncate64", "unlink", "unlinkat"
};

/* Refused as the system would, since programs look for it. */
static const char *const to_serve[] = { "bind", "listen" };
static const char *const to_connect[] = { "connect", "socket" };

/* If one argument is, or has under a mask, such a value. */
struct condition {
	const char		*name;
	struct scmp_arg_cmp	 if_so;
};

#define IS(n, value)	{ (n), SCMP_CMP_EQ, (scmp_datum_t)(value), 0 }
#define HAS(n, mask, value) \
	{ (n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (value) }

#ifdef __s390__
#define CLONE_FLAGS	1		/* its arguments are the other way */
#else
#define CLONE_FLAGS	0
#endif

static const struct condition conditions[] = {
	/* No further code: neither a library nor what a reply was made of. */
	{ "mmap", HAS(2, PROT_EXEC, 0) },
	{ "mmap2", HAS(2, PROT_EXEC, 0) },
	{ "mprotect", HAS(2, PROT_EXEC, 0) },
	{ "clone", HAS(CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD) },
	/* Not those of a terminal, which could type in it. */
	{ "ioctl", IS(1, TCGETS) },
	{ "ioctl", IS(1, TIOCGWINSZ) },
	{ "ioctl", IS(1, FIONREAD) },
	{ "ioctl", IS(1, FIONBIO) },
	{ "ioctl", IS(1, FIOCLEX) },
	{ "ioctl", IS(1, FIONCLEX) },
	{ "ioctl", IS(1, TIOCOUTQ) },
	/* Not F_SETOWN and F_SETSIG, which signal others. */
	{ "fcntl", IS(1, F_DUPFD) },
	{ "fcntl", IS(1, F_DUPFD_CLOEXEC) },
	{ "fcntl", IS(1, F_GETFD) },
	{ "fcntl", IS(1, F_SETFD) },
	{ "fcntl", IS(1, F_GETFL) },
	{ "fcntl", IS(1, F_SETFL) },
	{ "fcntl", IS(1, F_GETLK) },
	{ "fcntl", IS(1, F_SETLK) },
	{ "fcntl", IS(1, F_SETLKW) },
	{ "fcntl", IS(1, F_OFD_GETLK) },
	{ "fcntl", IS(1, F_OFD_SETLK) },
	{ "fcntl", IS(1, F_OFD_SETLKW) },
	{ "fcntl", IS(1, F_ADD_SEALS) },
	{ "fcntl", IS(1, F_GET_SEALS) },
	{ "fcntl", IS(1, F_GETPIPE_SZ) },
	{ "fcntl", IS(1, F_SETPIPE_SZ) },
	{ "prctl", IS(0, PR_SET_NAME) },
	{ "prctl", IS(0, PR_GET_NAME) },
	{ "prctl", IS(0, PR_SET_PDEATHSIG) },
	{ "prctl", IS(0, PR_GET_DUMPABLE) },
	{ "prctl", IS(0, PR_GET_NO_NEW_PRIVS) },
	{ "prctl", IS(0, PR_GET_SECCOMP) },
	{ "prctl", IS(0, PR_CAPBSET_READ) },
	{ "prctl", IS(0, 0x53564d41) },		/* PR_SET_VMA: names */
	{ "prlimit64", IS(0, 0) },		/* its own */
};

/* What a handler must not, and what its forker needs for it. */
static const struct condition for_forking[] = {
	{ "clone", HAS(CLONE_FLAGS, ~(scmp_datum_t)(CLONE_CHILD_SETTID |
	    CLONE_CHILD_CLEARTID | CSIGNAL), 0) },
	{ "seccomp", IS(0, SECCOMP_SET_MODE_FILTER) },
};

/* Of these a child gives up what is not aimed at itself: sandbox_child.c. */
static const char *const by_forkers[] = {
	"fork", "kill", "tgkill"
};

/* Whose first argument names a process, which may only be this one. */
static const char *const to_itself[] = {
	"kill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tgkill"
};

/* ------------------------------------------------------------------- rules */

static int
add(scmp_filter_ctx filter, uint32_t action, const char *name,
    const struct scmp_arg_cmp *conditions_of, unsigned count)
{
	const int number = seccomp_syscall_resolve_name(name);
	int result;

	if (number == __NR_SCMP_ERROR)
		return 0;
	result = seccomp_rule_add_array(filter, action, number, count,
	    conditions_of);
	/* Below 0: another architecture's. */
	return number < 0 ? 0 : result;
}

static int
add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names,
    size_t count)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < count; i++)
		result = add(filter, action, names[i], NULL, 0);
	return result;
}

static int
add_conditions(scmp_filter_ctx filter, const struct condition *list,
    size_t count)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < count; i++)
		result = add(filter, SCMP_ACT_ALLOW, list[i].name,
		    &list[i].if_so, 1);
	return result;
}

/*
 * A pair of stream sockets is as good as a pipe; a datagram socket could
 * send to whom it likes.
 */
static int
add_pairs(scmp_filter_ctx filter)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	int result = 0;

	for (size_t i = 0; result == 0 && i < COUNT(types); i++) {
		const struct scmp_arg_cmp both[2] = {
			IS(0, AF_UNIX), HAS(1, 0xf, (scmp_datum_t)types[i])
		};

		result = add(filter, SCMP_ACT_ALLOW, "socketpair", both, 2);
	}
	return result;
}

static int
add_sockets(scmp_filter_ctx filter, const struct confinement *confinement)
{
	const bool connects = confinement->server->settings.sandbox_connect;
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };
	int result;

	result = add_names(filter, SCMP_ACT_ERRNO(EACCES), to_serve,
	    COUNT(to_serve));
	/* The system's log may have been restarted. */
	if (result == 0 && !connects && !confinement->uses_syslog)
		return add_names(filter, SCMP_ACT_ERRNO(EACCES), to_connect,
		    COUNT(to_connect));
	if (result == 0)
		result = add(filter, SCMP_ACT_ALLOW, "connect", NULL, 0);
	for (size_t i = 0; result == 0 && i < (connects ? COUNT(families)
	    : 1); i++) {
		const struct scmp_arg_cmp family = IS(0, families[i]);

		result = add(filter, SCMP_ACT_ALLOW, "socket", &family, 1);
	}
	return result;
}

static int
add_processes(scmp_filter_ctx filter, enum confined who)
{
	const struct scmp_arg_cmp self = IS(0, getpid());
	int result = 0;

	if (who == CONFINED_FORKER) {
		result = add_names(filter, SCMP_ACT_ALLOW, by_forkers,
		    COUNT(by_forkers));
		return result != 0 ? result : add_conditions(filter,
		    for_forking, COUNT(for_forking));
	}
	for (size_t i = 0; result == 0 && i < COUNT(to_itself); i++)
		result = add(filter, SCMP_ACT_ALLOW, to_itself[i], &self, 1);
	return result;
}

static int
fill(scmp_filter_ctx filter, const struct confinement *confinement)
{
	int result = add_names(filter, SCMP_ACT_ALLOW, allowed,
	    COUNT(allowed));

	if (result == 0)
		result = add_conditions(filter, conditions,
		    COUNT(conditions));
	if (result == 0)
		result = add_pairs(filter);
	if (result == 0)
		result = add_sockets(filter, confinement);
	if (result == 0)
		result = add_processes(filter, confinement->who);
	if (result == 0)
		result = add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL,
		    0);
	if (result == 0 && confinement->may_write)
		result = add_names(filter, SCMP_ACT_ALLOW, for_writing,
		    COUNT(for_writing));
	else if (result == 0 && confinement->spool_has_names)
		result = add(filter, SCMP_ACT_ALLOW, "unlink", NULL, 0);
	return result;
}

/* ------------------------------------------------------------------ the door */

static int
set_attributes(scmp_filter_ctx filter)
{
	int result;

	/* i386's and x32's numbers mean other things. */
	result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_ERRNO(EPERM));
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Older libraries cannot: without the search by halves it is slower. */
#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 5)
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* The filter is no secret of another: no need to slow the process. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
#endif
	return result;
}

const char *
seccomp_lack(void)
{
	const uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0
	    ? NULL : "this kernel has no filters of seccomp(2)";
}

int
seccomp_enter(const struct confinement *confinement)
{
	scmp_filter_ctx filter;
	int result;

	if (seccomp_lack() != NULL)
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return failure("--sandbox: no memory for a filter");
	result = set_attributes(filter);
	if (result == 0)
		result = fill(filter, confinement);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
#ifdef HAVE_MALLOC_TRIM
	/* What libseccomp has used would be copied by each fork(2). */
	(void)malloc_trim(0);
#endif
	if (result != 0)
		return failure_errno(-result, "--sandbox: seccomp: %s",
		    strerror(-result));
	return 0;
}
