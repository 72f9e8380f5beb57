/* SPDX-License-Identifier: ISC */
/*
 * The child of a forker that is locked in: it inherits all that, and then
 * must neither fork, as its forker does, nor signal anybody else.  There may
 * be one for each request, so the filter is made by hand, and short: the
 * kernel tries it with each of its system calls when it is loaded.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../base/failure.h"
#include "confinement.h"

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW	(1UL << 2)
#endif

#ifdef __s390__
#define CLONE_FLAGS	1		/* its arguments are the other way */
#else
#define CLONE_FLAGS	0
#endif

/* The half of an argument that the kernel looks at, for all are an int. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HALF	4
#else
#define HALF	0
#endif
#define LOAD(what)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (what))
#define LOAD_NUMBER	LOAD(offsetof(struct seccomp_data, nr))
#define LOAD_ARGUMENT(n) \
	LOAD((unsigned)offsetof(struct seccomp_data, args[n]) + HALF)
#define RETURN(what)	BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE		RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW		RETURN(SECCOMP_RET_ALLOW)

/* Refuses a system call, or goes on with the next two instructions. */
#define NOT(number) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), REFUSE
/* Allows it if its first argument is this process' number. */
#define ONLY_SELF(number, self) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4), \
	LOAD_ARGUMENT(0), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (self), 0, 1), ALLOW, REFUSE

int
seccomp_enter_child(void)
{
	const unsigned self = (unsigned)getpid();
	/* The architecture was checked by the forker's filter. */
	struct sock_filter code[] = {
		LOAD_NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
		LOAD_ARGUMENT(CLONE_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
		ALLOW, REFUSE,
		ONLY_SELF(SYS_kill, self),
		ONLY_SELF(SYS_tgkill, self),
#ifdef SYS_fork
		NOT(SYS_fork),
#endif
		ALLOW
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == -1)
		return failure("--sandbox: seccomp in a child: %s",
		    strerror(errno));
	return 0;
}
