/* SPDX-License-Identifier: ISC */
/*
 * A handler that does its worst, on request: every way in which a program can
 * die, hang, or break the process that runs it.  A program and a module.
 *
 * $WRECK is a directory: a file in it changes what the hooks do, so that this
 * can change while the server runs.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "places.h"

/* What a broken program may write to: its line among others. */
#include "../lib/server/scoreboard.h"

static volatile int zero;

/* --------------------------------------------------------------- the query */

static bool
is_told(const char *what)
{
	const char *dir = getenv("WRECK");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "/",
	    what);
	return access(path, F_OK) == 0;
}

static void
hello(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain");
	tine_end_headers(req);
	tine_puts(req, "Hello, world!");
}

/* -------------------------------------------------------------- ways to die */

/* A sanitizer that stands in the way of the crash is no use here. */
__attribute__((__no_sanitize__("undefined"), __no_sanitize__("thread")))
__attribute__((__noinline__))
static void
write_to_null(void)
{
	*(volatile int *)(uintptr_t)(zero & 0) = 1;
}

static int
overflow(int depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}

/* The return addresses above are noise: a backtrace goes astray. */
__attribute__((__noinline__))
__attribute__((__no_sanitize__("address", "undefined", "thread")))
static void
smash_stack(void)
{
	volatile char *at = (volatile char *)__builtin_frame_address(0);

	for (int i = 0; i < 512; i++)
		at[i] = (char)(0x41 + i % 7);
	write_to_null();
}

/* What the crash itself needs is broken: the memory behind a request. */
__attribute__((__no_sanitize__("address", "undefined", "thread")))
static void
smash_request(struct tine_request *req)
{
	volatile char *at = (volatile char *)req;

	for (int i = 0; i < 2048; i++)
		at[i - 1024] = (char)0xa5;
}

static void *
crash_in_thread(void *argument)
{
	(void)argument;
	write_to_null();
	return NULL;
}

static void
wait_for_thread(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, crash_in_thread, NULL) == 0)
		(void)pthread_join(id, NULL);
}

static void *
stay(void *argument)
{
	(void)argument;
	for (;;)
		(void)pause();
	return NULL;
}

/* Another thread keeps the process. */
static void
leave_thread(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, stay, NULL) == 0)
		(void)pthread_detach(id);
	pthread_exit(NULL);
}

/* The allocator finds it out and aborts, its lock in hand. */
static void
corrupt_heap(void)
{
	enum { COUNT = 64, SIZE = 1500 };
	char *blocks[COUNT];
	volatile size_t past = SIZE + 8;

	for (int i = 0; i < COUNT; i++)
		blocks[i] = malloc(SIZE);
	for (int i = 0; i < COUNT; i++)
		memset(blocks[i] + SIZE - 16, 0x5a, 16 + past - SIZE);
	for (int i = 0; i < COUNT; i++)
		free(blocks[i]);
	abort();
}

static void
jump(void)
{
	static jmp_buf nowhere;

	memset(&nowhere, 0x5a, sizeof(nowhere));
	longjmp(nowhere, 1);
}

static void
block_all(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* The crash comes by a signal that cannot be blocked, its faults could be. */
static void
smash_blocked(struct tine_request *req)
{
	smash_request(req);
	block_all();
	abort();
}

static void
die(struct tine_request *req, const char *query)
{
	if (strstr(query, "how=stack") != NULL)
		zero = overflow(1);
	else if (strstr(query, "how=abort") != NULL)
		abort();
	else if (strstr(query, "how=exit") != NULL)
		exit(0);
	else if (strstr(query, "how=quick_exit") != NULL)
		quick_exit(0);
	else if (strstr(query, "how=_exit") != NULL)
		_exit(0);
	else if (strstr(query, "how=pthread_exit-first") != NULL)
		leave_thread();
	else if (strstr(query, "how=pthread_exit") != NULL)
		pthread_exit(NULL);
	else if (strstr(query, "how=thread") != NULL)
		wait_for_thread();
	else if (strstr(query, "how=heap") != NULL)
		corrupt_heap();
	else if (strstr(query, "how=smash") != NULL)
		smash_stack();
	else if (strstr(query, "how=request-blocked") != NULL)
		smash_blocked(req);
	else if (strstr(query, "how=request") != NULL)
		smash_request(req);
	else if (strstr(query, "how=jump") != NULL)
		jump();
	else if (strstr(query, "how=blocked") != NULL)
		block_all();
	else if (strstr(query, "signal=") != NULL)
		(void)raise((int)number(req, "signal", 0));
	write_to_null();
}

static void
crash(struct tine_request *req)
{
	die(req, req->query);
}

static void
crash_cleanup(void *argument)
{
	(void)argument;
	write_to_null();
}

/* When its reply has gone. */
static void
crash_afterwards(struct tine_request *req)
{
	(void)tine_on_finish(req, crash_cleanup, NULL);
	hello(req);
}

static void
crash_late(struct tine_request *req)
{
	pause_ms(number(req, "ms", 0));
	crash(req);
}

/* Some of the reply, so many bytes; ?flush sends it at once. */
static void
crash_after(struct tine_request *req)
{
	const long bytes = number(req, "bytes", 0);
	char block[1000];

	tine_send_response(req, 200, NULL);
	if (says(req, "length"))
		tine_send_headerf(req, "Content-Length", "%ld", bytes + 1);
	tine_end_headers(req);
	memset(block, 'x', sizeof(block));
	for (long at = 0; at < bytes; at += (long)sizeof(block))
		tine_write(req, block, sizeof(block));
	if (says(req, "flush"))
		tine_flush(req);
	die(req, req->query);
}

/* ----------------------------------------------------- ways to be in the way */

static void
hang(struct tine_request *req)
{
	if (says(req, "blocked"))
		block_all();
	if (says(req, "partly"))
		crash_after(req);
	if (says(req, "stop"))
		(void)raise(SIGSTOP);
	if (says(req, "spin"))
		for (;;)
			zero = 0;
	for (;;)
		(void)pause();
}

static void
sleep_ms(struct tine_request *req)
{
	if (says(req, "blocked"))
		block_all();
	pause_ms(number(req, "ms", 0));
	hello(req);
}

/* A line each pause, so many times. */
static void
events(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/event-stream");
	tine_end_headers(req);
	for (long i = 0; i < number(req, "count", 0); i++) {
		tine_printf(req, "data: %ld\n\n", i);
		tine_flush(req);
		pause_ms(number(req, "pause", 0));
	}
}

static void
big(struct tine_request *req)
{
	char block[1000];

	tine_send_response(req, 200, NULL);
	tine_send_headerf(req, "Content-Length", "%ld", number(req, "bytes", 0));
	tine_end_headers(req);
	memset(block, 'x', sizeof(block));
	for (long at = 0; at < number(req, "bytes", 0); at += 1000)
		tine_write(req, block, sizeof(block));
}

static void
whole_body(struct tine_request *req)
{
	char block[4096];
	long length = 0;
	ssize_t n;

	while ((n = tine_read(req, block, sizeof(block))) > 0)
		length += n;
	tine_send_response(req, 200, NULL);
	tine_end_headers(req);
	tine_printf(req, "%ld", length);
}

static void
mask(struct tine_request *req)
{
	block_all();
	hello(req);
}

/* Closes what is not its own: all, or what the name of it begins with. */
static void
close_some(const char *kind)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char name[256];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const int fd = (int)strtol(entry->d_name, NULL, 10);
		const ssize_t n = readlinkat(dirfd(dir), entry->d_name, name,
		    sizeof(name) - 1);

		if (n <= 0 || fd <= 2 || fd == dirfd(dir))
			continue;
		name[n] = '\0';
		/* Unseen by ThreadSanitizer, who calls that a race. */
		if (strstr(name, kind) != NULL)
			(void)syscall(SYS_close, fd);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static void
shut(struct tine_request *req)
{
	close_some(says(req, "eventpoll") ? "eventpoll" :
	    says(req, "eventfd") ? "eventfd" :
	    says(req, "socket") ? "socket:" : "");
	pause_ms(number(req, "ms", 0));
	hello(req);
}

/* A process that outlives its request. */
static void
fork_child(struct tine_request *req)
{
	const pid_t pid = fork();

	if (pid == 0) {
		if (says(req, "crash"))
			write_to_null();
		pause_ms(number(req, "ms", 0));
		if (says(req, "exit"))
			exit(0);
		_exit(0);
	}
	tine_send_response(req, 200, NULL);
	tine_end_headers(req);
	tine_printf(req, "%ld", (long)pid);
}

/* ------------------------------------------------------------- the scoreboard */

/* Calls function for each piece of memory that is shared with the master. */
static void
each_shared(void (*function)(unsigned char *, size_t))
{
	FILE *in = fopen("/proc/self/maps", "re");
	char line[512];

	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx rw-s", &from, &to) == 2 &&
		    (strstr(line, "memfd:scoreboard") != NULL ||
		    strstr(line, "/dev/zero") != NULL))
			function((unsigned char *)from, to - from);
	}
	if (in != NULL)
		(void)fclose(in);
}

/* What a broken handler does to others' memory is a race, and its point. */
__attribute__((__no_sanitize__("thread")))
static void
fill_noise(unsigned char *memory, size_t size)
{
	uint32_t random = (uint32_t)getpid();

	for (size_t i = 0; i < size; i++) {
		random = random * 1664525 + 1013904223;
		memory[i] = (unsigned char)(random >> 24);
	}
}

__attribute__((__no_sanitize__("thread")))
static void
fill_ones(unsigned char *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*(volatile unsigned char *)(memory + i) = 0xff;
}

/* Wherever the pid of a worker may be looked for, there is this one. */
static long named_pid;

__attribute__((__no_sanitize__("thread")))
static void
fill_pid(unsigned char *memory, size_t size)
{
	volatile pid_t *pids = (volatile pid_t *)(void *)memory;

	for (size_t i = 0; i < size / sizeof(pids[0]); i++)
		pids[i] = (pid_t)named_pid;
}

static void
noise(struct tine_request *req)
{
	hello(req);
	named_pid = number(req, "pid", 0);
	each_shared(named_pid > 0 ? fill_pid : says(req, "ones") ? fill_ones
	    : fill_noise);
	pause_ms(number(req, "ms", 0));
}

/* As memmem(3), in whose place a checker has one that tells of races. */
__attribute__((__no_sanitize__("thread")))
static unsigned char *
find_text(unsigned char *memory, size_t size, const char *text, size_t length)
{
	for (size_t at = 0; at + length <= size; at++) {
		size_t same = 0;

		while (same < length && *(volatile unsigned char *)
		    (memory + at + same) == (unsigned char)text[same])
			same++;
		if (same == length)
			return memory + at;
	}
	return NULL;
}

/* As if the worker were killed while it writes its line. */
__attribute__((__no_sanitize__("thread")))
static void
begin_line(unsigned char *memory, size_t size)
{
	static const char text[] = "GET /odd";
	unsigned char *at = find_text(memory, size, text, sizeof(text) - 1);
	struct handler_line *line;

	if (at == NULL)
		return;
	line = (struct handler_line *)(void *)
	    (at - offsetof(struct handler_line, text) -
	    offsetof(struct handler_text, request));
	atomic_fetch_or(&line->sequence, 1);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		*(volatile unsigned char *)(at + i) = '#';
}

static void
die_odd(struct tine_request *req)
{
	(void)req;
	each_shared(begin_line);
	(void)raise(SIGKILL);
}

/* --------------------------------------------------------------------- hooks */

static int
set_up(struct tine_request *req)
{
	if (strcmp(req->real_path, "/in-setup") == 0)
		crash(req);
	return 0;
}

static void
finish(struct tine_request *req)
{
	if (strcmp(req->real_path, "/in-finish") == 0)
		crash(req);
}

static void
log_request(struct tine_request *req, int code)
{
	if (strcmp(req->real_path, "/in-log") == 0)
		crash(req);
	tine_log_message(req, "%s %d", req->path, code);
}

static bool
expect(struct tine_request *req)
{
	if (strcmp(req->real_path, "/in-expect") == 0)
		write_to_null();
	return true;
}

static int
begin(struct tine_server *server)
{
	(void)server;
	if (is_told("crash-init"))
		write_to_null();
	return 0;
}

static void
each_turn(struct tine_server *server)
{
	(void)server;
	if (is_told("die"))
		(void)raise(SIGKILL);
	if (is_told("die-slowly")) {
		pause_ms(200);
		(void)raise(SIGKILL);
	}
	if (is_told("crash-turn"))
		write_to_null();
}

/* What a careless hook does: it takes what it did not begin. */
static int
at_reload(struct tine_server *server)
{
	(void)server;
	if (!is_told("careless"))
		return 0;
	(void)!system("exit 3");
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	if (fork() == 0)
		_exit(70);
	return 0;
}

static const struct tine_hooks hooks = {
	.worker_init = begin, .service_actions = each_turn,
	.reload = at_reload
};

/* -------------------------------------------------------------------- places */

static const struct place places[] = {
	{ "/crash", crash }, { "/late", crash_late },
	{ "/crash-after", crash_after }, { "/in-cleanup", crash_afterwards },
	{ "/hang", hang }, { "/sleep", sleep_ms }, { "/events", events },
	{ "/big", big }, { "/mask", mask }, { "/close", shut },
	{ "/close-sleep", shut },
	{ "/fork", fork_child }, { "/noise", noise }, { "/odd", die_odd },
	{ "/body", whole_body }
};

static void
answer(struct tine_request *req)
{
	places_answer(req, places, sizeof(places) / sizeof(places[0]), hello);
}

const struct tine_http_handler tine_http = {
	.hooks = &hooks,
	.do_method = answer,
	.setup = set_up,
	.finish = finish,
	.log_request = log_request,
	.handle_expect_100 = expect
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
