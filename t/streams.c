/* SPDX-License-Identifier: ISC */
/*
 * A conversation of lines, each a command; its class is as the environment
 * says: FIRST, CLASS_TIMEOUT (ms), NODELAY, HANDLE (so many by
 * tine_handle_request()).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooked.h"
#include "places.h"

static int
set_up(struct tine_stream *stream)
{
	static char word[] = "ready";

	if (stream->data != NULL)
		abort();
	stream->data = word;
	if (getenv("REFUSE") != NULL)
		return -1;
	if (getenv("FIRST") != NULL)
		(void)tine_stream_printf(stream, "%s for %s\n", word,
		    stream->client_address);
	return 0;
}

/* So many bytes in writes of a size that fits no other. */
static void
send_much(struct tine_stream *stream, long bytes)
{
	static char piece[7001];
	ssize_t n = 0;

	memset(piece, 'x', sizeof(piece));
	while (bytes > 0 && n != -1) {
		const long most = (long)sizeof(piece);

		n = tine_stream_write(stream, piece, (size_t)(bytes < most
		    ? bytes : most));
		bytes -= n;
	}
	tine_stream_log(stream, TINE_LOG_INFO, "much: %s", n == -1
	    ? strerrorname_np(errno) : "sent");
}

static void
read_all(struct tine_stream *stream)
{
	char buffer[3000];
	long length = 0;
	unsigned sum = 0;
	ssize_t n;

	while ((n = tine_stream_read(stream, buffer, sizeof(buffer))) > 0) {
		length += n;
		for (ssize_t i = 0; i < n; i++)
			sum += (unsigned char)buffer[i];
	}
	(void)tine_stream_printf(stream, "length=%ld sum=%u error=%s\n",
	    length, sum, n == -1 ? strerrorname_np(errno) : "none");
}

static void
use_files(struct tine_stream *stream)
{
	FILE *in = tine_stream_rfile(stream), *out = tine_stream_wfile(stream);
	char line[64];

	(void)fprintf(out, "name? ");
	while (fgets(line, sizeof(line), in) != NULL)
		(void)fprintf(out, "hello, %s", line);
}

/* A client that says nothing is waited for until the server ends. */
static void
wait_for_word(struct tine_stream *stream)
{
	char byte;

	while (tine_stream_read(stream, &byte, 1) == -1 &&
	    errno == ETIMEDOUT) {
		if (!tine_stream_is_ending(stream))
			continue;
		(void)tine_stream_puts(stream, "farewell\n");
		break;
	}
}

/* As inetd(8) does it. */
static void
run_cat(struct tine_stream *stream)
{
	const int fd = tine_stream_fileno(stream);
	const pid_t pid = fork();

	if (pid == 0) {
		(void)dup2(fd, STDIN_FILENO);
		(void)dup2(fd, STDOUT_FILENO);
		(void)execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
	(void)tine_stream_puts(stream, "cat has ended\n");
}

static void
tell(struct tine_stream *stream, const char *what)
{
	int on = -1;
	socklen_t size = sizeof(on);

	if (strcmp(what, "client") == 0)
		(void)tine_stream_printf(stream, "%s %u\n",
		    stream->client_address, stream->client_port);
	else if (strcmp(what, "pid") == 0)
		(void)tine_stream_printf(stream, "%ld\n", (long)getpid());
	else if (strcmp(what, "pending") == 0)
		(void)tine_stream_printf(stream, "%zu\n",
		    tine_stream_pending(stream));
	else if (strcmp(what, "ending") == 0)
		(void)tine_stream_printf(stream, "%d\n",
		    tine_stream_is_ending(stream));
	else if (strcmp(what, "word") == 0)
		(void)tine_stream_puts(stream, "Hello, world!\n");
	else if (strcmp(what, "passwd") == 0 || strcmp(what, "fork") == 0)
		(void)tine_stream_printf(stream, "%s\n",
		    try_forbidden(what));
	else if (strcmp(what, "turns") == 0)
		(void)tine_stream_printf(stream, "%d\n", turns > 0);
	else if (getsockopt(tine_stream_fileno(stream), IPPROTO_TCP,
	    TCP_NODELAY, &on, &size) == 0)
		(void)tine_stream_printf(stream, "nodelay %d\n", on != 0);
}

/* False: the conversation ends. */
static bool
obey(struct tine_stream *stream, const char *line)
{
	if (strncmp(line, "echo ", 5) == 0)
		return tine_stream_printf(stream, "%s\n", line + 5) != -1;
	if (strncmp(line, "sleep ", 6) == 0)
		pause_ms(atol(line + 6));
	else if (strncmp(line, "tell ", 5) == 0)
		tell(stream, line + 5);
	else if (strncmp(line, "much ", 5) == 0)
		send_much(stream, atol(line + 5));
	else if (strncmp(line, "nul ", 4) == 0)
		(void)tine_stream_printf(stream, "%0*d%c.\n", atoi(line + 4),
		    7, '\0');
	else if (strcmp(line, "all") == 0)
		read_all(stream);
	else if (strcmp(line, "wait") == 0)
		wait_for_word(stream);
	else if (strcmp(line, "files") == 0)
		use_files(stream);
	else if (strcmp(line, "cat") == 0)
		run_cat(stream);
	else if (strcmp(line, "crash") == 0)
		(void)raise(SIGSEGV);
	else if (strcmp(line, "exit") == 0)
		exit(3);
	else if (strcmp(line, "shutdown") == 0)
		tine_shutdown(stream->server);
	else if (strcmp(line, "hang") == 0)
		for (;;)
			(void)pause();
	else
		return false;
	return true;
}

static void
handle(struct tine_stream *stream)
{
	char line[200];
	ssize_t length;

	while ((length = tine_stream_getline(stream, line,
	    sizeof(line))) > 0) {
		if (line[length - 1] != '\n') {
			(void)tine_stream_printf(stream, "piece %zd\n",
			    length);
			continue;
		}
		line[length - 1] = '\0';
		if (!obey(stream, line))
			break;
	}
	if (length == -1)
		(void)tine_stream_printf(stream, "%s, %zu pending\n",
		    strerrorname_np(errno), tine_stream_pending(stream));
}

static void
finish(struct tine_stream *stream)
{
	(void)tine_stream_printf(stream, "finished %s\n",
	    (const char *)stream->data);
}

static const struct tine_hooks hooks = {
	.verify_request = verify, .handle_error = client_failed,
	.handle_timeout = timed_out, .service_actions = turned
};

const struct tine_stream_handler tine_stream = {
	.setup = set_up, .handle = handle, .finish = finish, .hooks = &hooks
};

int
main(int argc, char *argv[])
{
	struct tine_stream_handler class = tine_stream;
	struct tine_server *server;
	const char *timeout = getenv("CLASS_TIMEOUT");

	class.speaks_first = getenv("FIRST") != NULL;
	class.disable_nagle_algorithm = getenv("NODELAY") != NULL;
	class.timeout = timeout == NULL ? 0 : (unsigned)atoi(timeout);
	server = tine_stream_server(&class);
	if (server != NULL && getenv("MODE") != NULL)
		(void)tine_server_set(server, "mode", getenv("MODE"));
	if (server != NULL && getenv("HANDLE") != NULL)
		return serve_some(server, "127.0.0.1:0",
		    atoi(getenv("HANDLE")));
	return tine_main_server(argc, argv, server);
}
