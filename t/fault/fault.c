/* SPDX-License-Identifier: ISC */
/*
 * Makes calls of the system fail: a library for LD_PRELOAD.
 *
 * A place is a function and the four callers above it, by their offsets in
 * their objects, so that it is the same place in another run.  A file that
 * $TINE_FAULT names is shared by all processes; through it the test says
 * whose calls count, first has the places written down, and then has one of
 * them fail, once or more often.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLERS	4
#define PLACES	2000

enum action { ACTION_NONE, ACTION_LEARN, ACTION_FAIL };

/* 128 bytes; t/fault.t reads it. */
struct place {
	_Atomic uint64_t id;		/* written last */
	atomic_uint	 calls;
	uint32_t	 unused;
	uint64_t	 offset[CALLERS];
	char		 function[16];
	char		 object[CALLERS][16];
};

struct control {
	atomic_uint	 action;
	atomic_int	 process;	/* only this one; 0: any */
	atomic_int	 parent;	/* or only its children; 0 */
	atomic_uint	 variant;	/* which error */
	_Atomic uint64_t place;		/* that fails */
	atomic_uint	 passes;	/* so many calls come through before */
	atomic_uint	 fails;		/* then so many fail */
	atomic_uint	 failed;	/* have failed */
	atomic_uint	 count;		/* of places */
	char		 unused[24];
	struct place	 places[PLACES];
};

static struct control *control;
static _Thread_local bool is_inside
    __attribute__((__tls_model__("initial-exec")));

void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);

/* ----------------------------------------------------------------- deciding */

__attribute__((__constructor__))
static void
begin(void)
{
	const char *path = getenv("TINE_FAULT");
	void *warm[1], *memory;
	int fd;

	if (path == NULL || (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	(void)backtrace(warm, 1);	/* loads what it needs */
	memory = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	(void)close(fd);
	if (memory != MAP_FAILED)
		control = memory;
}

static bool
is_meant(void)
{
	const int process = atomic_load(&control->process);
	const int parent = atomic_load(&control->parent);

	if (process != 0)
		return getpid() == process;
	return parent == 0 || getppid() == parent;
}

/* Where a call comes from; the first two frames are ours. */
static uint64_t
find_place(struct place *place, const char *function)
{
	void *frames[2 + CALLERS];
	const int count = backtrace(frames, 2 + CALLERS);
	uint64_t id = UINT64_C(0xcbf29ce484222325);

	memset(place, 0, sizeof(*place));
	(void)strncpy(place->function, function, sizeof(place->function) - 1);
	for (const char *c = function; *c != '\0'; c++)
		id = (id ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	for (int i = 2; i < count; i++) {
		Dl_info info;
		const char *name;

		if (dladdr(frames[i], &info) == 0)
			continue;
		name = strrchr(info.dli_fname, '/');
		name = name != NULL ? name + 1 : info.dli_fname;
		(void)strncpy(place->object[i - 2], name,
		    sizeof(place->object[0]) - 1);
		place->offset[i - 2] = (uint64_t)((uintptr_t)frames[i] -
		    (uintptr_t)info.dli_fbase);
		id = (id ^ place->offset[i - 2]) * UINT64_C(0x100000001b3);
	}
	return id != 0 ? id : 1;
}

static void
learn(const struct place *found, uint64_t id)
{
	unsigned count = atomic_load(&control->count);
	struct place *place;

	for (unsigned i = 0; i < count && i < PLACES; i++) {
		if (atomic_load(&control->places[i].id) == id) {
			atomic_fetch_add(&control->places[i].calls, 1);
			return;
		}
	}
	count = atomic_fetch_add(&control->count, 1);
	if (count >= PLACES)
		return;
	place = &control->places[count];
	memcpy(place->offset, found->offset, sizeof(place->offset));
	memcpy(place->function, found->function, sizeof(place->function));
	memcpy(place->object, found->object, sizeof(place->object));
	atomic_store(&place->calls, 1);
	atomic_store(&place->id, id);
}

/* Takes one off a count, unless it is 0. */
static bool
take(atomic_uint *count)
{
	unsigned there = atomic_load(count);

	while (there > 0) {
		if (atomic_compare_exchange_weak(count, &there, there - 1))
			return true;
	}
	return false;
}

/* Whether this call fails. */
__attribute__((__noinline__))
static bool
fails(const char *function)
{
	const int saved = errno;
	struct place place;
	unsigned action;
	bool result = false;
	uint64_t id;

	if (control == NULL || is_inside ||
	    (action = atomic_load(&control->action)) == ACTION_NONE)
		return false;
	is_inside = true;
	if (is_meant()) {
		id = find_place(&place, function);
		if (action == ACTION_LEARN)
			learn(&place, id);
		else if (id == atomic_load(&control->place) &&
		    !take(&control->passes) && take(&control->fails))
			result = true;
	}
	if (result)
		atomic_fetch_add(&control->failed, 1);
	is_inside = false;
	errno = saved;
	return result;
}

static int
failure(int first, int second)
{
	errno = atomic_load(&control->variant) == 0 ? first : second;
	return -1;
}

/* ---------------------------------------------------------------- memory */

void *
malloc(size_t size)
{
	if (fails("malloc"))
		return (void)failure(ENOMEM, ENOMEM), NULL;
	return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	if (fails("calloc"))
		return (void)failure(ENOMEM, ENOMEM), NULL;
	return __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
	if (fails("realloc"))
		return (void)failure(ENOMEM, ENOMEM), NULL;
	return __libc_realloc(memory, size);
}

void *
reallocarray(void *memory, size_t count, size_t size)
{
	size_t bytes;

	if (fails("reallocarray") ||
	    __builtin_mul_overflow(count, size, &bytes))
		return (void)failure(ENOMEM, ENOMEM), NULL;
	return __libc_realloc(memory, bytes);
}

/* ------------------------------------------------------- all the other calls */

#define NEXT(name)	(*(void **)(&next) = dlsym(RTLD_NEXT, #name))

/* A function that says -1; first and second are what errno can be. */
#define CALL(type, name, parameters, arguments, first, second)		\
type									\
name parameters								\
{									\
	static type (*next) parameters;					\
									\
	if (next == NULL)						\
		NEXT(name);						\
	if (fails(#name))						\
		return (type)failure(first, second);			\
	return next arguments;						\
}

CALL(int, accept4, (int fd, struct sockaddr *address, socklen_t *length,
    int flags), (fd, address, length, flags), EMFILE, EINTR)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t length),
    (fd, address, length), EADDRNOTAVAIL, EACCES)
CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE,
    EOPNOTSUPP)
CALL(int, socket, (int family, int type, int protocol),
    (family, type, protocol), EMFILE, ENOBUFS)
CALL(int, socketpair, (int family, int type, int protocol, int pair[2]),
    (family, type, protocol, pair), EMFILE, ENOBUFS)
CALL(int, setsockopt, (int fd, int level, int name, const void *value,
    socklen_t length), (fd, level, name, value, length), EINVAL, ENOBUFS)
CALL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length),
    (fd, address, length), ENOBUFS, ENOBUFS)
CALL(int, shutdown, (int fd, int how), (fd, how), ENOTCONN, ENOTCONN)
CALL(ssize_t, recv, (int fd, void *data, size_t size, int flags),
    (fd, data, size, flags), EINTR, ECONNRESET)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
    (fd, message, flags), EINTR, ENOMEM)
CALL(ssize_t, send, (int fd, const void *data, size_t size, int flags),
    (fd, data, size, flags), EINTR, EPIPE)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
    (fd, message, flags), EINTR, ETOOMANYREFS)
CALL(ssize_t, sendfile, (int out, int in, off_t *offset, size_t size),
    (out, in, offset, size), EINTR, EIO)
CALL(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size),
    EINTR, EIO)
CALL(ssize_t, write, (int fd, const void *data, size_t size),
    (fd, data, size), EINTR, ENOSPC)
CALL(ssize_t, pread, (int fd, void *data, size_t size, off_t at),
    (fd, data, size, at), EINTR, EIO)
CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at),
    (fd, data, size, at), EINTR, ENOSPC)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), EINTR, EIO)
CALL(int, epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
CALL(int, epoll_ctl, (int epoll, int operation, int fd,
    struct epoll_event *event), (epoll, operation, fd, event), ENOMEM, ENOSPC)
CALL(int, epoll_wait, (int epoll, struct epoll_event *events, int most,
    int timeout), (epoll, events, most, timeout), EINTR, EINTR)
CALL(int, poll, (struct pollfd *fds, nfds_t count, int timeout),
    (fds, count, timeout), EINTR, ENOMEM)
CALL(int, eventfd, (unsigned value, int flags), (value, flags), EMFILE,
    ENOMEM)
CALL(int, signalfd, (int fd, const sigset_t *mask, int flags),
    (fd, mask, flags), EMFILE, ENOMEM)
CALL(int, memfd_create, (const char *name, unsigned flags), (name, flags),
    EMFILE, ENOMEM)
CALL(int, pipe2, (int pair[2], int flags), (pair, flags), EMFILE, ENFILE)
CALL(int, dup, (int fd), (fd), EMFILE, EMFILE)
CALL(int, dup3, (int from, int to, int flags), (from, to, flags), EINTR,
    EBUSY)
CALL(int, mkostemp, (char *path, int flags), (path, flags), EMFILE, EACCES)
CALL(int, munmap, (void *memory, size_t size), (memory, size), ENOMEM, ENOMEM)
CALL(int, mprotect, (void *memory, size_t size, int how),
    (memory, size, how), ENOMEM, ENOMEM)
CALL(pid_t, fork, (void), (), EAGAIN, ENOMEM)
CALL(pid_t, waitpid, (pid_t process, int *status, int flags),
    (process, status, flags), EINTR, EINTR)

/* The calls that are made without the C library's function; see base/bare.h. */
long
syscall(long number, ...)
{
	static const struct {
		long	    number;
		const char *name;
		int	    second;
	} bare[] = {
		{ SYS_recvfrom, "recv", ECONNRESET },
		{ SYS_sendto, "send", EPIPE },
		{ SYS_epoll_wait, "epoll_wait", EINTR }
	};
	static long (*next)(long, ...);
	long arguments[6];
	va_list ap;

	if (next == NULL)
		NEXT(syscall);
	va_start(ap, number);
	for (size_t i = 0; i < 6; i++)
		arguments[i] = va_arg(ap, long);
	va_end(ap);
	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
		if (number == bare[i].number && fails(bare[i].name))
			return failure(EINTR, bare[i].second);
	}
	return next(number, arguments[0], arguments[1], arguments[2],
	    arguments[3], arguments[4], arguments[5]);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*function)(void *), void *argument)
{
	static int (*next)(pthread_t *, const pthread_attr_t *,
	    void *(*)(void *), void *);

	if (next == NULL)
		NEXT(pthread_create);
	if (fails("pthread_create"))
		return EAGAIN;
	return next(thread, attributes, function, argument);
}

void *
mmap(void *where, size_t size, int how, int flags, int fd, off_t offset)
{
	static void *(*next)(void *, size_t, int, int, int, off_t);

	if (next == NULL)
		NEXT(mmap);
	if (fails("mmap"))
		return (void)failure(ENOMEM, ENODEV), MAP_FAILED;
	return next(where, size, how, flags, fd, offset);
}

FILE *
fopen(const char *path, const char *mode)
{
	static FILE *(*next)(const char *, const char *);

	if (next == NULL)
		NEXT(fopen);
	if (fails("fopen"))
		return (void)failure(EMFILE, ENOMEM), NULL;
	return next(path, mode);
}

int
open(const char *path, int flags, ...)
{
	static int (*next)(const char *, int, ...);
	mode_t mode = 0;
	va_list ap;

	if (next == NULL)
		NEXT(open);
	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (fails("open"))
		return failure(EMFILE, EACCES);
	return next(path, flags, mode);
}

int
openat(int dir, const char *path, int flags, ...)
{
	static int (*next)(int, const char *, int, ...);
	mode_t mode = 0;
	va_list ap;

	if (next == NULL)
		NEXT(openat);
	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (fails("openat"))
		return failure(EMFILE, EACCES);
	return next(dir, path, flags, mode);
}

/* The third argument is an int, a pointer or not there. */
int
fcntl(int fd, int command, ...)
{
	static int (*next)(int, int, ...);
	void *argument;
	va_list ap;

	if (next == NULL)
		NEXT(fcntl);
	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (fails("fcntl"))
		return failure(EINVAL, EMFILE);
	return next(fd, command, argument);
}
