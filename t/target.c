/* SPDX-License-Identifier: ISC */
/*
 * What the tests shoot at: says what it was asked, and misbehaves on request.
 * A program and a module, like the examples.
 */
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sha256.h>

#include "places.h"

#define BLOCK	4096

static _Thread_local volatile unsigned sink;

static void
begin(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain");
	tine_end_headers(req);
}

static void
echo(struct tine_request *req)
{
	char buffer[65536], hash[SHA256_DIGEST_STRING_LENGTH];
	long long length = 0;
	SHA2_CTX context;
	ssize_t n;

	SHA256Init(&context);
	while ((n = tine_read(req, buffer, sizeof(buffer))) > 0) {
		SHA256Update(&context, (const uint8_t *)buffer, (size_t)n);
		length += n;
	}
	if (n == -1) {
		tine_send_error(req, 500, "The body cannot be read", NULL);
		return;
	}
	SHA256End(&context, hash);
	begin(req);
	tine_printf(req, "method=%s\ntarget=%s\nlength=%lld\nsha256=%s\n",
	    req->command, req->path, length, hash);
}

static void
hello(struct tine_request *req)
{
	begin(req);
	tine_puts(req, "Hello, world!");
}

static void
pid(struct tine_request *req)
{
	begin(req);
	tine_printf(req, "%ld %s\n", (long)getpid(), tine_thread_name(req));
}

static void
sleep_ms(struct tine_request *req)
{
	pause_ms(number(req, "ms", 0));
	hello(req);
}

static void
spin(struct tine_request *req)
{
	const long us = number(req, "ms", 0) * 1000 + number(req, "us", 0);
	struct timespec from, now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	do {
		for (int i = 0; i < 1000; i++)
			sink = sink * 7 + (unsigned)i;
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000000 +
	    (now.tv_nsec - from.tv_nsec) / 1000 < us);
	hello(req);
}

/* Each block says where in the reply it is, so that an order shows. */
static void
fill(char *block, long at)
{
	memset(block, 'x', BLOCK);
	(void)snprintf(block, BLOCK, "%015ld", at);
	block[15] = ' ';
	block[BLOCK - 1] = '\n';
}

static void
write_pattern(struct tine_request *req, long bytes)
{
	char block[BLOCK];

	for (long at = 0; at < bytes; at += BLOCK) {
		const long left = bytes - at;

		fill(block, at);
		if (tine_write(req, block,
		    (size_t)(left < BLOCK ? left : BLOCK)) == -1)
			return;
	}
}

static void
big(struct tine_request *req)
{
	const long bytes = number(req, "bytes", 0);

	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain");
	tine_send_headerf(req, "Content-Length", "%ld", bytes);
	tine_end_headers(req);
	write_pattern(req, bytes);
}

static void
no_length(struct tine_request *req)
{
	begin(req);
	write_pattern(req, number(req, "bytes", 0));
}

/* What is left of --timeout. */
static void
deadline(struct tine_request *req)
{
	begin(req);
	tine_printf(req, "%ld\n", tine_request_deadline(req));
}

/* An early hint, then a reply of that many bytes. */
static void
interim(struct tine_request *req)
{
	tine_send_response_only(req, 103, NULL);
	tine_send_header(req, "Link", "</style.css>; rel=preload");
	tine_end_headers(req);
	if (says(req, "fail"))
		return;
	pause_ms(number(req, "pause", 0));
	begin(req);
	write_pattern(req, number(req, "bytes", 0));
}

/* An error that comes when a part of the reply is out. */
static void
late_error(struct tine_request *req)
{
	begin(req);
	tine_puts(req, "part");
	tine_flush(req);
	if (tine_send_error(req, 500, NULL, NULL) == 0 || errno != EALREADY)
		tine_puts(req, "not refused");
}

/* A file that is made once: what a server of files costs. */
/* The file that the environment names: what a benchmark serves. */
static void
send_named_file(struct tine_request *req)
{
	const char *path = getenv("TARGET_FILE");
	struct stat st;
	const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd == -1 || fstat(fd, &st) == -1) {
		tine_send_error(req, 500, NULL, NULL);
		if (fd != -1)
			(void)close(fd);
		return;
	}
	tine_send_response(req, 200, NULL);
	tine_send_headerf(req, "Content-Length", "%jd", (intmax_t)st.st_size);
	tine_end_headers(req);
	tine_send_file(req, fd, 0, st.st_size);
}

/* more: bytes that the file does not have */
static void
send_file(struct tine_request *req)
{
	const long bytes = number(req, "bytes", 0);
	const long told = bytes + number(req, "more", 0);
	FILE *file = tmpfile();
	char block[BLOCK];

	if (file == NULL) {
		tine_send_error(req, 500, NULL, NULL);
		return;
	}
	for (long at = 0; at < bytes; at += BLOCK) {
		const long left = bytes - at;

		fill(block, at);
		(void)fwrite(block, 1, (size_t)(left < BLOCK ? left : BLOCK),
		    file);
	}
	(void)fflush(file);
	tine_send_response(req, 200, NULL);
	if (!says(req, "nolength"))
		tine_send_headerf(req, "Content-Length", "%ld", told);
	tine_end_headers(req);
	tine_send_file(req, dup(fileno(file)), 0, told);
	if (says(req, "flush"))
		tine_flush(req);
	(void)fclose(file);
}

static void
flush(struct tine_request *req)
{
	const long n = number(req, "n", 3), ms = number(req, "ms", 10);

	begin(req);
	for (long i = 0; i < n; i++) {
		tine_printf(req, "line %ld\n", i);
		if (tine_flush(req) == -1)
			return;
		pause_ms(ms);
	}
}

static void
count(struct tine_request *req)
{
	static int requests;

	begin(req);
	tine_printf(req, "%d\n", ++requests);
}

static int
overflow(int depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}

/* A sanitizer that stands in the way of the crash is no use here. */
__attribute__((__no_sanitize__("undefined"), __no_sanitize__("thread")))
static void
crash(const struct tine_request *req)
{
	if (says(req, "how=null"))
		*(volatile int *)(uintptr_t)(sink & 0) = 1;
	else if (says(req, "how=stack"))
		sink = (unsigned)overflow(1);
	else if (says(req, "how=abort"))
		abort();
	else if (says(req, "how=exit"))
		exit(3);
	else
		(void)raise((int)number(req, "signal", SIGSEGV));
}

/* ?length promises a length, and ?pause leaves time to read before it. */
static void
crash_half(struct tine_request *req)
{
	const long bytes = number(req, "bytes", BLOCK);

	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain");
	if (says(req, "length"))
		tine_send_headerf(req, "Content-Length", "%ld", bytes * 2);
	tine_end_headers(req);
	write_pattern(req, bytes);
	tine_flush(req);
	pause_ms(number(req, "pause", 0));
	crash(req);
}

/* A program that a handler runs is the handler's to wait for. */
static void
run_command(struct tine_request *req)
{
	const int status = system("sleep 0.1; exit 3");

	begin(req);
	tine_printf(req, "%d\n", status == -1 ? -1 : WEXITSTATUS(status));
}

/* What a handler may count on: which signals are blocked or ignored. */
static void
signals(struct tine_request *req)
{
	sigset_t mask;

	begin(req);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < 32; sig++) {
		struct sigaction action;

		if (sigismember(&mask, sig) == 1)
			tine_printf(req, "blocked %d\n", sig);
		if (sigaction(sig, NULL, &action) == 0 &&
		    action.sa_handler == SIG_IGN)
			tine_printf(req, "ignored %d\n", sig);
	}
}

/* Writes until the client is given up, and says how that showed. */
static void
insist(struct tine_request *req)
{
	const long most = number(req, "bytes", 1L << 30);
	char block[BLOCK];
	long at = 0;

	begin(req);
	memset(block, 'x', sizeof(block));
	while (at < most && tine_write(req, block, sizeof(block)) != -1)
		at += BLOCK;
	tine_log(req, TINE_LOG_INFO, "wrote %ld, error %s", at,
	    tine_output_error(req) == 0 ? "none"
	    : tine_output_error(req) == EPIPE ? "EPIPE"
	    : tine_output_error(req) == ETIMEDOUT ? "ETIMEDOUT" : "other");
}

static void
inject(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "X-Bad", "a\r\nSet-Cookie: b=c");
	tine_end_headers(req);
	tine_puts(req, "never seen");
}

static void
headers(struct tine_request *req)
{
	begin(req);
	for (size_t i = 0; i < req->header_count; i++)
		tine_printf(req, "%s: %s\n", req->headers[i].name,
		    req->headers[i].value);
}

static void
short_length(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Length", "100");
	tine_end_headers(req);
	tine_puts(req, "less");
}

static void
long_length(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Length", "4");
	tine_end_headers(req);
	tine_puts(req, "more");
	tine_puts(req, "than four");
}

static void
stdio(struct tine_request *req)
{
	FILE *in = tine_rfile(req), *out = tine_wfile(req);
	char word[64] = "";

	if (in == NULL || out == NULL) {
		tine_send_error(req, 500, NULL, NULL);
		return;
	}
	if (fscanf(in, "%63s", word) < 0)
		word[0] = '\0';
	begin(req);
	(void)fprintf(out, "word=%s\n", word);
	tine_puts(req, "between\n");
	(void)fprintf(out, "after\n");
}

static void
shut_down(struct tine_request *req)
{
	hello(req);
	tine_shutdown(req->server);
}

static void
hang(struct tine_request *req)
{
	(void)req;
	for (;;)
		(void)pause();
}

static void
exit_now(struct tine_request *req)
{
	exit((int)number(req, "status", 0));
}

static void
no_reply(struct tine_request *req)
{
	(void)req;
}

static void
error(struct tine_request *req)
{
	tine_send_error(req, (int)number(req, "code", 500),
	    says(req, "tag") ? "<b>&'\"" : NULL, NULL);
}

static void
status(struct tine_request *req)
{
	tine_send_response(req, (int)number(req, "code", 200), NULL);
	if (says(req, "length"))
		tine_send_header(req, "Content-Length", "0");
	tine_end_headers(req);
	if (says(req, "body"))
		tine_puts(req, "content");
}

static void
crash_now(struct tine_request *req)
{
	crash(req);
}

/* Memory that nobody gives back, and that is really there. */
static void
leak(struct tine_request *req)
{
	const size_t bytes = (size_t)number(req, "bytes", 0);
	char *lost = malloc(bytes);

	if (lost != NULL)
		memset(lost, 1, bytes);
	sink += lost != NULL ? (unsigned)lost[bytes / 2] : 0;
	hello(req);
}

static void
body(struct tine_request *req)
{
	size_t length;
	const char *text = tine_body(req, &length);

	begin(req);
	tine_printf(req, "%zu %d\n", length,
	    text != NULL && strlen(text) == length);
}

static void
user(struct tine_request *req)
{
	begin(req);
	tine_printf(req, "remote_user=%s\n", req->remote_user != NULL
	    ? req->remote_user : "");
}

static const struct place places[] = {
	{ "/hello", hello }, { "/pid", pid }, { "/sleep", sleep_ms },
	{ "/spin", spin }, { "/file", send_named_file }, { "/big", big }, { "/nolength", no_length },
	{ "/sendfile", send_file }, { "/flush", flush }, { "/count", count },
	{ "/crash", crash_now }, { "/crash-half", crash_half },
	{ "/hang", hang }, { "/exit", exit_now }, { "/inject", inject },
	{ "/headers", headers }, { "/short", short_length },
	{ "/long", long_length }, { "/stdio", stdio },
	{ "/shutdown", shut_down }, { "/no-reply", no_reply },
	{ "/error", error }, { "/status", status }, { "/body", body },
	{ "/command", run_command }, { "/signals", signals },
	{ "/insist", insist }, { "/leak", leak }, { "/interim", interim },
	{ "/deadline", deadline },
	{ "/late-error", late_error }, { "/user", user }
};

static void
answer(struct tine_request *req)
{
	places_answer(req, places, sizeof(places) / sizeof(places[0]), echo);
}

static void
refuse(struct tine_request *req)
{
	tine_send_error(req, 501, NULL, NULL);
}

static bool
invite(struct tine_request *req)
{
	if (strcmp(req->real_path, "/uninvited") == 0)
		tine_send_error(req, 403, NULL, NULL);
	return strcmp(req->real_path, "/uninvited") != 0;
}

/*
 * How a worker begins is told by a file, so that it can change while the
 * server runs: "sleep 300", "fail", "crash", "exit 3", a word a line.
 */
static int
begin_worker(struct tine_server *server)
{
	const char *path = getenv("TARGET_INIT");
	FILE *in = path != NULL ? fopen(path, "re") : NULL;
	char word[16];
	int n, result = 0;

	(void)server;
	while (in != NULL && fscanf(in, "%15s", word) == 1) {
		if (strcmp(word, "sleep") == 0 && fscanf(in, "%d", &n) == 1)
			pause_ms(n);
		else if (strcmp(word, "exit") == 0 &&
		    fscanf(in, "%d", &n) == 1)
			_exit(n);
		else if (strcmp(word, "crash") == 0)
			(void)raise(SIGSEGV);
		else if (strcmp(word, "fail") == 0)
			result = -1;
	}
	if (in != NULL)
		(void)fclose(in);
	return result;
}

static const struct tine_hooks hooks = { .worker_init = begin_worker };

const struct tine_http_handler tine_http = {
	.hooks = &hooks,
	.do_method = answer,
	.do_CONNECT = refuse,
	.do_TRACE = refuse,
	.handle_expect_100 = invite
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
