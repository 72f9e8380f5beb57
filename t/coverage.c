/* SPDX-License-Identifier: ISC */
/*
 * Linked into the library when coverage is measured: a process that leaves by
 * _exit(2), or by a signal that it sends itself, counts too.
 */
#include <signal.h>
#include <unistd.h>

void	__gcov_dump(void);
void	__real__exit(int status) __attribute__((__noreturn__));
void	__wrap__exit(int status) __attribute__((__noreturn__));
int	__real_raise(int sig);
int	__wrap_raise(int sig);

void
__wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}

int
__wrap_raise(int sig)
{
	__gcov_dump();
	return __real_raise(sig);
}
