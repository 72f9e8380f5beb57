/* SPDX-License-Identifier: ISC */
/*
 * The parser of urlencoded forms: each input whole, byte by byte, and cut at
 * every two places.
 */
#include "../../lib/form/urlencoded.h"
#include "form_test.h"

/* Each field as {name} or {name}=value, and how it ends. */
static const struct {
	const char	*data;
	size_t		 length;
	const char	*trace;
	const char	*strict;	/* NULL: the same */
} rows[] = {
	{ BYTES(""), "DONE", NULL },
	{ BYTES("a=1"), "a:1;DONE", NULL },
	{ BYTES("a=1&b=2"), "a:1;b:2;DONE", NULL },
	{ BYTES("a=1&a=2&a="), "a:1;a:2;a:;DONE", NULL },
	{ BYTES("a=b=c&=v&="), "a:b=c;:v;:;DONE", NULL },
	{ BYTES("a"), "a:;DONE", "BAD" },
	{ BYTES("a=1&b"), "a:1;b:;DONE", "a:1;BAD" },
	{ BYTES("&"), "DONE", "BAD" },
	{ BYTES("a=1&"), "a:1;DONE", "a:1;BAD" },
	{ BYTES("&a=1"), "a:1;DONE", "BAD" },
	{ BYTES("a=1&&b=2"), "a:1;b:2;DONE", "a:1;BAD" },
	{ BYTES("a+b=c+d"), "a b:c d;DONE", NULL },
	{ BYTES("%61%3d=%26%2B%25"), "a=:&+%;DONE", NULL },
	{ BYTES("a=%C3%a9"), "a:\xc3\xa9;DONE", NULL },
	{ BYTES("a=\xff\xfe"), "a:\xff\xfe;DONE", NULL },
	/* No escapes. */
	{ BYTES("a=%zz"), "a:%zz;DONE", NULL },
	{ BYTES("a=%4"), "a:%4;DONE", NULL },
	{ BYTES("a=%"), "a:%;DONE", NULL },
	{ BYTES("a%=b%4&%c"), "a%:b%4;%c:;DONE", "a%:b%4;BAD" },
	{ BYTES("a=%%41%4%42%+%"), "a:%A%4B% %;DONE", NULL },
	{ BYTES("%&%4&%4=%"), "%:;%4:;%4:%;DONE", "BAD" },
	/* Not separators. */
	{ BYTES("a=1;b=2"), "a:1;b=2;DONE", NULL },
	{ BYTES("a=1\r\n"), "a:1\r\n;DONE", NULL },
};

struct run {
	struct urlencoded	parser;
	struct trace		trace;
	bool			in_value;
};

static bool
on_name(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	ck_assert_uint_gt(length, 0);
	trace_add(&run->trace, data, length);
	return true;
}

static bool
on_value(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	if (!run->in_value)
		trace_add(&run->trace, ":", 1);
	run->in_value = true;
	return on_name(argument, data, length);
}

static bool
on_end(void *argument)
{
	struct run *run = argument;

	trace_add(&run->trace, ":;", 2);
	if (run->in_value) {	/* the colon is there already */
		run->trace.length -= 2;
		trace_add(&run->trace, ";", 1);
	}
	run->in_value = false;
	return true;
}

static const struct urlencoded_events events = { on_name, on_value, on_end };

static void
begin(struct run *run, bool is_strict)
{
	memset(run, 0, sizeof(*run));
	urlencoded_init(&run->parser, is_strict);
	run->parser.events = &events;
	run->parser.argument = run;
}

static void
feed(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	(void)urlencoded_feed(&run->parser, data, length);
}

static void
finish(struct run *run, const char *expected)
{
	static const char *const words[] = {
		[URLENCODED_DONE] = "DONE", [URLENCODED_BAD] = "BAD"
	};
	const enum urlencoded_result result = urlencoded_finish(&run->parser);

	/* What came of a field before it was found bad does not matter. */
	if (result == URLENCODED_BAD) {
		char *last = strrchr(run->trace.text, ';');

		run->trace.length = last == NULL ? 0 :
		    (size_t)(last + 1 - run->trace.text);
	}
	trace_add(&run->trace, words[result], strlen(words[result]));
	ck_assert_str_eq(run->trace.text, expected);
}

static void
check_cuts(const char *data, size_t length, const char *expected,
    bool is_strict)
{
	struct run run;

	for (size_t i = 0; i <= length; i++) {
		for (size_t j = i; j <= length; j++) {
			begin(&run, is_strict);
			feed_cut(feed, &run, data, length, i, j);
			finish(&run, expected);
		}
	}
	begin(&run, is_strict);
	for (size_t i = 0; i < length; i++)
		feed(&run, at_the_edge(data + i, 1), 1);
	finish(&run, expected);
}

START_TEST(parses)
{
	const char *strict = rows[_i].strict;

	check_cuts(rows[_i].data, rows[_i].length, rows[_i].trace, false);
	check_cuts(rows[_i].data, rows[_i].length,
	    strict != NULL ? strict : rows[_i].trace, true);
}
END_TEST

START_TEST(gives_nul_bytes)
{
	struct run run;

	begin(&run, false);
	feed(&run, "a%00b=%00", 9);
	ck_assert_int_eq(urlencoded_finish(&run.parser), URLENCODED_DONE);
	ck_assert_uint_eq(run.trace.length, 6);
	ck_assert_mem_eq(run.trace.text, "a\0b:\0;", 6);
}
END_TEST

/* Runs that do and do not fit what is collected. */
START_TEST(long_runs)
{
	static char data[2000], expected[2000];

	for (size_t length = 250; length < 800; length++) {
		struct run run;

		memset(data, 'x', length);
		memcpy(data, "n=%41", 5);
		memset(expected, 'x', length);
		memcpy(expected, "n:A", 3);
		strcpy(expected + length - 2, ";DONE");
		begin(&run, false);
		feed(&run, at_the_edge(data, length), length);
		finish(&run, expected);
	}
}
END_TEST

Suite *
form_urlencoded_suite(void)
{
	Suite *suite = suite_create("form/urlencoded");
	TCase *cases = tcase_create("all");

	tcase_add_loop_test(cases, parses, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(cases, gives_nul_bytes);
	tcase_add_test(cases, long_runs);
	suite_add_tcase(suite, cases);
	return suite;
}
