/* SPDX-License-Identifier: ISC */
/*
 * See binding.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../prefork/upgrade.h"
#include "../server/server.h"
#include "binding.h"
#include "inherited.h"
#include "stop.h"

#define TRIES	10
#define PAUSE	200		/* ms between two of them */

int
binding_check(const struct tine_server *server)
{
	for (size_t i = 0; i < server->bind_count; i++) {
		if (server_check_bind(server, server->binds[i]) == -1) {
			(void)failure("--bind=%s", tine_error());
			return EX_USAGE;
		}
	}
	return EX_OK;
}

/* What a failure to listen on an address is, by errno. */
static int
bind_status(const char *address)
{
	switch (errno) {
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return EX_UNAVAILABLE;
	case ENOTSOCK:
		return EX_CONFIG;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return EX_OSERR;
	default:
		break;
	}
	if (strncmp(address, "unix", 4) == 0)
		return errno == EINVAL ? EX_USAGE : EX_CANTCREAT;
	switch (errno) {
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EINVAL:
	case ENOENT:
		return EX_USAGE;
	default:
		return EX_UNAVAILABLE;
	}
}

/*
 * The workers of a master that was killed hold its address for a moment
 * after it: so one that is in use is tried again for a while.
 */
static int
bind_patiently(struct tine_server *server, const char *address)
{
	for (int i = 0; i < TRIES; i++) {
		if (tine_server_bind(server, address) == 0)
			return EX_OK;
		if (errno != EADDRINUSE)
			return bind_status(address);
		if (stop_comes_within(PAUSE))
			return EX_OK;
	}
	return tine_server_bind(server, address) == 0 ? EX_OK
	    : bind_status(address);
}

static int
bind_all(struct tine_server *server)
{
	int status = EX_OK;

	if (upgrade_is_back())
		return upgrade_bind_rest(server) == -1 ? EX_CONFIG : EX_OK;
	if (server->bind_count == 0 && server->listener_count == 0) {
		const int passed = upgrade_is_there()
		    ? upgrade_bind_rest(server) : inherited_bind_rest(server);

		if (passed != 0)
			return passed == -1 ? bind_status("fd:") : EX_OK;
		return bind_patiently(server, "localhost:8080");
	}
	for (size_t i = 0; i < server->bind_count && status == EX_OK &&
	    !stop_is_taken(); i++)
		status = bind_patiently(server, server->binds[i]);
	inherited_drop_rest(server);
	return status;
}

/* UINT_MAX if it cannot be read. */
static unsigned
system_backlog(void)
{
	const int fd = open("/proc/sys/net/core/somaxconn",
	    O_RDONLY | O_CLOEXEC);
	char text[16];
	const ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);

	descriptor_close(fd);
	if (n <= 0)
		return UINT_MAX;
	text[n] = '\0';
	return (unsigned)strtoul(text, NULL, 10);
}

/* What the system cuts off is said; what cannot be read is not. */
static void
check_backlog(struct tine_server *server)
{
	const unsigned most = system_backlog();

	if (server->settings.backlog > most)
		server_log(server, TINE_LOG_WARNING, "--backlog=%u: the "
		    "system allows %u (see net.core.somaxconn)",
		    server->settings.backlog, most);
}

int
binding_open(struct tine_server *server)
{
	const int status = bind_all(server);

	if (status == EX_OK)
		check_backlog(server);
	return status;
}
