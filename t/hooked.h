/* SPDX-License-Identifier: ISC */
/*
 * Hooks of the tests' servers, which say that they were called, and a server
 * that handles so many requests: the same whatever the protocol.
 */
#ifndef T_HOOKED_H
#define T_HOOKED_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tine.h>

static atomic_int turns;

static inline bool
verify(struct tine_server *server, const struct tine_peer *peer)
{
	(void)server;
	return strcmp(peer->address, "127.0.0.2") != 0;
}

/* Of protocols without requests. */
static inline void
client_failed(struct tine_server *server, struct tine_request *req,
    const char *what)
{
	(void)server;
	(void)printf("handle_error %s%s\n", req == NULL ? "" : "request ",
	    what);
	(void)fflush(stdout);
}

static inline void
timed_out(struct tine_server *server)
{
	(void)server;
	(void)printf("handle_timeout\n");
}

static inline void
turned(struct tine_server *server)
{
	(void)server;
	turns++;
}

/* What a sandbox refuses: "done", or the name of errno. */
static inline const char *
try_forbidden(const char *what)
{
	int result;

	if (strcmp(what, "passwd") == 0) {
		result = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
		if (result != -1)
			(void)close(result);
	} else {
		result = fork();
		if (result == 0)
			_exit(0);
	}
	return result == -1 ? strerrorname_np(errno) : "done";
}

/* Serves that many, each with patience. */
static inline int
serve_some(struct tine_server *server, const char *address, int count)
{
	int result = 1;

	if (tine_server_bind(server, address) == -1)
		return EXIT_FAILURE;
	(void)printf("Starting server, use <Ctrl-C> to stop\n"
	    "Listening on %s\n", tine_server_address(server, 0));
	(void)fflush(stdout);
	while (count-- > 0 && result == 1)
		result = tine_handle_request(server, 10000);
	if (result == 1)
		result = tine_handle_request(server, 100);
	(void)printf("last %d\n", result);
	tine_server_free(server);
	return EXIT_SUCCESS;
}

#endif
