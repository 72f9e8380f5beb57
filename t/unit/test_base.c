/* SPDX-License-Identifier: ISC */
/*
 * lib/base: dates, numbers, texts, endpoints, arenas, descriptors, journals.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/base/arena.h"
#include "../../lib/base/date.h"
#include "../../lib/base/descriptor.h"
#include "../../lib/base/endpoint.h"
#include "../../lib/base/failure.h"
#include "../../lib/base/journal.h"
#include "../../lib/base/network.h"
#include "../../lib/base/number.h"
#include "../../lib/base/text.h"
#include "../../lib/tine.h"
#include "unit.h"

/* ------------------------------------------------------------------- dates */

static const time_t then = 784111777;	/* Sun, 06 Nov 1994 08:49:37 GMT */

START_TEST(http_date_is_written)
{
	char out[30];

	date_http(out, then);
	ck_assert_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	date_http(out, 0);
	ck_assert_str_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT");
	date_http(out, -5);
	ck_assert_str_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT");
	date_http(out, (time_t)253402300799);
	ck_assert_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
	date_http(out, (time_t)253402300800);
	ck_assert_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

/* Each day from 1970 to 2410, and then some. */
START_TEST(http_date_is_that_of_the_library)
{
	char out[30], expected[30];

	for (time_t day = 0; day < (time_t)2932896; day += day < 160000 ? 1 :
	    997) {
		const time_t when = day * 86400 + day * 7919 % 86400;
		struct tm tm;

		ck_assert_ptr_nonnull(gmtime_r(&when, &tm));
		(void)strftime(expected, sizeof(expected),
		    "%a, %d %b %Y %H:%M:%S GMT", &tm);
		date_http(out, when);
		ck_assert_str_eq(out, expected);
	}
}
END_TEST

START_TEST(log_date_is_local)
{
	char out[21];

	ck_assert_int_eq(setenv("TZ", "UTC-2", 1), 0);
	tzset();
	date_log(out, then);
	ck_assert_str_eq(out, "06/Nov/1994 10:49:37");
}
END_TEST

static const struct { const char *text; bool good; } date_cases[] = {
	{ "Sun, 06 Nov 1994 08:49:37 GMT", true },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", true },
	{ "Sun Nov  6 08:49:37 1994", true },
	{ "Sun, 06 Nov 1994 08:49:37 -0000", true },
	{ "Sun, 06 Nov 1994 08:49:37 +0100", false },
	{ "Sun, 06 Nov 1994 08:49:37 GMT ", false },
	{ " Sun, 06 Nov 1994 08:49:37 GMT", false },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", false },
	{ "Sun, 06 nov 1994 08:49:37 GMT", false },
	{ "Sun, 31 Feb 1994 08:49:37 GMT", false },
	{ "Sun, 06 Nov 1994 24:49:37 GMT", false },
	{ "Sun, 06 Nov 1994 08:60:37 GMT", false },
	{ "Sun, 00 Nov 1994 08:49:37 GMT", false },
	{ "06 Nov 1994 08:49:37 GMT", false },
	{ "Sun", false }, { "", false }, { "garbage", false },
};

START_TEST(http_date_is_read)
{
	const size_t length = strlen(date_cases[_i].text);
	time_t when = 0;
	const bool good = date_parse_http(date_cases[_i].text, length,
	    then, &when);

	ck_assert_msg(good == date_cases[_i].good, "%s", date_cases[_i].text);
	if (good)
		ck_assert_int_eq(when, then);
	/* No part of it is a date. */
	for (size_t n = 0; good && n < length; n++)
		ck_assert(!date_parse_http(date_cases[_i].text, n, then,
		    &when));
}
END_TEST

START_TEST(short_year_is_near)
{
	static const char text[] = "Sunday, 06-Nov-60 08:49:37 GMT";
	time_t when = 0;

	/* In 2020, 60 is 2060; in 2000 it would be too far in the future. */
	ck_assert(date_parse_http(text, sizeof(text) - 1,
	    (time_t)1577836800, &when));
	ck_assert_int_gt(when, (time_t)2866000000);
	ck_assert(date_parse_http(text, sizeof(text) - 1,
	    (time_t)946684800, &when));
	ck_assert_int_lt(when, 0);
}
END_TEST

/* 50 years later than this are not too far, and a second more is. */
START_TEST(short_year_is_near_to_the_second)
{
	static const struct { const char *text; time_t when; } cases[] = {
		{ "Thursday, 25-Nov-76 08:49:37 GMT", 3373519777 },
		{ "Wednesday, 25-Nov-76 08:49:36 GMT", 3373519776 },
		{ "Thursday, 25-Nov-76 08:49:38 GMT", 217759778 },
		{ "Friday, 31-Dec-76 08:49:37 GMT", 220870177 },
		{ "Monday, 01-Nov-76 23:59:59 GMT", 3371500799 },
		{ "Saturday, 01-Jan-77 00:00:00 GMT", 220924800 }
	};
	const time_t now = 1795596577;		/* 25 Nov 2026 08:49:37 */

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		time_t when = 0;

		ck_assert(date_parse_http(cases[i].text,
		    strlen(cases[i].text), now, &when));
		ck_assert_msg(when == cases[i].when, "%s is %lld",
		    cases[i].text, (long long)when);
	}
}
END_TEST

/* ----------------------------------------------------------------- numbers */

static const struct { const char *text; long ms; } times[] = {
	{ "0", 0 }, { "1", 1000 }, { "30s", 30000 }, { "1.5", 1500 },
	{ "1.5s", 1500 }, { "500ms", 500 }, { "2m", 120000 },
	{ "1h", 3600000 }, { "0.25", 250 }, { "1.0005", 1000 },
	{ "1000h", 3600000000 }, { "1001h", -1 }, { "", -1 }, { "-1", -1 },
	{ "+1", -1 }, { " 1", -1 }, { "1 ", -1 }, { "1.", -1 },
	{ ".5", -1 }, { "1x", -1 }, { "1e3", -1 }, { "0x10", -1 },
	{ "1.5.5", -1 }, { "1msec", -1 }, { "1ms", 1 }, { "0.001", 1 },
	{ "0ms", 0 }, { "0.0000", 0 }, { "1.9ms", 1 }, { "0.0001h", 360 },
	/* Not nothing, which would be no limit. */
	{ "0.5ms", -1 }, { "0.0009", -1 }, { "0.0000001h", -1 },
	{ "0.00000000000000000000000001h", -1 },
	{ "99999999999999999999999999", -1 }, { "1d", -1 },
};

START_TEST(time_is_read)
{
	unsigned ms = 7;
	const char *why = NULL;
	const int result = number_milliseconds(times[_i].text, &ms, &why);

	if (times[_i].ms < 0) {
		ck_assert_msg(result == -1, "%s", times[_i].text);
		ck_assert_ptr_nonnull(why);
		ck_assert_uint_eq(ms, 7);
	} else {
		ck_assert_msg(result == 0, "%s", times[_i].text);
		ck_assert_int_eq((long)ms, times[_i].ms);
	}
}
END_TEST

static const struct { const char *text; long long bytes; } sizes[] = {
	{ "0", 0 }, { "512", 512 }, { "64K", 65536 }, { "64k", 65536 },
	{ "1M", 1048576 }, { "1G", 1073741824 }, { "-1", -1 }, { "", -1 },
	{ " 1", -1 }, { "K", -1 }, { "1KK", -1 }, { "9999999E", -1 },
	{ "1.5G", -1 }, { "99999999999999999999", -1 },
};

START_TEST(size_is_read)
{
	off_t bytes = 7;
	const char *why = NULL;
	const int result = number_bytes(sizes[_i].text, &bytes, &why);

	if (sizes[_i].bytes < 0) {
		ck_assert_msg(result == -1, "%s", sizes[_i].text);
		ck_assert_ptr_nonnull(why);
	} else {
		ck_assert_msg(result == 0, "%s", sizes[_i].text);
		ck_assert_int_eq(bytes, sizes[_i].bytes);
	}
}
END_TEST

START_TEST(integer_is_bounded)
{
	long long value;
	const char *why;

	ck_assert_int_eq(number_integer("1", 1, 5, &value, &why), 0);
	ck_assert_int_eq(number_integer("5", 1, 5, &value, &why), 0);
	ck_assert_int_eq(value, 5);
	ck_assert_int_eq(number_integer("0", 1, 5, &value, &why), -1);
	ck_assert_str_eq(why, "is too small");
	ck_assert_int_eq(number_integer("6", 1, 5, &value, &why), -1);
	ck_assert_str_eq(why, "is too large");
	ck_assert_int_eq(number_integer("+2", 1, 5, &value, &why), -1);
	ck_assert_int_eq(number_integer("2x", 1, 5, &value, &why), -1);
	ck_assert_int_eq(number_integer("", 1, 5, &value, &why), -1);
}
END_TEST

/* ------------------------------------------------------------------- texts */

START_TEST(html_is_escaped)
{
	char out[64];

	ck_assert_uint_eq(text_escape_html(out, sizeof(out), "<a&b>\"'", 7),
	    strlen("&lt;a&amp;b&gt;&quot;&#x27;"));
	ck_assert_str_eq(out, "&lt;a&amp;b&gt;&quot;&#x27;");
	/* Too short: cut, ended with NUL, and the length told. */
	memset(out, 'z', sizeof(out));
	ck_assert_uint_eq(text_escape_html(out, 3, "<<", 2), 8);
	ck_assert_str_eq(out, "&l");
	ck_assert_int_eq(out[3], 'z');
}
END_TEST

START_TEST(log_text_is_escaped)
{
	static const char in[] = "a\\b\n\x1b\x7f\x80\x9f\xa0\"";
	char out[64];

	(void)text_escape_log(out, sizeof(out), in, sizeof(in) - 1);
	ck_assert_str_eq(out, "a\\\\b\\x0a\\x1b\\x7f\\x80\\x9f\xa0\"");
}
END_TEST

START_TEST(token_is_known)
{
	ck_assert(text_is_token("X-a_1!#$%&'*+.^`|~", 18));
	ck_assert(!text_is_token("", 0));
	ck_assert(!text_is_token("a b", 3));
	ck_assert(!text_is_token("a:", 2));
	ck_assert(!text_is_token("a\0b", 3));
	ck_assert(!text_is_token("\xe9", 1));
}
END_TEST

START_TEST(case_is_folded)
{
	ck_assert(text_equal_case("Host", 4, "hOST", 4));
	ck_assert(!text_equal_case("Host", 4, "Hos", 3));
	ck_assert(!text_equal_case("[", 1, "{", 1));
	ck_assert(!text_equal_case("@", 1, "`", 1));
}
END_TEST

START_TEST(number_is_written)
{
	char out[20];

	ck_assert_uint_eq(text_unsigned(out, 0), 1);
	ck_assert_int_eq(out[0], '0');
	ck_assert_uint_eq(text_unsigned(out, UINT64_MAX), 20);
	ck_assert_mem_eq(out, "18446744073709551615", 20);
	for (uint64_t power = 10; power <= UINT64_MAX / 10; power *= 10) {
		char wanted[21];

		for (uint64_t i = power - 1; i <= power; i++) {
			const int n = snprintf(wanted, sizeof(wanted), "%llu",
			    (unsigned long long)i);

			ck_assert_uint_eq(text_unsigned(out, i), (size_t)n);
			ck_assert_mem_eq(out, wanted, (size_t)n);
		}
	}
}
END_TEST

/* Of each byte, at each place of a text of each length. */
START_TEST(controls_are_seen)
{
	const char c = (char)_i;
	const bool is_control = _i < 0x20 || _i == 0x7f;
	char text[26];

	for (size_t length = 1; length < sizeof(text); length++) {
		for (size_t at = 0; at < length; at++) {
			const size_t words = length / 8 * 8;
			size_t n;

			memset(text, at % 2 == 0 ? '\xff' : ' ', length);
			text[at] = c;
			n = text_printable(text, length);
			ck_assert_uint_le(n, words);
			if (is_control && at < words)
				ck_assert_uint_le(n, at);
			else
				ck_assert_uint_eq(n, words);
			/* Not far before it, either. */
			ck_assert_uint_ge(n, is_control ? at / 8 * 8 < words
			    ? at / 8 * 8 : words : words);
		}
	}
}
END_TEST

/* --------------------------------------------------------------- endpoints */

static const struct { const char *text, *back; } endpoints[] = {
	{ "127.0.0.1:8080", "127.0.0.1:8080" },
	{ "[::1]:0", "[::1]:0" },
	{ "unix:/run/x.sock", "unix:/run/x.sock" },
	{ "unix:@name", "unix:@name" },
	{ "tcp:127.0.0.1:80", "127.0.0.1:80" },
	{ "udp:127.0.0.1:53", "udp:127.0.0.1:53" },
	{ "udp:[::1]:0", "udp:[::1]:0" },
	{ "unixgram:/run/x", "unixgram:/run/x" },
	{ "unixgram:@name", "unixgram:@name" },
	{ "unixgram:", NULL }, { "udp:", NULL }, { "udp:unix:/run/x", NULL },
	{ "udp:127.0.0.1:65536", NULL },
	{ "127.0.0.1:65535", "127.0.0.1:65535" },
	{ "127.0.0.1:65536", NULL }, { "127.0.0.1:-1", NULL },
	{ "127.0.0.1:", NULL }, { "127.0.0.1: 80", NULL },
	{ "127.0.0.1:80x", NULL }, { "::1:80", NULL }, { "[::1:80", NULL },
	{ "unix:", NULL }, { "fd:", NULL }, { "fd:x", NULL },
	{ "fd:-1", NULL }, { "", NULL }, { "[::1]", NULL },
};

START_TEST(endpoint_is_read)
{
	struct endpoint list[8];
	size_t count = 0;
	char back[128];
	const int result = endpoint_parse(endpoints[_i].text, list, 8, &count);

	if (endpoints[_i].back == NULL) {
		ck_assert_msg(result == -1, "%s", endpoints[_i].text);
		ck_assert_uint_gt(strlen(tine_error()), 0);
		return;
	}
	ck_assert_msg(result == 0, "%s: %s", endpoints[_i].text,
	    tine_error());
	ck_assert_uint_eq(count, 1);
	endpoint_name(&list[0], back, sizeof(back));
	ck_assert_str_eq(back, endpoints[_i].back);
	ck_assert_int_eq(list[0].type, endpoint_says(endpoints[_i].text) ==
	    SOCK_DGRAM ? SOCK_DGRAM : SOCK_STREAM);
}
END_TEST

/* ---------------------------------------------------------------- networks */

static const struct {
	const char	*list, *address;
	int		 result;	/* -1: no list; else whether it is in it */
} networks[] = {
	{ "10.0.0.0/8", "10.255.255.255", 1 },
	{ "10.0.0.0/8", "11.0.0.0", 0 }, { "10.0.0.0/8", "9.255.255.255", 0 },
	{ "192.168.4.0/23", "192.168.5.255", 1 },
	{ "192.168.4.0/23", "192.168.6.0", 0 },
	{ "127.0.0.1", "127.0.0.1", 1 }, { "127.0.0.1", "127.0.0.2", 0 },
	{ "127.0.0.1/32", "127.0.0.1", 1 }, { "0.0.0.0/0", "8.8.8.8", 1 },
	{ "0.0.0.0/0", "::1", 0 }, { "::/0", "::1", 1 },
	{ "::/0", "1.2.3.4", 0 }, { "::1", "::1", 1 }, { "::1", "::2", 0 },
	{ "2001:db8::/33", "2001:db8:7fff::1", 1 },
	{ "2001:db8::/33", "2001:db8:8000::1", 0 },
	{ "2001:db8::8/125", "2001:db8::f", 1 },
	{ "2001:db8::8/125", "2001:db8::10", 0 },
	{ "::1,10.0.0.1", "10.0.0.1", 1 }, { "::1,10.0.0.1", "10.0.0.2", 0 },
	{ "unix", "unix", 1 }, { "unix", "127.0.0.1", 0 },
	{ "127.0.0.1", "unix", 0 }, { "127.0.0.1,unix", "unix", 1 },
	{ "any", "unix", 1 }, { "any", "::1", 1 }, { "any", "1.2.3.4", 1 },
	{ "", NULL, -1 }, { ",", NULL, -1 }, { "::1,", NULL, -1 },
	{ ",::1", NULL, -1 }, { "10.0.0.1, ::1", NULL, -1 },
	{ "localhost", NULL, -1 }, { "10.0.0.1/", NULL, -1 },
	{ "10.0.0.0/33", NULL, -1 }, { "::/129", NULL, -1 },
	{ "10.0.0.0/-1", NULL, -1 }, { "10.0.0.0/8x", NULL, -1 },
	{ "10.0.0.0/ 8", NULL, -1 }, { "10.0.0.0/8/8", NULL, -1 },
	{ "10.0.0.1/8", NULL, -1 }, { "10.1.0.0/15", NULL, -1 },
	{ "::1/127", NULL, -1 }, { "10.0.0", NULL, -1 },
	{ "010.0.0.1", NULL, -1 }, { "10.0.0.256", NULL, -1 },
	{ "[::1]", NULL, -1 }, { "::ffff:1.2.3.4", NULL, -1 },
	{ "::ffff:0:0/96", NULL, -1 }, { "fe80::1%lo", NULL, -1 },
	{ "any/0", NULL, -1 }, { "UNIX", NULL, -1 },
	{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	    NULL, -1 },
};

START_TEST(network_is_read)
{
	struct network_list list;
	unsigned char address[16];
	sa_family_t family = AF_UNIX;

	if (networks[_i].result == -1) {
		ck_assert_msg(network_list_read(&list, networks[_i].list) ==
		    -1, "%s", networks[_i].list);
		ck_assert_uint_gt(strlen(tine_error()), 0);
		return;
	}
	ck_assert_msg(network_list_read(&list, networks[_i].list) == 0,
	    "%s: %s", networks[_i].list, tine_error());
	if (inet_pton(AF_INET, networks[_i].address, address) == 1)
		family = AF_INET;
	else if (inet_pton(AF_INET6, networks[_i].address, address) == 1)
		family = AF_INET6;
	ck_assert_int_eq(network_list_has(&list, family, address),
	    networks[_i].result);
}
END_TEST

START_TEST(networks_are_bounded)
{
	struct network_list list;
	char text[(NETWORKS + 1) * 4 + 1] = "";

	ck_assert_int_eq(network_list_has(&(struct network_list){ 0 },
	    AF_UNIX, NULL), 0);
	for (int i = 0; i < NETWORKS; i++)
		(void)memcpy(text + 4 * i, "::1,", 5);
	text[4 * NETWORKS - 1] = '\0';
	ck_assert_int_eq(network_list_read(&list, text), 0);
	ck_assert_uint_eq(list.count, NETWORKS);
	text[4 * NETWORKS - 1] = ',';
	(void)memcpy(text + (size_t)4 * NETWORKS, "::1", 4);
	ck_assert_int_eq(network_list_read(&list, text), -1);
	ck_assert_ptr_nonnull(strstr(tine_error(), "more than 64"));
}
END_TEST

/* --------------------------------------------------------------- endpoints */

START_TEST(endpoint_of_all_addresses)
{
	struct endpoint list[8];
	size_t count;

	ck_assert_int_eq(endpoint_parse(":8080", list, 8, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(endpoint_parse("localhost:8080", list, 8, &count),
	    0);
	ck_assert_uint_ge(count, 1);
	ck_assert_int_eq(endpoint_parse("fd:3", list, 8, &count), 0);
	ck_assert_int_eq(list[0].inherited, 3);
}
END_TEST

START_TEST(long_path_is_refused)
{
	struct endpoint list[8];
	const size_t most = sizeof(list[0].address.un.sun_path) - 1;
	char text[256] = "unix:/";
	size_t count;

	memset(text + 6, 'a', sizeof(text) - 7);
	text[5 + most] = '\0';
	ck_assert_int_eq(endpoint_parse(text, list, 8, &count), 0);
	text[5 + most] = 'a';
	text[5 + most + 1] = '\0';
	ck_assert_int_eq(endpoint_parse(text, list, 8, &count), -1);
}
END_TEST

/* ------------------------------------------------------ arenas, descriptors */

START_TEST(arena_serves_from_its_first_block)
{
	_Alignas(16) char memory[64];
	struct arena arena;
	char *a, *b, *c;

	arena_init(&arena, memory, sizeof(memory));
	a = arena_alloc(&arena, 1);
	b = arena_alloc(&arena, 48);
	c = arena_alloc(&arena, 1);
	ck_assert_ptr_eq(a, memory);
	ck_assert_ptr_eq(b, memory + 16);
	ck_assert(c < memory || c >= memory + sizeof(memory));
	ck_assert_uint_eq((uintptr_t)c % 16, 0);
	ck_assert_str_eq(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
	ck_assert_ptr_nonnull(arena_alloc(&arena, 100000));
	arena_reset(&arena);
	ck_assert_ptr_eq(arena_alloc(&arena, 64), memory);
	errno = 0;
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 8));
	ck_assert_int_eq(errno, ENOMEM);
	arena_reset(&arena);
}
END_TEST

START_TEST(descriptors_are_passed)
{
	int pair[2], fds[2], got[4];
	size_t count = 4;
	char text[8];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(descriptor_pass(pair[0], "hi", 2, fds, 2), 0);
	ck_assert_int_eq(descriptor_receive(pair[1], text, sizeof(text), got,
	    &count), 2);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(write(got[1], "x", 1), 1);
	ck_assert_int_eq(read(fds[0], text, 1), 1);
	/* Too long for the receiver: refused, and nothing stays open. */
	count = 4;
	ck_assert_int_eq(descriptor_pass(pair[0], "0123456789", 10, fds, 2),
	    0);
	ck_assert_int_eq(descriptor_receive(pair[1], text, 4, got, &count),
	    -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(temporary_file_has_no_name)
{
	const int fd = descriptor_temporary("/tmp");
	struct stat there;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fstat(fd, &there), 0);
	ck_assert_uint_eq(there.st_nlink, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	descriptor_close(fd);
	ck_assert_int_eq(descriptor_temporary("/nonexistent"), -1);
}
END_TEST

START_TEST(journal_gathers_whole_lines)
{
	_Atomic uint32_t used = 0;
	struct journal journal;
	char memory[32], text[256];
	int pair[2];

	ck_assert_int_eq(pipe(pair), 0);
	journal_open(&journal, pair[1], memory, sizeof(memory), &used);
	journal_line(&journal, 0, "one", 3);
	ck_assert_uint_eq(used, 4);
	ck_assert_int_eq(journal_tick(&journal, 60, 100), 40);
	journal_line(&journal, 60, "a line that needs all the room", 30);
	ck_assert_uint_eq(used, 31);
	ck_assert_int_eq(journal_tick(&journal, 160, 100), -1);
	ck_assert_uint_eq(used, 0);
	ck_assert_int_eq(read(pair[0], text, sizeof(text)), 35);
	ck_assert_mem_eq(text, "one\na line that needs all the room\n", 35);
	/* What a dead writer left: whole lines only, its count not believed. */
	memcpy(memory, "two\npart", 8);
	journal_salvage(pair[1], memory, sizeof(memory), 8);
	ck_assert_int_eq(read(pair[0], text, sizeof(text)), 4);
	memset(memory, 'x', sizeof(memory));
	memory[sizeof(memory) - 1] = '\n';
	journal_salvage(pair[1], memory, sizeof(memory), UINT32_MAX);
	ck_assert_int_eq(read(pair[0], text, sizeof(text)), 32);
}
END_TEST

START_TEST(journal_counts_what_is_lost)
{
	_Atomic uint32_t used = 0;
	struct journal journal;
	char memory[4096], text[65536];
	int pair[2];
	ssize_t n;

	ck_assert_int_eq(pipe2(pair, O_NONBLOCK), 0);
	journal_open(&journal, pair[1], memory, sizeof(memory), &used);
	memset(text, 'x', sizeof(text));
	while (write(pair[1], text, 4096) > 0)
		;
	journal_line(&journal, 0, "lost", 4);
	journal_flush(&journal);
	ck_assert_uint_eq(journal.lost, 1);
	while (read(pair[0], text, sizeof(text)) > 0)
		;
	journal_line(&journal, 0, "kept", 4);
	journal_flush(&journal);
	n = read(pair[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, "tine: 1 lines of this log were lost\nkept\n");
}
END_TEST

Suite *
base_suite(void)
{
	Suite *suite = suite_create("base");
	TCase *tests = tcase_create("base");

#define LOOP(test, table) tcase_add_loop_test(tests, test, 0, \
	(int)(sizeof(table) / sizeof((table)[0])))
	tcase_add_test(tests, http_date_is_written);
	tcase_add_test(tests, http_date_is_that_of_the_library);
	tcase_add_test(tests, log_date_is_local);
	LOOP(http_date_is_read, date_cases);
	tcase_add_test(tests, short_year_is_near);
	tcase_add_test(tests, short_year_is_near_to_the_second);
	LOOP(time_is_read, times);
	LOOP(size_is_read, sizes);
	tcase_add_test(tests, integer_is_bounded);
	tcase_add_test(tests, html_is_escaped);
	tcase_add_test(tests, log_text_is_escaped);
	tcase_add_test(tests, token_is_known);
	tcase_add_test(tests, case_is_folded);
	tcase_add_test(tests, number_is_written);
	tcase_add_loop_test(tests, controls_are_seen, 0, 256);
	LOOP(endpoint_is_read, endpoints);
	LOOP(network_is_read, networks);
	tcase_add_test(tests, networks_are_bounded);
	tcase_add_test(tests, endpoint_of_all_addresses);
	tcase_add_test(tests, long_path_is_refused);
	tcase_add_test(tests, arena_serves_from_its_first_block);
	tcase_add_test(tests, descriptors_are_passed);
	tcase_add_test(tests, temporary_file_has_no_name);
	tcase_add_test(tests, journal_gathers_whole_lines);
	tcase_add_test(tests, journal_counts_what_is_lost);
	suite_add_tcase(suite, tests);
	return suite;
}
