/* SPDX-License-Identifier: ISC */
/*
 * A server by hand: the hooks, handle_request() and serve_forever(), told by
 * its first argument what to do; the others are options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hooked.h"

/* What a handler leaves to stdio, in its own stream as well. */
static void
say(void)
{
	FILE *own = fdopen(dup(STDOUT_FILENO), "a");

	(void)printf("said\n");
	if (own != NULL)
		(void)fprintf(own, "said in a stream of its own\n");
}

static void
get(struct tine_request *req)
{
	if (strcmp(req->real_path, "/say") == 0)
		say();
	if (strcmp(req->real_path, "/stop") == 0)
		tine_shutdown(req->server);
	if (strcmp(req->real_path, "/fail") == 0)
		return;
	tine_printf(req, "data=%s turns=%d setup=%s", (const char *)
	    tine_server_data(req->server), turns > 0,
	    (const char *)req->data);
	if (req->remote_user != NULL)
		tine_printf(req, " user=%s", req->remote_user);
	tine_puts(req, "\n");
}

static int
set_up(struct tine_request *req)
{
	static char word[] = "yes";

	req->data = word;
	return strcmp(req->real_path, "/refuse") == 0 ? -1 : 0;
}

static void
finish(struct tine_request *req)
{
	tine_puts(req, "finished\n");
}

static void
failed(struct tine_server *server, struct tine_request *req, const char *what)
{
	(void)server;
	(void)printf("handle_error %s: %s\n", req->path, what);
	(void)fflush(stdout);
}

/* A process of the program's own, which is the program's to wait for. */
static void
start_helper(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	(void)printf("helper %ld\n", (long)pid);
	(void)fflush(stdout);
}

static int
begin(struct tine_server *server)
{
	static char text[] = "worker_init";

	(void)printf("worker_init\n");
	(void)fflush(stdout);
	if (getenv("HELPER") != NULL)
		start_helper();
	if (getenv("LEAVES") != NULL)
		(void)printf("left\n");
	tine_server_set_data(server, text);
	return 0;
}

static void
end(struct tine_server *server)
{
	(void)server;
	(void)printf("worker_exit\n");
	(void)fflush(stdout);
}

static void
forked(struct tine_server *server)
{
	static char text[] = "post_fork";

	if (getenv("BARREN") != NULL)
		_exit(3);
	if (getenv("SPEAKS") != NULL)
		tine_log(NULL, TINE_LOG_INFO, "post_fork speaks");
	tine_server_set_data(server, text);
}

static void
died(struct tine_server *server, pid_t pid, int status)
{
	(void)server;
	(void)printf("worker_died %d %d\n", pid > 0, status);
	(void)fflush(stdout);
}

static const struct tine_hooks hooks = {
	.verify_request = verify, .handle_error = failed,
	.handle_timeout = timed_out, .service_actions = turned,
	.worker_init = begin, .worker_exit = end, .post_fork = forked,
	.worker_died = died
};

static const struct tine_http_handler handler = {
	.do_GET = get, .setup = set_up, .finish = finish, .hooks = &hooks,
	.error_message_format = "%(code)d %(message)s 100%% %(explain)s\n",
	.error_content_type = "text/plain", .server_version = "Hooks/1",
	.sys_version = "x"
};

/* Nobody comes: how long handle_request() waits, shut down before or not. */
static void
wait_alone(struct tine_server *server)
{
	struct timespec before, after;
	int result;

	tine_shutdown(server);
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	result = tine_handle_request(server, 1000);
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	(void)printf("alone %d after %ld s\n", result, (long)(
	    ((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec -
	    before.tv_nsec) / 990000000L));
}

static int
bind_somewhere(struct tine_server *server)
{
	if (tine_server_bind(server, "127.0.0.1:0") == -1)
		return -1;
	if (getenv("SHUT") != NULL)
		wait_alone(server);
	(void)printf("Starting server, use <Ctrl-C> to stop\n"
	    "Listening on http://%s/\n", tine_server_address(server, 0));
	(void)fflush(stdout);
	return 0;
}

/* Serves that many single requests, each with ten seconds' patience. */
static int
handle(struct tine_server *server, int count)
{
	int result = 1;

	if (bind_somewhere(server) == -1)
		return EXIT_FAILURE;
	while (count-- > 0 && result == 1) {
		result = tine_handle_request(server, 10000);
		if (getenv("LATER") != NULL)
			(void)tine_server_set(server, "auth-file",
			    getenv("LATER"));
	}
	if (result == 1)
		result = tine_handle_request(server, 100);
	(void)printf("last %d\n", result);
	if (result == -1)
		(void)fprintf(stderr, "%s\n", tine_error());
	if (getenv("SHUT") != NULL)
		(void)printf("forever %d\n", tine_serve_forever(server));
	tine_server_free(server);
	return EXIT_SUCCESS;
}

static int
serve(struct tine_server *server)
{
	if (bind_somewhere(server) == -1)
		return EXIT_FAILURE;
	(void)printf("forever %d\n", tine_serve_forever(server));
	tine_server_free(server);
	return EXIT_SUCCESS;
}

/* A master without tine_main(): it may not touch the arguments. */
static int
prefork(struct tine_server *server)
{
	int status;

	if (bind_somewhere(server) == -1)
		return EXIT_FAILURE;
	status = tine_prefork(server);
	if (status != 0)
		(void)fprintf(stderr, "%s\n", tine_error());
	tine_server_free(server);
	return status;
}

int
main(int argc, char *argv[])
{
	struct tine_server *server = tine_http_server(&handler);
	static char text[] = "main";

	if (server == NULL)
		return EXIT_FAILURE;
	tine_server_set_data(server, text);
	if (getenv("MODE") != NULL)
		(void)tine_server_set(server, "mode", getenv("MODE"));
	if (getenv("USERS") != NULL)
		(void)tine_server_set(server, "auth-file", getenv("USERS"));
	if (getenv("PREFORK") != NULL)
		return prefork(server);
	if (getenv("SERVE") != NULL)
		return serve(server);
	if (getenv("HANDLE") != NULL)
		return handle(server, atoi(getenv("HANDLE")));
	return tine_main_server(argc, argv, server);
}
