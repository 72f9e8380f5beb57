/* SPDX-License-Identifier: ISC */
/*
 * The three calls of a request in the steady state, without cancellation
 * points.  In a process of several threads the C library's own change the
 * state of the thread before and after each, by two locked instructions and
 * some forty others; no thread of ours is ever cancelled.
 *
 * A sanitizer looks at what the C library's functions are given, so there it
 * gets them.
 */
#ifndef BASE_BARE_H
#define BASE_BARE_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <unistd.h>

#if defined(SYS_recvfrom) && defined(SYS_sendto) && defined(SYS_epoll_wait) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static inline ssize_t
bare_recv(int fd, void *data, size_t size, int flags)
{
	return syscall(SYS_recvfrom, fd, data, size, flags, NULL, NULL);
}

static inline ssize_t
bare_send(int fd, const void *data, size_t size, int flags)
{
	return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}

static inline int
bare_epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
	return (int)syscall(SYS_epoll_wait, fd, events, most, timeout);
}

#else

#define bare_recv	recv
#define bare_send	send
#define bare_epoll_wait	epoll_wait

#endif

#endif
