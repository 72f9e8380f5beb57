/* SPDX-License-Identifier: ISC */
/*
 * The parser of heads and of the chunked coding.  Each input is also cut at
 * every byte, and ends at a page that cannot be read.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/http/chunked.h"
#include "../../lib/http/head.h"
#include "unit.h"

/* A copy of text whose end is the end of what may be read. */
char *
guarded(const char *text, size_t length)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t room = (length / page + 1) * page;
	char *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(mprotect(memory + room, page, PROT_NONE), 0);
	return memcpy(memory + room - length, text, length);
}

static const struct head_case {
	const char	*text;
	int		 status;	/* 0: good, -1: more is needed */
	const char	*method, *target, *path, *query;
} cases[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "GET", "/", "/", "" },
	{ "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "GET", "/", "/",
	    "" },
	{ "GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", 0, "GET", "/a?b?c", "/a",
	    "b?c" },
	{ "GET http://a:80/x?y HTTP/1.1\r\nHost: b\r\n\r\n", 0, "GET",
	    "http://a:80/x?y", "/x", "y" },
	{ "GET http://a HTTP/1.0\r\n\r\n", 0, "GET", "http://a", "", "" },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, "OPTIONS", "*", "*",
	    "" },
	{ "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 0, "CONNECT", "a:443",
	    "a:443", "" },
	{ "GET / HTTP/1.0\r\n\r\n", 0, "GET", "/", "/", "" },
	{ "GET / HTTP/1.9\r\nHost: a\r\n\r\n", 0, "GET", "/", "/", "" },
	{ "GET / HTTP/1.1\r\nHost: a\r\n", -1, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r", -1, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/2.0\r\n", 505, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/0.9\r\n", 505, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.10\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET  / HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1 \r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\n", 400, NULL, NULL, NULL, NULL },
	{ "GET a HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET * HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /a#b HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /%41%4a?% HTTP/1.1\r\nHost: a\r\n\r\n", 0, "GET",
	    "/%41%4a?%", "/%41%4a", "%" },
	{ "GET /% HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /%4 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /%4?1 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /%4g HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET /%%41 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET HTTPS://[::1]:80?x HTTP/1.1\r\nHost: b\r\n\r\n", 0, "GET",
	    "HTTPS://[::1]:80?x", "", "x" },
	{ "GET http://a/%zz HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET http://[::1/ HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET http:///x HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET http://:80/x HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "OPTIONS *a HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT :443 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT a: HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", 0, "CONNECT",
	    "[::1]:443", "[::1]:443", "" },
	{ "GET ftp://a/ HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET http:// HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET http://u@a/ HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT a HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT / HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400, NULL, NULL, NULL,
	    NULL },
	{ "GET / HTTP/1.1\r\nHost : a\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\n Host: a\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\n: a\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nA: b\nC: d\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nA: b\rC: d\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nA: b\x7f\r\n", 400, NULL, NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n", 400, NULL,
	    NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
	    "Content-Length: 1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n", 501,
	    NULL, NULL, NULL, NULL },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL,
	    NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	    "Content-Length: 1\r\n\r\n", 400, NULL, NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n", 417, NULL, NULL,
	    NULL, NULL },
	{ "GET / HTTP/1.0\r\nExpect: 200-ok\r\n\r\n", 0, "GET", "/", "/",
	    "" },
	{ "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
	    0, "POST", "/a", "/a", "" },
	/* Fields with as many letters as those that matter. */
	{ "GET / HTTP/1.1\r\nHost: a\r\nFrom: b\r\nAccept: c\r\n"
	    "User-Agent: d\r\nAccept-Charset: e\r\nIf-Modified-Since: f\r\n"
	    "\r\n", 0, "GET", "/", "/", "" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n", 400, NULL, NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n", 400, NULL,
	    NULL, NULL, NULL },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunker\r\n",
	    501, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\rX", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.1\rHost: a\r\n", 400, NULL, NULL, NULL, NULL },
	{ "\rGET / HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "\nGET / HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ " GET / HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GE(T / HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET\t/ HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTX/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / http/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/x.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1x1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET / HTTP/1.x\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT a1 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT a b:1 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "CONNECT a/b:1 HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
	{ "GET http HTTP/1.1\r\n", 400, NULL, NULL, NULL, NULL },
};

static void
assert_span(const char *text, struct span span, const char *wanted)
{
	ck_assert_uint_eq(span.length, strlen(wanted));
	ck_assert_mem_eq(text + span.at, wanted, span.length);
}

static void
assert_outcome(const struct head_case *wanted, const struct head *head,
    enum head_result result, const char *text)
{
	if (wanted->status > 0) {
		ck_assert_msg(result == HEAD_BAD, "%s", wanted->text);
		ck_assert_int_eq(head->status, wanted->status);
		return;
	}
	ck_assert_msg(result == (wanted->status == 0 ? HEAD_DONE : HEAD_MORE),
	    "%s", wanted->text);
	if (wanted->status == -1)
		return;
	ck_assert_uint_eq(head->at, strlen(wanted->text));
	assert_span(text, head->method, wanted->method);
	assert_span(text, head->target, wanted->target);
	assert_span(text, head->path, wanted->path);
	assert_span(text, head->query, wanted->query);
}

START_TEST(head_is_parsed)
{
	const struct head_case *wanted = &cases[_i];
	const size_t length = strlen(wanted->text);
	const char *text = guarded(wanted->text, length);
	struct head head = { 0 };

	head_init(&head, 32768, 100);
	assert_outcome(wanted, &head, head_parse(&head, text, length), text);
}
END_TEST

START_TEST(head_is_parsed_in_pieces)
{
	const struct head_case *wanted = &cases[_i];
	const size_t length = strlen(wanted->text);

	for (size_t cut = 1; cut <= length; cut++) {
		enum head_result result = HEAD_MORE;
		struct head head = { 0 };
		const char *text = wanted->text;

		head_init(&head, 32768, 100);
		/* The memory moves between two calls, as an input's does. */
		for (size_t n = cut; result == HEAD_MORE; n += cut) {
			text = guarded(wanted->text, n < length ? n : length);
			result = head_parse(&head, text,
			    n < length ? n : length);
			if (n >= length)
				break;
		}
		if (wanted->status != -1)
			assert_outcome(wanted, &head, result, text);
	}
}
END_TEST

START_TEST(values_are_trimmed)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n"
	    "X: \t b c \t \r\nY:\r\nZ:d\r\n\r\n";
	struct head head = { 0 };

	head_init(&head, 32768, 100);
	ck_assert_int_eq(head_parse(&head, text, sizeof(text) - 1),
	    HEAD_DONE);
	ck_assert_uint_eq(head.count, 4);
	assert_span(text, head.fields[1].name, "X");
	assert_span(text, head.fields[1].value, "b c");
	assert_span(text, head.fields[2].value, "");
	assert_span(text, head.fields[3].value, "d");
}
END_TEST

static enum head_result
parse_host(struct head *head, const char *host)
{
	char text[256];
	const int n = snprintf(text, sizeof(text),
	    "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);

	head_init(head, 32768, 100);
	return head_parse(head, text, (size_t)n);
}

/* A Host that was valid once is not looked at again: another one is. */
START_TEST(host_is_remembered)
{
	struct head head = { 0 };
	char longer[80];

	ck_assert_int_eq(parse_host(&head, ""), HEAD_DONE);
	ck_assert_int_eq(parse_host(&head, "a.b:8080"), HEAD_DONE);
	ck_assert_int_eq(parse_host(&head, "a.b:8080"), HEAD_DONE);
	ck_assert_int_eq(parse_host(&head, "a.b/8080"), HEAD_BAD);
	ck_assert_int_eq(parse_host(&head, "a.b/8080"), HEAD_BAD);
	ck_assert_int_eq(parse_host(&head, "a.b:8080"), HEAD_DONE);
	memset(longer, 'a', sizeof(longer));
	for (size_t n = 62; n < 68; n++) {
		longer[n] = '\0';
		longer[n - 1] = 'a';
		ck_assert_int_eq(parse_host(&head, longer), HEAD_DONE);
		longer[n - 1] = '/';
		ck_assert_int_eq(parse_host(&head, longer), HEAD_BAD);
		longer[n - 1] = longer[n] = 'a';
	}
	ck_assert_int_eq(parse_host(&head, "a.b\r\nHost: a.b"), HEAD_BAD);
}
END_TEST

START_TEST(connection_is_a_list)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n"
	    "Connection: x, ,Keep-Alive\r\nConnection: upgrade,CLOSE\r\n\r\n";
	static const char other[] = "GET / HTTP/1.1\r\nHost: a\r\n"
	    "Connection: closed, not-close, close x, close;x, cloak\r\n"
	    "Connection: keep-alibi\r\n\r\n";
	static const char spaced[] = "GET / HTTP/1.1\r\nHost: a\r\n"
	    "Connection: close\t,x\r\n\r\n";
	struct head head = { 0 };

	head_init(&head, 32768, 100);
	ck_assert_int_eq(head_parse(&head, text, sizeof(text) - 1),
	    HEAD_DONE);
	ck_assert(head.says_close);
	ck_assert(head.says_keep);
	head_init(&head, 32768, 100);
	ck_assert_int_eq(head_parse(&head, other, sizeof(other) - 1),
	    HEAD_DONE);
	ck_assert(!head.says_close);
	ck_assert(!head.says_keep);
	head_init(&head, 32768, 100);
	ck_assert_int_eq(head_parse(&head, spaced, sizeof(spaced) - 1),
	    HEAD_DONE);
	ck_assert(head.says_close);
}
END_TEST

static const struct { const char *value; int status; bool expects; } expects[] = {
	{ "100-continue", 0, true }, { "100-CONTINUE", 0, true },
	{ "", 0, false }, { " , ,", 0, false },
	{ ",100-continue ,\t100-continue,", 0, true },
	{ "100-continue, x", 417, false }, { "100-continue;a", 417, false },
	{ "100 continue", 417, false }, { "\"100-continue\"", 417, false },
};

START_TEST(expect_is_a_list)
{
	struct head head = { 0 };
	char text[128];
	const int length = snprintf(text, sizeof(text),
	    "GET / HTTP/1.1\r\nHost: a\r\nExpect: %s\r\n\r\n",
	    expects[_i].value);

	head_init(&head, 32768, 100);
	ck_assert_int_eq(head_parse(&head, text, (size_t)length),
	    expects[_i].status != 0 ? HEAD_BAD : HEAD_DONE);
	ck_assert_int_eq(head.status, expects[_i].status);
	ck_assert(expects[_i].status != 0 ||
	    head.has_expect == expects[_i].expects);
}
END_TEST

/* A head of that many bytes and fields. */
static enum head_result
sized(struct head *head, size_t bytes, unsigned fields, size_t most)
{
	char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text),
	    "GET / HTTP/1.1\r\nHost: a\r\n");

	for (unsigned i = 1; i < fields; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a: b\r\n");
	if (bytes > 0) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "b: ");
		while (n < bytes - 4)
			text[n++] = 'x';
		memcpy(text + n, "\r\n", 2);
		n += 2;
	}
	memcpy(text + n, "\r\n", 2);
	n += 2;
	head_init(head, most, 10);
	return head_parse(head, text, n);
}

START_TEST(fields_are_counted)
{
	struct head head = { 0 };

	ck_assert_int_eq(sized(&head, 0, 9, 4096), HEAD_DONE);
	ck_assert_int_eq(sized(&head, 0, 10, 4096), HEAD_DONE);
	ck_assert_int_eq(sized(&head, 0, 11, 4096), HEAD_BAD);
	ck_assert_int_eq(head.status, 431);
	/* There is room for so many, whoever asks for more. */
	head_init(&head, 4096, HEAD_FIELDS + 1);
	ck_assert_uint_eq(head.max_fields, HEAD_FIELDS);
}
END_TEST

START_TEST(head_is_bounded)
{
	struct head head = { 0 };

	ck_assert_int_eq(sized(&head, 999, 1, 1000), HEAD_DONE);
	ck_assert_int_eq(sized(&head, 1000, 1, 1000), HEAD_DONE);
	ck_assert_int_eq(sized(&head, 1001, 1, 1000), HEAD_BAD);
	ck_assert_int_eq(head.status, 431);
}
END_TEST

START_TEST(request_line_is_bounded)
{
	char text[1200] = "GET /";
	struct head head = { 0 };

	memset(text + 5, 'a', sizeof(text) - 5);
	head_init(&head, 1000, 10);
	ck_assert_int_eq(head_parse(&head, text, 1000), HEAD_MORE);
	ck_assert_int_eq(head_parse(&head, text, 1001), HEAD_BAD);
	ck_assert_int_eq(head.status, 414);
}
END_TEST

START_TEST(length_does_not_overflow)
{
	off_t number = 0;

	ck_assert(head_number("9223372036854775807", 19, &number));
	ck_assert_int_eq(number, INT64_MAX);
	ck_assert(head_number("9223372036854775808", 19, &number));
	ck_assert_int_eq(number, INT64_MAX);
	ck_assert(head_number("99999999999999999999999", 23, &number));
	ck_assert_int_eq(number, INT64_MAX);
	ck_assert(head_number("0005", 4, &number));
	ck_assert_int_eq(number, 5);
	ck_assert(!head_number("", 0, &number));
	ck_assert(!head_number("1 ", 2, &number));
	ck_assert(!head_number("1a", 2, &number));
}
END_TEST

static const struct { const char *host; bool good; } hosts[] = {
	{ "a.example", true }, { "a.example:80", true }, { "a:", true },
	{ "", true }, { "[::1]", true }, { "[::1]:80", true },
	{ "a%20b", true }, { "a_b", true }, { "127.0.0.1", true },
	{ "a:65535", true }, { "a:65536", false }, { "a:80x", false },
	{ "a b", false }, { "a/b", false }, { "u@a", false },
	{ "::1", false }, { "[::1", false }, { "[::1]x", false },
	{ "[]", false }, { "[g::1]", false }, { "a%2", false },
	{ "a%zz", false }, { "a\\b", false }, { "a:b:c", false },
	{ "\xe9", false }, { "a,b:1,2", false },
	{ ":", false }, { ":80", false }, { "a:0", true },
	{ "a:00000000000000000000080", true }, { "a:+80", false },
	{ "a:99999999999999999999999999", false },
	{ "[v1.a:b]", true }, { "[VF.~]:80", true }, { "[v.a]", false },
	{ "[v1.]", false }, { "[v1]", false }, { "[v1.a/b]", false },
	{ "[v]", false }, { "[::ffff:1.2.3.4]", true },
	{ "[fe80::1%25eth0]", false }, { "[1:2:3:4:5:6:7:8:9]", false },
	{ "[00001::1]", false }, { "[[::1]]", false }, { "]", false },
	{ "[::1]:x", false }, { "[v1x.a]", false }, { "a%2z", false },
	{ "a b:80", false }, { "[v1.a:%]", false },
	{ "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", false },
};

START_TEST(host_is_checked)
{
	ck_assert_msg(head_host_is_valid(hosts[_i].host,
	    strlen(hosts[_i].host)) == hosts[_i].good, "%s", hosts[_i].host);
}
END_TEST

START_TEST(host_may_not_contain_nul)
{
	ck_assert(!head_host_is_valid("[::1\0]", 6));
	ck_assert(!head_host_is_valid("a\0b", 3));
	ck_assert(!head_host_is_valid("a:8\0", 4));
}
END_TEST

/* ----------------------------------------------------------------- chunked */

static const struct chunked_case {
	const char	*text;
	const char	*body;		/* NULL: refused */
	const char	*rest;
} chunks[] = {
	{ "5\r\nhello\r\n0\r\n\r\n", "hello", "" },
	{ "5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET" },
	{ "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", "" },
	{ "0\r\n\r\n", "", "" }, { "00000\r\n\r\n", "", "" },
	{ "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "" },
	{ "a\r\n0123456789\r\n0\r\n\r\n", "0123456789", "" },
	{ "5;x=\"y z\"\r\nhello\r\n0;a\r\n\r\n", "hello", "" },
	{ "5 ;x\r\nhello\r\n0\r\n\r\n", "hello", "" },
	{ "5\t; x\t=\ty ; z\r\nhello\r\n0\r\n\r\n", "hello", "" },
	{ "5;x=\"a;\\\"\\\\\t\xe9\" ;y\r\nhello\r\n0\r\n\r\n", "hello", "" },
	{ "5;x=\"\"\r\nhello\r\n0\r\n\r\n", "hello", "" },
	{ "5;x ;y\r\nhello\r\n0\r\n\r\n", "hello", "" },
	{ "0\r\nXy: z\r\n\r\n", "", "" },
	{ "0\r\nX(: y\r\n\r\n", NULL, NULL },
	{ "0\r\n\rX", NULL, NULL },
	{ "0\rX", NULL, NULL },
	{ "5;\r\nhello\r\n", NULL, NULL },
	{ "5;;x\r\nhello\r\n", NULL, NULL },
	{ "5;x;\r\nhello\r\n", NULL, NULL },
	{ "5;=y\r\nhello\r\n", NULL, NULL },
	{ "5;x=\r\nhello\r\n", NULL, NULL },
	{ "5;x=y=z\r\nhello\r\n", NULL, NULL },
	{ "5;x y\r\nhello\r\n", NULL, NULL },
	{ "5;x \r\nhello\r\n", NULL, NULL },
	{ "5;x=y \r\nhello\r\n", NULL, NULL },
	{ "5;x=\"y\r\nhello\r\n", NULL, NULL },
	{ "5;x=\"y\\\r\nhello\r\n", NULL, NULL },
	{ "5;x=\"y\"z\r\nhello\r\n", NULL, NULL },
	{ "5;x=\"\x7f\"\r\nhello\r\n", NULL, NULL },
	{ "5;\"x\"\r\nhello\r\n", NULL, NULL },
	{ "5;\xe9\r\nhello\r\n", NULL, NULL },
	{ "5; \"\r\nhello\r\n", NULL, NULL },
	{ "5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n", "hello", "" },
	{ "5 \r\nhello\r\n0\r\n\r\n", NULL, NULL },
	{ " 5\r\nhello\r\n0\r\n\r\n", NULL, NULL },
	{ "\r\nhello\r\n0\r\n\r\n", NULL, NULL },
	{ "-5\r\nhello\r\n", NULL, NULL }, { "0x5\r\nhello\r\n", NULL, NULL },
	{ "5\nhello\r\n0\r\n\r\n", NULL, NULL },
	{ "5\rhello\r\n0\r\n\r\n", NULL, NULL },
	{ "5\r\nhelloX0\r\n\r\n", NULL, NULL },
	{ "5\r\nhello\n0\r\n\r\n", NULL, NULL },
	{ "5\r\nhello\r\n\r\n0\r\n\r\n", NULL, NULL },
	{ "5;a\nb\r\nhello\r\n", NULL, NULL },
	{ "5;a\r\r\nhello\r\n", NULL, NULL },
	{ "0\r\nX : y\r\n\r\n", NULL, NULL }, { "0\r\n x: y\r\n\r\n", NULL, NULL },
	{ "0\r\nX: y\n\r\n", NULL, NULL }, { "0\r\n: y\r\n\r\n", NULL, NULL },
	{ "ffffffffffffffffff\r\nx", NULL, NULL },
	{ "10000000000000005\r\nhello", NULL, NULL },
};

static const struct chunked_bounds bounds = {
	.extensions = 100, .trailers = 60, .trailer_count = 3
};

/* Decodes text in pieces of that size; true at the end, false if refused. */
static bool
decode(const char *text, size_t piece, char *body, size_t *rest)
{
	const size_t length = strlen(text);
	struct chunked chunked;
	size_t made = 0, at = 0;

	chunked_init(&chunked, &bounds);
	while (at < length) {
		const size_t n = length - at < piece ? length - at : piece;
		char *copy = guarded(text + at, n);
		size_t used, got;
		const enum chunked_result result = chunked_decode(&chunked,
		    copy, copy, n, &used, &got);

		memcpy(body + made, copy, got);
		made += got;
		body[made] = '\0';
		at += used;
		*rest = at;
		if (result != CHUNKED_MORE)
			return result == CHUNKED_DONE;
		ck_assert_uint_eq(used, n);
	}
	ck_abort_msg("neither done nor refused: %s", text);
	return false;
}

START_TEST(chunks_are_decoded)
{
	const size_t length = strlen(chunks[_i].text);

	for (size_t piece = 1; piece <= length; piece++) {
		char body[64];
		size_t rest = 0;
		const bool good = decode(chunks[_i].text, piece, body, &rest);

		ck_assert_msg(good == (chunks[_i].body != NULL), "%s",
		    chunks[_i].text);
		if (good) {
			ck_assert_str_eq(body, chunks[_i].body);
			ck_assert_str_eq(chunks[_i].text + rest,
			    chunks[_i].rest);
		}
	}
}
END_TEST

/* What is answered after text and that many times more; 0: it is taken. */
static int
refusal(const char *text, const char *more, unsigned times, const char *rest)
{
	struct chunked chunked;
	char copy[512];
	size_t used, made, n;

	n = (size_t)snprintf(copy, sizeof(copy), "%s", text);
	for (unsigned i = 0; i < times; i++)
		n += (size_t)snprintf(copy + n, sizeof(copy) - n, "%s", more);
	n += (size_t)snprintf(copy + n, sizeof(copy) - n, "%s", rest);
	chunked_init(&chunked, &bounds);
	return chunked_decode(&chunked, copy, copy, n, &used, &made) ==
	    CHUNKED_DONE ? 0 : chunked.status;
}

START_TEST(extensions_are_bounded)
{
	const char *rest = "\r\nx\r\n0\r\n\r\n";

	/* From ';' to the last byte before the line end. */
	ck_assert_int_eq(refusal("1;", "x", 98, rest), 0);
	ck_assert_int_eq(refusal("1;", "x", 99, rest), 0);
	ck_assert_int_eq(refusal("1;", "x", 100, rest), 413);
	/* All chunks' together: 2 bytes each, 1 of the last. */
	ck_assert_int_eq(refusal("", "1;x\r\ny\r\n", 50, "0\r\n\r\n"), 0);
	ck_assert_int_eq(refusal("", "1;x\r\ny\r\n", 50, "0;x\r\n\r\n"), 413);
	ck_assert_int_eq(refusal("1", " ", 101, ";x\r\ny\r\n0\r\n\r\n"), 413);
}
END_TEST

START_TEST(trailers_are_bounded)
{
	/* With their line ends, without the empty line. */
	ck_assert_int_eq(refusal("0\r\na:", "x", 55, "\r\n\r\n"), 0);
	ck_assert_int_eq(refusal("0\r\na:", "x", 56, "\r\n\r\n"), 0);
	ck_assert_int_eq(refusal("0\r\na:", "x", 57, "\r\n\r\n"), 431);
	ck_assert_int_eq(refusal("0\r\n", "a:\r\n", 2, "\r\n"), 0);
	ck_assert_int_eq(refusal("0\r\n", "a:\r\n", 3, "\r\n"), 0);
	ck_assert_int_eq(refusal("0\r\n", "a:\r\n", 4, "\r\n"), 431);
	/* Extensions do not take room from them. */
	ck_assert_int_eq(refusal("0;x=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\na:",
	    "x", 56, "\r\n\r\n"), 0);
}
END_TEST

START_TEST(size_is_bounded)
{
	ck_assert_int_eq(refusal("", "0", 31, "1\r\nx\r\n0\r\n\r\n"), 0);
	ck_assert_int_eq(refusal("", "0", 32, "1\r\nx\r\n0\r\n\r\n"), 413);
	ck_assert_int_eq(refusal("", "f", 18, "\r\nx"), 413);
}
END_TEST

/* What another process hands over; see request_pack.c. */
START_TEST(decoder_is_checked)
{
	struct chunked chunked;
	size_t used, made;
	char text[] = "5\r\nhe";

	chunked_init(&chunked, &bounds);
	ck_assert(chunked_is_sound(&chunked));
	ck_assert_int_eq(chunked_decode(&chunked, text, text, 5, &used,
	    &made), CHUNKED_MORE);
	ck_assert(chunked_is_sound(&chunked));
	chunked.left = 0;
	ck_assert(!chunked_is_sound(&chunked));
	chunked_init(&chunked, &bounds);
	chunked.state = 1000;
	ck_assert(!chunked_is_sound(&chunked));
	chunked_init(&chunked, &bounds);
	chunked.digits = 33;
	ck_assert(!chunked_is_sound(&chunked));
}
END_TEST

Suite *
head_suite(void)
{
	Suite *suite = suite_create("head");
	TCase *tests = tcase_create("head");

#define LOOP(test, table) tcase_add_loop_test(tests, test, 0, \
	(int)(sizeof(table) / sizeof((table)[0])))
	LOOP(head_is_parsed, cases);
	LOOP(head_is_parsed_in_pieces, cases);
	tcase_add_test(tests, values_are_trimmed);
	tcase_add_test(tests, host_is_remembered);
	tcase_add_test(tests, connection_is_a_list);
	LOOP(expect_is_a_list, expects);
	tcase_add_test(tests, fields_are_counted);
	tcase_add_test(tests, head_is_bounded);
	tcase_add_test(tests, request_line_is_bounded);
	tcase_add_test(tests, length_does_not_overflow);
	LOOP(host_is_checked, hosts);
	tcase_add_test(tests, host_may_not_contain_nul);
	LOOP(chunks_are_decoded, chunks);
	tcase_add_test(tests, extensions_are_bounded);
	tcase_add_test(tests, trailers_are_bounded);
	tcase_add_test(tests, size_is_bounded);
	tcase_add_test(tests, decoder_is_checked);
	suite_add_tcase(suite, tests);
	return suite;
}
