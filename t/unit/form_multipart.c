/* SPDX-License-Identifier: ISC */
/*
 * The parser of multipart forms: each input whole, byte by byte, and cut at
 * every two places.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/form/multipart.h"
#include "form_test.h"

#define BOUNDARY	"AaB"
#define HEADERS		64	/* bytes of header lines that a part may have */

/* Each part as [name=value,...]data;  and how it ends. */
static const struct {
	const char	*data;
	size_t		 length;
	const char	*trace;
} rows[] = {
	{ BYTES("--AaB--"), "DONE" },
	{ BYTES("--AaB--\r\nepilogue\r\n--AaB\r\n"), "DONE" },
	{ BYTES("--AaB--xyz"), "DONE" },
	{ BYTES("preamble\r\n--AaB--\r\n"), "DONE" },
	{ BYTES("\r\n--AaB--\r\n"), "DONE" },
	{ BYTES("--AaB\r\na: b\r\n\r\ndata\r\n--AaB--\r\n"),
	    "[a=b,]data;DONE" },
	{ BYTES("x--AaB\r\n\r\n--AaB\r\na: b\r\n\r\nd\r\n--AaB--"),
	    "[a=b,]d;DONE" },
	{ BYTES("--AaB\r\n\r\ndata\r\n--AaB--\r\n"), "[]data;DONE" },
	/* Two parts, and white space after boundaries. */
	{ BYTES("--AaB\r\na:b\r\n\r\n1\r\n--AaB\r\na:c\r\nd:e\r\n\r\n2"
	    "\r\n--AaB--"), "[a=b,]1;[a=c,d=e,]2;DONE" },
	{ BYTES("--AaB \t \r\na:b\r\n\r\n1\r\n--AaB\t\r\na:c\r\n\r\n2"
	    "\r\n--AaB-- "), "[a=b,]1;[a=c,]2;DONE" },
	/* Parts without data, with and without an empty line. */
	{ BYTES("--AaB\r\na:b\r\n\r\n\r\n--AaB--"), "[a=b,];DONE" },
	{ BYTES("--AaB\r\na:b\r\n\r\n--AaB--"), "[a=b,];DONE" },
	{ BYTES("--AaB\r\na:b\r\n\r\n\r\n\r\n--AaB--"), "[a=b,]\r\n;DONE" },
	/* Data that looks like a delimiter. */
	{ BYTES("--AaB\r\n\r\n--Aa\r\n--Ax\r\n--AaB--"),
	    "[]--Aa\r\n--Ax;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\r\n\r\r\n-\r\n--\r\n--AaB--"),
	    "[]\r\r\n\r\r\n-\r\n--;DONE" },
	{ BYTES("--AaB\r\n\r\n--AaBx\r\n--AaB--"), "[]--AaBx;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--AaBx\r\n--AaB--"),
	    "[]\r\n--AaBx;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--AaB-x\r\n--AaB--"),
	    "[]\r\n--AaB-x;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--AaB-\r\n--AaB--"),
	    "[]\r\n--AaB-;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--AaB\r\r\n--AaB--"),
	    "[]\r\n--AaB\r;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--AaB\r\r\n--AaBx\r\n--AaB--"),
	    "[]\r\n--AaB\r\r\n--AaBx;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--AaB\n\r\n--AaB--"),
	    "[]\r\n--AaB\n;DONE" },
	{ BYTES("--AaB\r\n\r\n--AaB--AaB\r\n--AaB--"), "[];DONE" },
	{ BYTES("--AaB\r\n\r\n-AaB\n--AaB\n--aab\r\n--AaB--"),
	    "[]-AaB\n--AaB\n--aab;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\r\r\r\n\n\n\r\n--AaB--"),
	    "[]\r\r\r\r\n\n\n;DONE" },
	{ BYTES("--AaB\r\n\r\n\r\n--A\r\n--Aa\r\n--\r\n--AaB--"),
	    "[]\r\n--A\r\n--Aa\r\n--;DONE" },
	/* Headers: white space, folding, no value. */
	{ BYTES("--AaB\r\na:   b c \t\r\nd:\r\n\r\n1\r\n--AaB--"),
	    "[a=b c,d=,]1;DONE" },
	{ BYTES("--AaB\r\na: b\r\n c\r\n\td\r\ne:f\r\n\r\n1\r\n--AaB--"),
	    "[a=b   c  \td,e=f,]1;DONE" },
	{ BYTES("--AaB\r\na: b:\xc3\xa9\r\n\r\n1\r\n--AaB--"),
	    "[a=b:\xc3\xa9,]1;DONE" },
	/* Cut short. */
	{ BYTES(""), "BAD" },
	{ BYTES("--AaB"), "BAD" },
	{ BYTES("--AaB-"), "BAD" },
	{ BYTES("--AaB\r\n"), "BAD" },
	{ BYTES("--AaB\r\na: b\r\n\r\n"), "[a=b,]BAD" },
	{ BYTES("--AaB\r\na: b\r\n\r\ndata"), "[a=b,]dataBAD" },
	{ BYTES("--AaB\r\na: b\r\n\r\ndata\r\n--AaB\r\n"), "[a=b,]data;BAD" },
	{ BYTES("no boundary at all"), "BAD" },
	/* Lines that end with LF alone. */
	{ BYTES("--AaB\na: b\n\ndata\n--AaB--\n"), "BAD" },
	{ BYTES("--AaB\r\na: b\n\r\ndata\r\n--AaB--\r\n"), "BAD" },
	{ BYTES("--AaB\r\n\n"), "BAD" },
	{ BYTES("--AaB\r\na: b\r\n\n"), "BAD" },
	/* Malformed headers. */
	{ BYTES("--AaB\r\na b\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\na : b\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\n: b\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\n a: b\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\na: b\rc\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\na: b\0c\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\na: b\x7f\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB\r\na: b\r\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB x\r\na: b\r\n\r\n1\r\n--AaB--"), "BAD" },
	{ BYTES("--AaB \rx\r\n\r\n1\r\n--AaB--"), "BAD" },
	/* 63, 64 and 65 bytes of header lines. */
	{ BYTES("--AaB\r\n"
	    "a: 3456789012345678901234567890123456789012345678901234567890x"
	    "\r\n\r\n1\r\n--AaB--"),
	    "[a=3456789012345678901234567890123456789012345678901234567890x,]"
	    "1;DONE" },
	{ BYTES("--AaB\r\n"
	    "a: 345678901234567890123456789012345678901234567890123456789\r\n"
	    "\r\n1\r\n--AaB--"),
	    "[a=345678901234567890123456789012345678901234567890123456789,]"
	    "1;DONE" },
	{ BYTES("--AaB\r\n"
	    "a: 34567890123456789012345678901234567890123456789012345678\r\n"
	    "b:\r\n\r\n1\r\n--AaB--"), "LARGE" },
	{ BYTES("--AaB\r\n"
	    "a: 3456789012345678901234567890123456789012345678901234567890xy"
	    "\r\n\r\n1\r\n--AaB--"), "LARGE" },
	{ BYTES("--AaB\r\n"
	    "a: 34567890123456789012345678901234567890123456789012345678901"
	    "2345678901234567890"), "LARGE" },
};

struct run {
	struct multipart	parser;
	char			*headers;
	struct trace		trace;
	size_t			events_left;	/* then they say no */
};

static bool
take_event(struct run *run)
{
	if (run->events_left == 0)
		return false;
	run->events_left--;
	return true;
}

static bool
on_begin(void *argument, const struct tine_field *headers, size_t count)
{
	struct run *run = argument;

	trace_add(&run->trace, "[", 1);
	for (size_t i = 0; i < count; i++) {
		trace_add(&run->trace, headers[i].name,
		    strlen(headers[i].name));
		trace_add(&run->trace, "=", 1);
		trace_add(&run->trace, headers[i].value,
		    strlen(headers[i].value));
		trace_add(&run->trace, ",", 1);
	}
	ck_assert_ptr_null(headers[count].name);
	trace_add(&run->trace, "]", 1);
	return take_event(run);
}

static bool
on_data(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	ck_assert_uint_gt(length, 0);
	trace_add(&run->trace, data, length);
	return take_event(run);
}

static bool
on_end(void *argument)
{
	struct run *run = argument;

	trace_add(&run->trace, ";", 1);
	return take_event(run);
}

static const struct multipart_events events = { on_begin, on_data, on_end };

/* The headers have memory of their own, whose ends a sanitizer knows. */
static void
begin(struct run *run, const char *boundary, size_t headers)
{
	run->trace.length = 0;
	run->trace.text[0] = '\0';
	run->events_left = SIZE_MAX;
	run->headers = malloc(headers + 2);
	multipart_init(&run->parser, boundary, strlen(boundary), run->headers,
	    headers + 2);
	run->parser.events = &events;
	run->parser.argument = run;
}

static void
feed(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	(void)multipart_feed(&run->parser, data, length);
}

static void
finish(struct run *run, const char *expected)
{
	static const char *const words[] = {
		[MULTIPART_DONE] = "DONE", [MULTIPART_BAD] = "BAD",
		[MULTIPART_LARGE] = "LARGE", [MULTIPART_STOPPED] = "STOPPED"
	};
	const enum multipart_result result = multipart_finish(&run->parser);

	ck_assert_int_eq(result == MULTIPART_BAD, run->parser.why != NULL);
	trace_add(&run->trace, words[result], strlen(words[result]));
	ck_assert_str_eq(run->trace.text, expected);
	free(run->headers);
}

static void
check_cuts(const char *data, size_t length, const char *expected)
{
	static struct run run;

	for (size_t i = 0; i <= length; i++) {
		for (size_t j = i; j <= length; j++) {
			begin(&run, BOUNDARY, HEADERS);
			feed_cut(feed, &run, data, length, i, j);
			finish(&run, expected);
		}
	}
	begin(&run, BOUNDARY, HEADERS);
	for (size_t i = 0; i < length; i++)
		feed(&run, at_the_edge(data + i, 1), 1);
	finish(&run, expected);
}

START_TEST(parses)
{
	check_cuts(rows[_i].data, rows[_i].length, rows[_i].trace);
}
END_TEST

/* Each event in turn says no, and none comes after it. */
START_TEST(stops)
{
	static const char data[] = "--AaB\r\na:b\r\n\r\n1\r\n--AaB\r\n\r\n2"
	    "\r\n--AaBx\r\n--AaB--";
	static const char *const traces[] = {
		"[a=b,]STOPPED", "[a=b,]1STOPPED", "[a=b,]1;STOPPED",
		"[a=b,]1;[]STOPPED"
	};
	static struct run run;

	for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++) {
		begin(&run, BOUNDARY, HEADERS);
		run.events_left = i;
		feed(&run, BYTES(data));
		finish(&run, traces[i]);
	}
	for (size_t i = 0; i < 20; i++) {
		begin(&run, BOUNDARY, HEADERS);
		run.events_left = i;
		for (size_t j = 0; j < sizeof(data) - 1; j++)
			feed(&run, data + j, 1);
		(void)multipart_finish(&run.parser);
		free(run.headers);
	}
}
END_TEST

/* Boundaries that are hard to search for. */
static const char *const boundaries[] = {
	"a", "-", "--", "aaaaaaaa", "aaaaaaab", "baaaaaaa", "abababab",
	"------WebKitFormBoundary7MA4YWxkTrZu0gW", "a b", "'()+_,-./:=?",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
};

static void
check_boundary(const char *boundary, const char *data)
{
	static struct run run;
	char body[1024], expected[1024];

	(void)snprintf(body, sizeof(body), "--%s\r\n\r\n%s\r\n--%s--", boundary,
	    data, boundary);
	(void)snprintf(expected, sizeof(expected), "[]%s;DONE", data);
	for (size_t i = 0; i <= strlen(body); i++) {
		begin(&run, boundary, HEADERS);
		feed_cut(feed, &run, body, strlen(body), i, i);
		finish(&run, expected);
	}
}

START_TEST(finds_boundaries)
{
	const char *boundary = boundaries[_i];
	char data[512];

	check_boundary(boundary, "");
	check_boundary(boundary, boundary);
	for (size_t cut = 0; cut < strlen(boundary); cut++) {
		/* Beginnings of the delimiter, one after another. */
		(void)snprintf(data, sizeof(data), "\r\n--%.*s\r\n--%.*s\r",
		    (int)cut, boundary, (int)cut, boundary);
		check_boundary(boundary, data);
		(void)snprintf(data, sizeof(data), "x%s%s", boundary,
		    boundary + cut);
		check_boundary(boundary, data);
	}
}
END_TEST

/* The search against the plainest one, in text of few letters. */
START_TEST(searches_as_a_plain_search_does)
{
	static const char letters[] = "\r\n-a";
	static struct run run;
	unsigned state = 1;
	char data[300];

	begin(&run, "aa-", HEADERS);
	for (int round = 0; round < 20000; round++) {
		size_t expected = sizeof(data);

		for (size_t i = 0; i < sizeof(data); i++) {
			state = state * 1103515245 + 12345;
			data[i] = letters[state >> 16 & 3];
		}
		for (size_t i = sizeof(data); i-- > 0;) {
			const size_t left = sizeof(data) - i;

			if (memcmp(data + i, "\r\n--aa-", left < 7 ? left : 7)
			    == 0)
				expected = i;
		}
		ck_assert_uint_eq(multipart_search(&run.parser,
		    at_the_edge(data, sizeof(data)), sizeof(data)), expected);
	}
	free(run.headers);
}
END_TEST

START_TEST(too_many_headers)
{
	static struct run run;
	char body[2048], *at;

	for (int count = MULTIPART_FIELDS - 1; count < MULTIPART_FIELDS + 2;
	    count++) {
		at = body + sprintf(body, "--AaB\r\n");
		for (int i = 0; i < count; i++)
			at += sprintf(at, "a:b\r\n");
		at += sprintf(at, "\r\n\r\n--AaB--");
		begin(&run, BOUNDARY, 1024);
		feed(&run, body, (size_t)(at - body));
		ck_assert_int_eq(multipart_finish(&run.parser),
		    count <= MULTIPART_FIELDS ? MULTIPART_DONE :
		    MULTIPART_BAD);
		free(run.headers);
	}
}
END_TEST

START_TEST(checks_boundaries)
{
	ck_assert(multipart_boundary_is_valid("a", 1));
	ck_assert(multipart_boundary_is_valid(" a", 2));
	ck_assert(multipart_boundary_is_valid("a b", 3));
	ck_assert(!multipart_boundary_is_valid("", 0));
	ck_assert(!multipart_boundary_is_valid("a ", 2));
	ck_assert(!multipart_boundary_is_valid("a\r", 2));
	ck_assert(!multipart_boundary_is_valid("a\tb", 3));
	ck_assert(!multipart_boundary_is_valid("\xc3\xa9", 2));
}
END_TEST

Suite *
form_multipart_suite(void)
{
	Suite *suite = suite_create("form/multipart");
	TCase *cases = tcase_create("all");

	tcase_set_timeout(cases, 60);
	tcase_add_loop_test(cases, parses, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(cases, stops);
	tcase_add_loop_test(cases, finds_boundaries, 0,
	    sizeof(boundaries) / sizeof(boundaries[0]));
	tcase_add_test(cases, searches_as_a_plain_search_does);
	tcase_add_test(cases, too_many_headers);
	tcase_add_test(cases, checks_boundaries);
	suite_add_tcase(suite, cases);
	return suite;
}
