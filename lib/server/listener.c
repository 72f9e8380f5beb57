/* SPDX-License-Identifier: ISC */
/*
 * See listener.h.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "listener.h"

#define LOCK_TRIES	50	/* to lock a socket's directory */
#define LOCK_PAUSE	10	/* ms between them */

static bool
is_file(const struct endpoint *endpoint)
{
	return endpoint->address.any.sa_family == AF_UNIX &&
	    endpoint->address.un.sun_path[0] != '\0';
}

static const char *
remedy(const struct endpoint *endpoint, int error)
{
	switch (error) {
	case EACCES:
		return is_file(endpoint) ? " (may its directory be written?)"
		    : " (ports below 1024 need root; see --user)";
	case EEXIST:
		return " (it is no socket; remove it, or choose another "
		    "--bind)";
	case EADDRINUSE:
		return " (another server listens there; "
		    "stop it, or choose another --bind)";
	case EADDRNOTAVAIL:
		return " (no interface of this machine has that address)";
	default:
		return "";
	}
}

static int
refuse(const struct endpoint *endpoint)
{
	const int error = errno;
	char text[128];

	endpoint_name(endpoint, text, sizeof(text));
	return failure_errno(error, "cannot listen on %s: %s%s", text,
	    strerror(error), remedy(endpoint, error));
}

/* Whether a server answers at a Unix socket's file. */
static bool
is_alive(const struct endpoint *endpoint)
{
	bool alive;
	int fd;

	fd = socket(AF_UNIX, endpoint->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return true;		/* not known, so leave it alone */
	/* EAGAIN is a server with a full queue. */
	alive = connect(fd, &endpoint->address.any, endpoint->length) == 0 ||
	    errno != ECONNREFUSED;
	descriptor_close(fd);
	return alive;
}

/*
 * Between a look at the file and listen(2) on a new one another start must
 * not come: so its directory is locked.  Returns a descriptor to close; -1:
 * it cannot be locked, which must not stop the start.
 */
static int
lock_directory(const struct endpoint *endpoint)
{
	char path[sizeof(endpoint->address.un.sun_path) + 1];
	const char *slash;
	int fd;

	if (!is_file(endpoint))
		return -1;
	(void)snprintf(path, sizeof(path), "%s",
	    endpoint->address.un.sun_path);
	slash = strrchr(path, '/');
	if (slash == NULL)
		(void)strcpy(path, ".");
	else
		path[slash == path ? 1 : slash - path] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd != -1 && i < LOCK_TRIES &&
	    flock(fd, LOCK_EX | LOCK_NB) == -1; i++)
		clock_pause(LOCK_PAUSE);
	return fd;
}

static void
remove_stale(const struct endpoint *endpoint)
{
	struct stat there;

	if (!is_file(endpoint) ||
	    lstat(endpoint->address.un.sun_path, &there) == -1 ||
	    !S_ISSOCK(there.st_mode) || is_alive(endpoint))
		return;
	(void)unlink(endpoint->address.un.sun_path);
}

/* "In use" would be a wrong word for it, and waiting does not help. */
static bool
is_other_file(const struct endpoint *endpoint)
{
	struct stat there;

	return is_file(endpoint) &&
	    lstat(endpoint->address.un.sun_path, &there) == 0 &&
	    !S_ISSOCK(there.st_mode);
}

static void
note_address(struct listener *listener)
{
	struct endpoint *endpoint = &listener->endpoint;
	struct stat there;

	if (endpoint_of_socket(endpoint, listener->source.fd) == -1)
		return;
	endpoint_name(endpoint, listener->text, sizeof(listener->text));
	if (is_file(endpoint) &&
	    lstat(endpoint->address.un.sun_path, &there) == 0) {
		listener->device = there.st_dev;
		listener->inode = there.st_ino;
	}
}

/* What a datagram's sender is, and which of our addresses it has written to. */
static void
ask_of_datagrams(int fd, int family)
{
	const int on = 1;

	if (family == AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on,
		    sizeof(on));
	else if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on,
		    sizeof(on));
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
}

static bool
is_of_datagrams(int fd)
{
	struct endpoint endpoint;

	return endpoint_of_socket(&endpoint, fd) == 0 &&
	    endpoint.type == SOCK_DGRAM &&
	    endpoint.address.any.sa_family != AF_UNSPEC;
}

bool
listener_is_listening(int fd)
{
	int on = 0;
	socklen_t length = sizeof(on);

	if (is_of_datagrams(fd))
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &length) == 0 &&
	    on != 0;
}

int
listener_adopt(struct listener *listener, int fd, bool is_ours)
{
	memset(listener, 0, sizeof(*listener));
	if (!listener_is_listening(fd))
		return failure_errno(ENOTSOCK, "descriptor %d is not a "
		    "listening socket (pass one that listen(2) was called "
		    "for)", fd);
	listener->source.fd = fd;
	listener->is_inherited = !is_ours;
	listener->endpoint.inherited = -1;
	listener->endpoint.type = SOCK_STREAM;
	(void)descriptor_nonblocking(fd, true);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	note_address(listener);
	if (listener->endpoint.type == SOCK_DGRAM)
		ask_of_datagrams(fd, listener->endpoint.address.any.sa_family);
	return 0;
}

static void
set_options(int fd, const struct endpoint *endpoint)
{
	const int on = 1, off = 0;

	if (endpoint->type == SOCK_DGRAM)
		ask_of_datagrams(fd, endpoint->address.any.sa_family);
	if (endpoint->address.any.sa_family == AF_UNIX)
		return;
	if (endpoint->type == SOCK_STREAM) {
		/* Of datagrams it would let a second server have the port. */
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
		    sizeof(on));
		/* Connections inherit it, which saves a call for each. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
	}
	if (endpoint->address.any.sa_family == AF_INET6) {
		const int only = !IN6_IS_ADDR_UNSPECIFIED(
		    &endpoint->address.in6.sin6_addr);

		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		    only ? &on : &off, sizeof(on));
	}
}

static int
bind_socket(struct listener *listener, int fd, unsigned backlog)
{
	const struct endpoint *endpoint = &listener->endpoint;

	remove_stale(endpoint);
	if (bind(fd, &endpoint->address.any, endpoint->length) == -1) {
		if (errno == EADDRINUSE && is_other_file(endpoint))
			errno = EEXIST;
		return -1;
	}
	if (endpoint->type != SOCK_STREAM || listen(fd, (int)backlog) == 0)
		return 0;
	if (is_file(endpoint))
		(void)unlink(endpoint->address.un.sun_path);
	return -1;
}

int
listener_open(struct listener *listener, const struct endpoint *endpoint,
    unsigned backlog)
{
	int fd, lock, result;

	memset(listener, 0, sizeof(*listener));
	listener->endpoint = *endpoint;
	if (endpoint->inherited != -1)
		return listener_adopt(listener, endpoint->inherited, false);
	fd = socket(endpoint->address.any.sa_family,
	    endpoint->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return refuse(endpoint);
	set_options(fd, endpoint);
	lock = lock_directory(endpoint);
	result = bind_socket(listener, fd, backlog);
	descriptor_close(lock);		/* keeps errno */
	if (result == -1) {
		descriptor_close(fd);
		return refuse(endpoint);
	}
	listener->source.fd = fd;
	note_address(listener);
	return 0;
}

void
listener_remove(const struct listener *listener)
{
	const char *path = listener->endpoint.address.un.sun_path;
	struct stat there;

	if (!listener->is_inherited && is_file(&listener->endpoint) &&
	    lstat(path, &there) == 0 && there.st_dev == listener->device &&
	    there.st_ino == listener->inode)
		(void)unlink(path);
}

void
listener_close(struct listener *listener, bool remove)
{
	if (listener->source.fd == -1)
		return;
	if (remove)
		listener_remove(listener);
	descriptor_close(listener->source.fd);
	listener->source.fd = -1;
}

unsigned
listener_waiting(const struct listener *listener)
{
	struct tcp_info info = { .tcpi_unacked = 0 };
	socklen_t length = sizeof(info);

	/* Of a socket that listens this is the length of its queue. */
	if (getsockopt(listener->source.fd, IPPROTO_TCP, TCP_INFO, &info,
	    &length) == -1)
		return 0;
	return info.tcpi_unacked;
}

void
listener_defer(struct listener *listener, bool on)
{
	/* A client that says nothing is accepted after about a second. */
	const int seconds = on ? 1 : 0;
	bool is_deferred;

	if (listener->endpoint.address.any.sa_family == AF_UNIX ||
	    listener->endpoint.type != SOCK_STREAM)
		return;
	is_deferred = setsockopt(listener->source.fd, IPPROTO_TCP,
	    TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)) == 0 && on;
	if (listener->is_deferred != is_deferred)
		listener->is_deferred = is_deferred;
}
