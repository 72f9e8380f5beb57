/* SPDX-License-Identifier: ISC */
/*
 * A datagram is a command; the class is as the environment says: PACKET (its
 * max_packet_size), REFUSE, HANDLE (so many by tine_handle_request()).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooked.h"
#include "places.h"

static int
set_up(struct tine_datagram *datagram)
{
	static char word[] = "ready";

	if (datagram->data != NULL)
		abort();
	datagram->data = word;
	return getenv("REFUSE") != NULL ? -1 : 0;
}

static void
write_much(struct tine_datagram *datagram, long bytes)
{
	static char piece[1000];
	ssize_t n = 0;

	memset(piece, 'y', sizeof(piece));
	while (bytes > 0 && n != -1) {
		const long most = (long)sizeof(piece);

		n = tine_datagram_write(datagram, piece, (size_t)(
		    bytes < most ? bytes : most));
		bytes -= n;
	}
	tine_datagram_log(datagram, TINE_LOG_INFO, "much: %s", n == -1
	    ? strerrorname_np(errno) : "written");
}

static void
handle(struct tine_datagram *datagram)
{
	const char *packet = datagram->packet;

	if (strlen(packet) > datagram->packet_length)
		abort();
	if (strncmp(packet, "echo ", 5) == 0)
		(void)tine_datagram_printf(datagram, "%s", packet + 5);
	else if (strncmp(packet, "sleep ", 6) == 0)
		pause_ms(atol(packet + 6));
	else if (strncmp(packet, "much ", 5) == 0)
		write_much(datagram, atol(packet + 5));
	else if (strncmp(packet, "nul ", 4) == 0)
		(void)tine_datagram_printf(datagram, "%0*d%c.",
		    atoi(packet + 4), 7, '\0');
	else if (strcmp(packet, "client") == 0)
		(void)tine_datagram_printf(datagram, "%s %u",
		    datagram->client_address, datagram->client_port);
	else if (strcmp(packet, "pid") == 0)
		(void)tine_datagram_printf(datagram, "%ld", (long)getpid());
	else if (strcmp(packet, "word") == 0)
		(void)tine_datagram_puts(datagram, "Hello, world!");
	else if (strcmp(packet, "passwd") == 0 || strcmp(packet, "fork") == 0)
		(void)tine_datagram_puts(datagram, try_forbidden(packet));
	else if (strcmp(packet, "turns") == 0)
		(void)tine_datagram_printf(datagram, "%d", turns > 0);
	else if (strcmp(packet, "empty") == 0)
		(void)tine_datagram_write(datagram, "", 0);
	else if (strcmp(packet, "crash") == 0)
		(void)raise(SIGSEGV);
	else if (strcmp(packet, "late crash") == 0)
		(void)(tine_datagram_puts(datagram, "lost"), raise(SIGSEGV));
	else if (strcmp(packet, "shutdown") == 0)
		tine_shutdown(datagram->server);
	else if (strcmp(packet, "hang") == 0)
		for (;;)
			(void)pause();
	else if (strcmp(packet, "nothing") != 0)
		(void)tine_datagram_printf(datagram, "%zu bytes",
		    datagram->packet_length);
	if (strncmp(packet, "sleep ", 6) == 0)
		(void)tine_datagram_puts(datagram, "slept");
}

static void
finish(struct tine_datagram *datagram)
{
	if (strncmp(datagram->packet, "echo ", 5) == 0)
		(void)tine_datagram_printf(datagram, ", %s",
		    (const char *)datagram->data);
}

static const struct tine_hooks hooks = {
	.verify_request = verify, .handle_error = client_failed,
	.handle_timeout = timed_out, .service_actions = turned
};

const struct tine_datagram_handler tine_datagram = {
	.setup = set_up, .handle = handle, .finish = finish, .hooks = &hooks
};

int
main(int argc, char *argv[])
{
	struct tine_datagram_handler class = tine_datagram;
	const char *size = getenv("PACKET");
	struct tine_server *server;

	class.max_packet_size = size == NULL ? 0 : (size_t)atoi(size);
	server = tine_datagram_server(&class);
	if (server != NULL && getenv("MODE") != NULL)
		(void)tine_server_set(server, "mode", getenv("MODE"));
	if (server != NULL && getenv("HANDLE") != NULL)
		return serve_some(server, "udp:127.0.0.1:0",
		    atoi(getenv("HANDLE")));
	return tine_main_server(argc, argv, server);
}
