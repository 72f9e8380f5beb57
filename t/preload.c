/* SPDX-License-Identifier: ISC */
/*
 * For LD_PRELOAD: a kernel that has bad days.  $PRELOAD is a directory whose
 * files say when, so that this can change while the server runs:
 *
 *	fork	its first number is the errno that fork(2) fails with
 *	clock	seconds to be added to the time of day
 *	accepts	is appended to: a byte for each accept4(2) that found nothing
 *	landlock	the version that there is, or -1: none
 *	seccomp	-1: there is none
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

pid_t	fork(void);
int	accept4(int fd, struct sockaddr *address, socklen_t *length,
	    int flags);
int	clock_gettime(clockid_t clock, struct timespec *now);
long	syscall(long number, ...);
time_t	time(time_t *now);

/* A file's first number; 0 if there is none. */
static long
told(const char *what)
{
	const char *dir = getenv("PRELOAD");
	char path[512], text[32] = "";
	const int saved = errno;
	int fd;

	if (dir == NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		(void)!read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	errno = saved;
	return strtol(text, NULL, 10);
}

static void
note(const char *what)
{
	const char *dir = getenv("PRELOAD");
	char path[512];
	const int saved = errno;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "/",
	    what);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd != -1) {
		(void)!write(fd, ".", 1);
		(void)close(fd);
	}
	errno = saved;
}

pid_t
fork(void)
{
	pid_t (*real)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
	const long error = told("fork");

	if (error == 0)
		return real();
	errno = (int)error;
	return -1;
}

int
accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	int (*real)(int, struct sockaddr *, socklen_t *, int) =
	    (int (*)(int, struct sockaddr *, socklen_t *, int))
	    dlsym(RTLD_NEXT, "accept4");
	const int new = real(fd, address, length, flags);

	if (new == -1 && errno == EAGAIN)
		note("accepts");
	return new;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int (*real)(clockid_t, struct timespec *) =
	    (int (*)(clockid_t, struct timespec *))
	    dlsym(RTLD_NEXT, "clock_gettime");
	const int result = real(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += told("clock");
	return result;
}

time_t
time(time_t *now)
{
	struct timespec there;

	(void)clock_gettime(CLOCK_REALTIME, &there);
	if (now != NULL)
		*now = there.tv_sec;
	return there.tv_sec;
}

/* What is asked once, at the start; all other calls go by in peace. */
static long
told_of(long number)
{
	if (number == SYS_landlock_create_ruleset)
		return told("landlock");
	return number == SYS_seccomp ? told("seccomp") : 0;
}

long
syscall(long number, ...)
{
	static long (*real)(long, ...);
	const long version = told_of(number);
	long word[6];
	va_list ap;

	if (real == NULL)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		word[i] = va_arg(ap, long);
	va_end(ap);
	if (version == -1) {
		errno = ENOSYS;
		return -1;
	}
	if (version > 0 && word[0] == 0)
		return version;		/* which one is asked */
	return real(number, word[0], word[1], word[2], word[3], word[4],
	    word[5]);
}
