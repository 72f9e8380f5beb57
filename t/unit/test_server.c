/* SPDX-License-Identifier: ISC */
/*
 * lib/server, as far as it needs no client: outputs, inputs, spools, pollers,
 * the table of connections, the scoreboard.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/base/descriptor.h"
#include "../../lib/server/connection.h"
#include "../../lib/server/exchange.h"
#include "../../lib/server/output.h"
#include "../../lib/server/poller.h"
#include "../../lib/server/scoreboard.h"
#include "../../lib/server/server.h"
#include "unit.h"

/* A file with that text, which has no name. */
static int
file_of(const char *text)
{
	const int fd = descriptor_temporary("/tmp");

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, strlen(text)),
	    (ssize_t)strlen(text));
	return fd;
}

static _Atomic int64_t spooled;
static struct spool_space space = { &spooled, 1000, "/tmp" };

static void
open_output(struct output *output, char *memory, size_t size)
{
	output_init(output, memory, size, 16);
	output->memory_limit = 100;
	output->spool_limit = 500;
	output->spool.space = &space;
}

static size_t
read_some(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, text + length, size - length)) > 0)
		length += (size_t)n;
	return length;
}

/* Sends all of output over a socket and returns what came. */
static size_t
received(struct output *output, char *text, size_t size)
{
	enum sent sent = SENT_PART;
	size_t length = 0;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    pair), 0);
	while (sent == SENT_PART) {
		sent = output_send(output, pair[0]);
		length += read_some(pair[1], text + length, size - length);
	}
	ck_assert_int_eq(sent, SENT_ALL);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return length;
}

START_TEST(output_keeps_its_order)
{
	char memory[64], text[1024];
	struct output output;
	const int temporary = file_of("FILE");

	open_output(&output, memory, sizeof(memory));
	ck_assert_int_eq(output_append(&output, "abc", 3), 0);
	ck_assert_int_eq(output_prepend(&output, "HEAD ", 5), 0);
	ck_assert_int_eq(output_append_file(&output, temporary, 1, 2, true),
	    0);
	ck_assert_int_eq(output_append(&output, "def", 3), 0);
	ck_assert_int_eq(output_pending(&output), 13);
	ck_assert_uint_eq(received(&output, text, sizeof(text)), 13);
	ck_assert_mem_eq(text, "HEAD abcILdef", 13);
	ck_assert(output_is_empty(&output));
	ck_assert_uint_eq(output.sent, 13);
	/* The file was the output's to close. */
	ck_assert_int_eq(fcntl(temporary, F_GETFD), -1);
	output_reset(&output);
}
END_TEST

static void
add_bytes(struct output *output, size_t length)
{
	static const char bytes[500];

	ck_assert_int_eq(output_append(output, bytes, length), 0);
}

/* Both bounds, --reply-memory and --reply-spool: below, at, and above. */
START_TEST(output_is_bounded)
{
	char memory[64];
	struct output output;

	open_output(&output, memory, sizeof(memory));
	add_bytes(&output, 99);
	ck_assert_int_eq(output_keep(&output, "b", 1), 1);
	ck_assert_uint_eq(output.memory, 100);
	ck_assert_int_eq(output_spooled(&output), 0);
	ck_assert_int_eq(output_keep(&output, "c", 1), 0);
	add_bytes(&output, 1);
	ck_assert_int_eq(output_spooled(&output), 1);
	add_bytes(&output, 498);
	ck_assert_int_eq(output_spooled(&output), 499);
	add_bytes(&output, 1);
	ck_assert_int_eq(output_spooled(&output), 500);
	errno = 0;
	ck_assert_int_eq(output_append(&output, "d", 1), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_int_eq(output_spooled(&output), 500);
	output_reset(&output);
}
END_TEST

static void
count_release(void *lender)
{
	(*(int *)lender)++;
}

/* Each loan ends once: when it was sent, when it is dropped, on failure. */
START_TEST(output_gives_back_what_is_lent)
{
	char memory[64], text[1024];
	struct output output;
	const int temporary = file_of("FILE");
	int released[4] = { 0 };

	open_output(&output, memory, sizeof(memory));
	ck_assert_int_eq(output_append(&output, "a", 1), 0);
	ck_assert_int_eq(output_lend(&output, "LENT", 4,
	    (struct loan){ count_release, &released[0] }), 0);
	ck_assert_int_eq(output_append(&output, "b", 1), 0);
	ck_assert_int_eq(output_lend_file(&output, temporary, 1, 2,
	    (struct loan){ count_release, &released[1] }), 0);
	ck_assert_int_eq(output_lend(&output, "more", 4,
	    (struct loan){ count_release, &released[2] }), 0);
	ck_assert_int_eq(output_append(&output, "c", 1), 0);
	ck_assert_int_eq(output_prepend(&output, "HEAD ", 5), 0);
	/* It is not the output's memory. */
	ck_assert_uint_eq(output.memory, 8);
	ck_assert_int_eq(output_pending(&output), 18);
	ck_assert_uint_eq(received(&output, text, sizeof(text)), 18);
	ck_assert_mem_eq(text, "HEAD aLENTbILmorec", 18);
	ck_assert_uint_eq(output.memory, 0);
	ck_assert_int_eq(released[0] + released[1] + released[2], 3);
	ck_assert_int_ne(fcntl(temporary, F_GETFD), -1);
	/* It can be lent again, and dropped. */
	ck_assert_int_eq(output_lend(&output, "LENT", 4,
	    (struct loan){ count_release, &released[3] }), 0);
	ck_assert_int_eq(released[3], 0);
	output_reset(&output);
	ck_assert_int_eq(released[3], 1);
	ck_assert_int_eq(released[0], 1);
	(void)close(temporary);
}
END_TEST

/* A child says which part of its file, and a child may be anybody's. */
START_TEST(output_takes_no_impossible_part)
{
	static const struct { off_t offset, length; } parts[] = {
		{ -1, 1 }, { 0, -1 }, { 1, INT64_MAX }, { INT64_MAX, 1 },
		{ INT64_MAX / 2 + 2, INT64_MAX / 2 }
	};
	char memory[64];
	struct output output;
	int fd;

	open_output(&output, memory, sizeof(memory));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		fd = file_of("FILE");
		errno = 0;
		ck_assert_int_eq(output_append_file(&output, fd,
		    parts[i].offset, parts[i].length, true), -1);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	}
	ck_assert(output_is_empty(&output));
	/* Each can be, but nobody can count them together. */
	for (int i = 0; i < 3; i++) {
		fd = file_of("FILE");
		ck_assert_int_eq(output_append_file(&output, fd, 0,
		    INT64_MAX - 1, true), 0);
	}
	ck_assert_int_eq(output_pending(&output), INT64_MAX);
	output_drop(&output);
	ck_assert(output_is_empty(&output));
}
END_TEST

START_TEST(output_goes_to_the_spool)
{
	char memory[64], text[1024], block[50];
	struct output output;

	memset(block, 'x', sizeof(block));
	open_output(&output, memory, sizeof(memory));
	ck_assert_int_eq(output_append(&output, block, 50), 0);
	ck_assert(output_fits(&output, 50));
	ck_assert(!output_fits(&output, 51));
	ck_assert_int_eq(output_append(&output, block, 50), 0);
	ck_assert_int_eq(output.spool.length, 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(output_append(&output, block, 50), 0);
	ck_assert_int_eq(output_spooled(&output), 500);
	errno = 0;
	ck_assert_int_eq(output_append(&output, "y", 1), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_uint_eq(received(&output, text, sizeof(text)), 600);
	output_reset(&output);
	ck_assert_int_eq(spooled, 0);
}
END_TEST

/* Small writes are gathered, and what is behind them keeps its place. */
START_TEST(output_gathers_for_the_spool)
{
	static char memory[64], text[400000], wanted[400000];
	struct output output;
	size_t length = 0;
	int file;

	open_output(&output, memory, sizeof(memory));
	output.spool_limit = 1000000;
	space.limit = 1000000;
	for (int i = 0; i < 30000; i++) {
		char word[16];
		const int n = snprintf(word, sizeof(word), "%d,", i);

		ck_assert_int_eq(output_append(&output, word, (size_t)n), 0);
		memcpy(wanted + length, word, (size_t)n);
		length += (size_t)n;
		if (i != 20000)
			continue;
		ck_assert_int_gt(output.spool.length, 0);
		file = file_of("a file");
		ck_assert_int_eq(output_append_file(&output, file, 2, 4,
		    true), 0);
		memcpy(wanted + length, "file", 4);
		length += 4;
		memset(text, '!', 70000);
		ck_assert_int_eq(output_append(&output, text, 70000), 0);
		memset(wanted + length, '!', 70000);
		length += 70000;
	}
	ck_assert_int_eq(output_pending(&output), (off_t)length);
	ck_assert_uint_le(output.memory, 100 + 64 * 1024);
	ck_assert_uint_eq(received(&output, text, sizeof(text)), length);
	ck_assert_int_eq(memcmp(text, wanted, length), 0);
	ck_assert_uint_eq(output.memory, 0);
	output_reset(&output);
	ck_assert_int_eq(spooled, 0);
	space.limit = 1000;
}
END_TEST

START_TEST(spools_share_their_space)
{
	struct spool one, two;
	char block[600] = "";

	spool_init(&one, &space);
	spool_init(&two, &space);
	ck_assert_int_eq(spool_append(&one, block, 600), 0);
	ck_assert_int_eq(spool_append(&two, block, 401), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(spool_append(&two, block, 400), 0);
	spool_end(&one);
	ck_assert_int_eq(spooled, 400);
	spool_end(&two);
	ck_assert_int_eq(spooled, 0);
}
END_TEST

START_TEST(short_file_fails)
{
	char memory[64];
	struct output output;
	int pair[2];

	open_output(&output, memory, sizeof(memory));
	ck_assert_int_eq(output_append_file(&output,
	    file_of("FILE"), 0, 5, true), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(output_send(&output, pair[0]), SENT_FAILED);
	ck_assert_int_eq(errno, ENODATA);
	output_reset(&output);
}
END_TEST

START_TEST(input_grows_and_shrinks)
{
	struct exchange_pool pool = { .protocol_size = 16 };
	struct exchange *exchange = exchange_get(&pool);
	struct input *input = &exchange->input;
	const size_t own = input->size;

	ck_assert_int_eq(input_reserve(input, own), 0);
	ck_assert_uint_eq(input->size, own);
	memset(input->data, 'a', own);
	input->end = own;
	ck_assert_int_eq(input_reserve(input, 1), 0);
	ck_assert_uint_eq(input->size, own * 2);
	ck_assert_int_eq(input->data[own - 1], 'a');
	input->start = own - 2;
	input_compact(input);
	ck_assert_ptr_eq(input->data, input->own);
	ck_assert_uint_eq(input->end, 2);
	errno = 0;
	ck_assert_int_eq(input_reserve(input, SIZE_MAX / 2), -1);
	ck_assert_int_eq(errno, ENOMEM);
	exchange_put(&pool, exchange);
	ck_assert_ptr_eq(exchange_get(&pool), exchange);
	exchange_put(&pool, exchange);
	exchange_pool_close(&pool);
}
END_TEST

START_TEST(table_is_bounded)
{
	struct connection_table table;
	struct connection *one, *two;
	uint64_t tag;

	ck_assert_int_eq(connection_table_open(&table, 2), 0);
	one = connection_new(&table, 10);
	two = connection_new(&table, 11);
	ck_assert_ptr_nonnull(one);
	ck_assert_ptr_nonnull(two);
	ck_assert_ptr_null(connection_new(&table, 12));
	tag = connection_tag(&table, two);
	ck_assert_ptr_eq(connection_of_tag(&table, tag), two);
	connection_free(&table, two);
	/* An event of a connection that ended is nobody's. */
	ck_assert_ptr_null(connection_of_tag(&table, tag));
	ck_assert_ptr_eq(connection_new(&table, 13), two);
	ck_assert_ptr_null(connection_of_tag(&table, tag));
	ck_assert_ptr_null(connection_of_tag(&table, UINT64_MAX));
	connection_table_close(&table);
}
END_TEST

/* Both pollers report an edge, and report it once. */
START_TEST(pollers_report_edges)
{
	struct poller *poller = poller_new(_i == 1);
	struct poller_event events[4];
	atomic_uint ready = 0;
	char byte;
	int pair[2];

	ck_assert_ptr_nonnull(poller);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(poller_add(poller, pair[0], 7, POLLER_READ, &ready),
	    0);
	ck_assert_int_eq(poller_wait(poller, events, 4, 0), 0);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	ck_assert_int_eq(poller_wait(poller, events, 4, 1000), 1);
	ck_assert_uint_eq(events[0].tag, 7);
	ck_assert_uint_eq(events[0].ready, POLLER_READ);
	ready = POLLER_READ;
	ck_assert_int_eq(poller_wait(poller, events, 4, 0), 0);
	ck_assert_int_eq(read(pair[0], &byte, 1), 1);
	ready = 0;
	ck_assert_int_eq(poller_wait(poller, events, 4, 0), 0);
	ck_assert_int_eq(poller_change(poller, pair[0], 7,
	    POLLER_READ | POLLER_WRITE), 0);
	ck_assert_int_eq(poller_wait(poller, events, 4, 1000), 1);
	ck_assert_uint_eq(events[0].ready & POLLER_WRITE, POLLER_WRITE);
	ready = POLLER_WRITE;
	(void)close(pair[1]);
	ck_assert_int_eq(poller_wait(poller, events, 4, 1000), 1);
	ck_assert_uint_ne(events[0].ready & POLLER_HANGUP, 0);
	ready = POLLER_WRITE | POLLER_HANGUP | POLLER_ERROR;
	ck_assert_int_eq(poller_wait(poller, events, 4, 0), 0);
	poller_remove(poller, pair[0]);
	(void)close(pair[0]);
	poller_free(poller);
}
END_TEST

START_TEST(scoreboard_text_is_whole_or_not_there)
{
	int fd;
	struct scoreboard *board = scoreboard_new(2, 3, 128, &fd);
	struct scoreboard *same;
	struct handler_line *line;
	const struct peer four = { .family = AF_INET,
	    .host.in.s_addr = htonl(0x01020304) };
	const struct peer six = { .family = AF_INET6,
	    .host.in6 = IN6ADDR_LOOPBACK_INIT };
	char client[64], request[256];

	ck_assert_ptr_nonnull(board);
	line = scoreboard_handler(board, 1, 2);
	ck_assert_uint_eq(handler_line_read(line, client, request), 0);
	handler_line_begin(line, 5, &four, "GET / HTTP/1.1", 14);
	ck_assert_uint_eq(handler_line_read(line, client, request), 5);
	ck_assert_str_eq(client, "1.2.3.4");
	ck_assert_str_eq(request, "GET / HTTP/1.1");
	/* A writer that died in the middle. */
	atomic_fetch_or(&line->sequence, 1);
	ck_assert_uint_eq(handler_line_read(line, client, request), 0);
	/* The next one makes it whole again. */
	handler_line_begin(line, 6, &six, "PUT / HTTP/1.1", 14);
	ck_assert_uint_eq(handler_line_read(line, client, request), 6);
	ck_assert_str_eq(client, "::1");
	handler_line_end(line);
	ck_assert_uint_eq(handler_line_read(line, client, request), 0);
	ck_assert(scoreboard_journal(board, 1, 1) + 128 <=
	    board->memory + board->size);
	ck_assert_str_eq(worker_state_name((enum worker_state)99), "unknown");
	/* A later image of the program sees the same, or nothing. */
	handler_line_begin(line, 7, &six, "PUT / HTTP/1.1", 14);
	ck_assert_ptr_null(scoreboard_take(fd, 256));
	same = scoreboard_take(fd, 128);
	ck_assert_ptr_nonnull(same);
	line = scoreboard_handler(same, 1, 2);
	ck_assert_uint_eq(handler_line_read(line, client, request), 7);
	scoreboard_free(same);
	scoreboard_free(board);
	ck_assert_int_eq(ftruncate(fd, 100), -1);	/* it is sealed */
	(void)close(fd);
	ck_assert_ptr_null(scoreboard_take(-1, 128));
	fd = open("/bin/sh", O_RDONLY);
	ck_assert_ptr_null(scoreboard_take(fd, 128));
	(void)close(fd);
}
END_TEST

static int
begin(struct tine_server *server)
{
	(void)server;
	return 0;
}

/* That much of it at the end of memory, as an older program has it. */
static const struct tine_hooks *
short_hooks(const struct tine_hooks *hooks, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(mprotect(memory + page, page, PROT_NONE), 0);
	return memcpy(memory + page - size, hooks, size);
}

START_TEST(hooks_are_read_within_their_bounds)
{
	const struct tine_hooks hooks = { .worker_init = begin,
	    .reload = begin };
	const size_t older = offsetof(struct tine_hooks, worker_exit);
	const struct tine_http_handler handler = {
		.hooks = short_hooks(&hooks, older)
	};
	const struct tine_stream_handler stream = { .hooks = handler.hooks };
	const struct tine_datagram_handler datagram = {
		.hooks = handler.hooks
	};
	struct tine_server *const servers[] = {
		tine_http_server_sized(&handler, sizeof(handler), older),
		tine_stream_server_sized(&stream, sizeof(stream), older),
		tine_datagram_server_sized(&datagram, sizeof(datagram), older)
	};

	for (size_t i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(servers[i]);
		ck_assert(servers[i]->hooks.worker_init == begin);
		ck_assert(servers[i]->hooks.reload == NULL);
		/* A newer program has more than is known here. */
		server_hook(servers[i], &hooks, sizeof(hooks) + 100);
		ck_assert(servers[i]->hooks.reload == begin);
		/* A module of which nothing is known. */
		server_hook(servers[i], &hooks, 0);
		ck_assert(servers[i]->hooks.worker_init == NULL);
		server_hook(servers[i], NULL, sizeof(hooks));
		tine_server_free(servers[i]);
	}
}
END_TEST

Suite *
server_suite(void)
{
	Suite *suite = suite_create("server");
	TCase *tests = tcase_create("server");

	tcase_add_test(tests, output_keeps_its_order);
	tcase_add_test(tests, output_is_bounded);
	tcase_add_test(tests, output_gives_back_what_is_lent);
	tcase_add_test(tests, output_takes_no_impossible_part);
	tcase_add_test(tests, output_goes_to_the_spool);
	tcase_add_test(tests, output_gathers_for_the_spool);
	tcase_add_test(tests, spools_share_their_space);
	tcase_add_test(tests, short_file_fails);
	tcase_add_test(tests, input_grows_and_shrinks);
	tcase_add_test(tests, table_is_bounded);
	tcase_add_loop_test(tests, pollers_report_edges, 0, 2);
	tcase_add_test(tests, scoreboard_text_is_whole_or_not_there);
	tcase_add_test(tests, hooks_are_read_within_their_bounds);
	suite_add_tcase(suite, tests);
	return suite;
}
