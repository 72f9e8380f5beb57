/* SPDX-License-Identifier: ISC */
/*
 * See inherited.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../prefork/upgrade.h"
#include "inherited.h"

#define FIRST	3		/* SD_LISTEN_FDS_START */
#define MOST	64

static int passed[MOST];	/* -1: taken */
static int passed_count;

static void
address_of(int fd, char *text, size_t size)
{
	struct endpoint endpoint;

	*text = '\0';
	if (endpoint_of_socket(&endpoint, fd) == 0)
		endpoint_name(&endpoint, text, size);
}

/* One that was passed is matched by its address. */
static int
adopt(const char *asked, bool *is_ours)
{
	const int fd = upgrade_listener(asked, is_ours);
	char text[128];

	if (fd != -1)
		return fd;
	for (int i = 0; i < passed_count; i++) {
		const int found = passed[i];

		if (found == -1)
			continue;
		address_of(found, text, sizeof(text));
		if (strcmp(text, asked) == 0) {
			passed[i] = -1;
			return found;
		}
	}
	return -1;
}

int
inherited_read(struct tine_server *server)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");

	server->adopt = adopt;
	if (pid == NULL || count == NULL)
		return EX_OK;
	if (strtol(pid, NULL, 10) != (long)getpid()) {
		server_log(server, TINE_LOG_WARNING, "LISTEN_PID is %.20s, "
		    "not this process, so the sockets that were passed are "
		    "not taken (does a wrapper start it without exec?)", pid);
		return EX_OK;
	}
	passed_count = (int)strtol(count, NULL, 10);
	if (passed_count < 0 || passed_count > MOST)
		passed_count = passed_count < 0 ? 0 : MOST;
	for (int i = 0; i < passed_count; i++) {
		passed[i] = FIRST + i;
		(void)fcntl(passed[i], F_SETFD, FD_CLOEXEC);
		if (!listener_is_listening(passed[i])) {
			(void)failure("LISTEN_FDS: descriptor %d is not a "
			    "listening socket", passed[i]);
			return EX_CONFIG;
		}
	}
	return EX_OK;
}

int
inherited_bind_rest(struct tine_server *server)
{
	int bound = 0;

	for (int i = 0; i < passed_count; i++) {
		char text[16];

		if (passed[i] == -1)
			continue;
		(void)snprintf(text, sizeof(text), "fd:%d", passed[i]);
		if (tine_server_bind(server, text) == -1)
			return -1;
		passed[i] = -1;
		bound++;
	}
	return bound;
}

/* A port that is open while nobody accepts there would hang its clients. */
void
inherited_drop_rest(struct tine_server *server)
{
	for (int i = 0; i < passed_count; i++) {
		char text[128];

		if (passed[i] == -1)
			continue;
		address_of(passed[i], text, sizeof(text));
		server_log(server, TINE_LOG_WARNING, "the socket that was "
		    "passed for %s is closed, since no --bind asks for it",
		    text);
		descriptor_close(passed[i]);
		passed[i] = -1;
	}
}
