/* SPDX-License-Identifier: ISC */
/*
 * lib/files: the parts that see no file: paths, ranges, conditions, types and
 * the page of a listing.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/files/condition.h"
#include "../../lib/files/listing.h"
#include "../../lib/files/path.h"
#include "../../lib/files/range.h"
#include "../../lib/files/types.h"
#include "unit.h"

/* ------------------------------------------------------------------- paths */

static const struct { const char *path, *name; bool is_directory; } paths[] = {
	{ "/", "", true },
	{ "/a", "a", false },
	{ "/a/", "a", true },
	{ "/a/b.c", "a/b.c", false },
	{ "//a///b", "a/b", false },
	{ "/a//", "a", true },
	{ "/.", "", true },
	{ "/./a", "a", false },
	{ "/a/.", "a", true },
	{ "/a/..", "", true },
	{ "/a/../b", "b", false },
	{ "/a/b/../c", "a/c", false },
	{ "/a/b/../../c", "c", false },
	{ "/a/b/..", "a", true },
	{ "/..", "", true },
	{ "/../../etc/passwd", "etc/passwd", false },
	{ "/a/../../../b", "b", false },
	{ "/%2e%2e/b", "b", false },
	{ "/%2E%2e%2fb", "b", false },
	{ "/a%2f..%2f..%2fb", "b", false },
	{ "/a%2f", "a", true },
	{ "/%252e%252e/b", "%2e%2e/b", false },
	{ "/...", "...", false },
	{ "/..a", "..a", false },
	{ "/.a./b", ".a./b", false },
	{ "/a%20b", "a b", false },
	{ "/%c3%a9", "\303\251", false },
	{ "/%ff%01", "\377\001", false },
	{ "/a+b", "a+b", false },
	{ "/a\\..\\b", "a\\..\\b", false },
	{ "/%5c..%5cb", "\\..\\b", false },
	{ "/%3f%23", "?#", false },
	/* None at all. */
	{ "", NULL, false },
	{ "a", NULL, false },
	{ "*", NULL, false },
	{ "/%", NULL, false },
	{ "/%4", NULL, false },
	{ "/a%", NULL, false },
	{ "/a%2", NULL, false },
	{ "/%zz", NULL, false },
	{ "/%4g", NULL, false },
	{ "/%00", NULL, false },
	{ "/a%00.html", NULL, false }
};

START_TEST(path_is_decoded)
{
	const char *text = paths[_i].path;
	const size_t length = strlen(text);
	char *copy = guarded(text, length), out[64];
	struct path path;

	if (paths[_i].name == NULL) {
		ck_assert_msg(!path_decode(copy, length, out, &path), "%s",
		    text);
	} else {
		ck_assert_msg(path_decode(copy, length, out, &path), "%s",
		    text);
		ck_assert_str_eq(path.text, paths[_i].name);
		ck_assert_uint_eq(path.length, strlen(paths[_i].name));
		ck_assert_msg(path.is_directory == paths[_i].is_directory,
		    "%s", text);
	}
}
END_TEST

/* Whatever is sent, the name has no slash at its ends and no dots to climb. */
START_TEST(path_never_leaves)
{
	static const char *const pieces[] = {
		"/", ".", "..", "%2e", "%2f", "a", "//", "%2E%2e", "%5c"
	};
	char text[72], out[64];

	for (unsigned i = 0; i < 9 * 9 * 9 * 9 * 9; i++) {
		struct path path;
		unsigned n = i;

		(void)strcpy(text, "/");
		for (int j = 0; j < 5; j++, n /= 9)
			(void)strcat(text, pieces[n % 9]);
		ck_assert(path_decode(text, strlen(text), out, &path));
		ck_assert_uint_eq(strlen(out), path.length);
		ck_assert_uint_le(path.length, strlen(text));
		ck_assert(out[0] != '/');
		ck_assert(path.length == 0 || out[path.length - 1] != '/');
		(void)snprintf(text, sizeof(text), "/%s/", out);
		ck_assert_msg(strstr(text, "/../") == NULL &&
		    strstr(text, "/./") == NULL &&
		    (path.length == 0 || strstr(text, "//") == NULL), "%s",
		    text);
	}
}
END_TEST

START_TEST(path_is_encoded)
{
	char out[64];

	ck_assert_uint_eq(path_encode(out, "a b/\"<>", 7, false), 17);
	ck_assert_str_eq(out, "a%20b%2F%22%3C%3E");
	ck_assert_uint_eq(path_encode(out, "a/b?#%:\\", 8, true), 18);
	ck_assert_str_eq(out, "a/b%3F%23%25%3A%5C");
	ck_assert_uint_eq(path_encode(out, "-._~\377\n", 6, true), 10);
	ck_assert_str_eq(out, "-._~%FF%0A");
	ck_assert_uint_eq(path_encode(out, "", 0, true), 0);
	ck_assert_str_eq(out, "");
}
END_TEST

/* ------------------------------------------------------------------ ranges */

/* found: "offset+length" of each, "-" if it is ignored, "416". */
static const struct { const char *value; off_t size; const char *found; }
    range_cases[] = {
	{ "bytes=0-0", 1000, "0+1" },
	{ "bytes=0-499", 1000, "0+500" },
	{ "bytes=500-", 1000, "500+500" },
	{ "bytes=-500", 1000, "500+500" },
	{ "bytes=-1", 1000, "999+1" },
	{ "bytes=999-", 1000, "999+1" },
	{ "bytes=999-999", 1000, "999+1" },
	{ "bytes=998-1000", 1000, "998+2" },
	{ "bytes=0-", 1000, "0+1000" },
	{ "bytes=0-999", 1000, "0+1000" },
	{ "bytes=-1000", 1000, "0+1000" },
	{ "bytes=-1001", 1000, "0+1000" },
	{ "bytes=0-99999999999999999999999", 1000, "0+1000" },
	{ "bytes=-99999999999999999999999", 1000, "0+1000" },
	{ "BYTES=0-1", 1000, "0+2" },
	{ "bytes=0-1,", 1000, "0+2" },
	{ "bytes=, ,0-1", 1000, "0+2" },
	{ "bytes= 0-1 ,\t500-501 ", 1000, "0+2 500+2" },
	{ "bytes=500-501,0-1", 1000, "500+2 0+2" },
	{ "bytes=0-1,1000-", 1000, "0+2" },
	{ "bytes=0-0,-1", 1000, "0+1 999+1" },
	/* Overlapping ones and near ones are one. */
	{ "bytes=0-99,50-149", 1000, "0+150" },
	{ "bytes=0-99,100-199", 1000, "0+200" },
	{ "bytes=0-9,89-99", 1000, "0+100" },
	{ "bytes=0-9,90-99", 1000, "0+10 90+10" },
	{ "bytes=90-99,0-9", 1000, "90+10 0+10" },
	{ "bytes=0-0,500-500,0-999", 1000, "0+1000" },
	{ "bytes=0-0,900-900,100-800,80-120,850-", 1000, "0+1000" },
	{ "bytes=0-,0-,0-,0-", 1000, "0+1000" },
	/* Sixteen, and one more. */
	{ "bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", 10,
	    "0+10" },
	{ "bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", 10,
	    "-" },
	/* Not satisfiable. */
	{ "bytes=1000-", 1000, "416" },
	{ "bytes=1000-1001,-0", 1000, "416" },
	{ "bytes=-0", 1000, "416" },
	{ "bytes=99999999999999999999999-", 1000, "416" },
	{ "bytes=0-", 0, "416" },
	{ "bytes=-5", 0, "-" },
	/* Not understood. */
	{ "", 1000, "-" },
	{ "bytes", 1000, "-" },
	{ "bytes=", 1000, "-" },
	{ "bytes=,", 1000, "-" },
	{ "bytes=-", 1000, "-" },
	{ "bytes=1", 1000, "-" },
	{ "bytes=a-b", 1000, "-" },
	{ "bytes=0-1-2", 1000, "-" },
	{ "bytes=--1", 1000, "-" },
	{ "bytes=+0-1", 1000, "-" },
	{ "bytes=0x0-1", 1000, "-" },
	{ "bytes=0 -1", 1000, "-" },
	{ "bytes=0- 1", 1000, "-" },
	{ "bytes =0-1", 1000, "-" },
	{ "bytes=5-4", 1000, "-" },
	{ "bytes=0-1,5-4", 1000, "-" },
	{ "bytes=0-1;5-6", 1000, "-" },
	{ "items=0-1", 1000, "-" },
	{ "bytes:0-1", 1000, "-" },
	{ "bytes=0-0", INT64_MAX, "0+1" },
	{ "bytes=9223372036854775806-9223372036854775807", INT64_MAX,
	    "9223372036854775806+1" }
};

START_TEST(range_is_read)
{
	const char *value = range_cases[_i].value;
	const size_t length = strlen(value);
	char *copy = guarded(value, length);
	struct range ranges[RANGES_MOST];
	char found[256] = "";
	size_t count, n = 0;

	switch (range_parse(copy, length, range_cases[_i].size, ranges,
	    &count)) {
	case RANGE_IGNORED:
		(void)strcpy(found, "-");
		break;
	case RANGE_UNSATISFIABLE:
		(void)strcpy(found, "416");
		break;
	case RANGE_FOUND:
		for (size_t i = 0; i < count; i++)
			n += (size_t)snprintf(found + n, sizeof(found) - n,
			    "%s%lld+%lld", i > 0 ? " " : "",
			    (long long)ranges[i].offset,
			    (long long)ranges[i].length);
		break;
	}
	ck_assert_msg(strcmp(found, range_cases[_i].found) == 0,
	    "%s: %s, not %s", value, found, range_cases[_i].found);
}
END_TEST

/* Cut anywhere it is read within its bounds, and stays in the file. */
START_TEST(range_is_cut)
{
	static const char whole[] = "bytes=0-0,500-999 , -1,99999999999-";

	for (size_t n = 0; n < sizeof(whole); n++) {
		char *copy = guarded(whole, n);
		struct range ranges[RANGES_MOST];
		size_t count;

		if (range_parse(copy, n, 1000, ranges, &count) == RANGE_FOUND)
			ck_assert_uint_gt(count, 0);
		for (size_t i = 0; i < count; i++) {
			ck_assert_int_ge(ranges[i].offset, 0);
			ck_assert_int_gt(ranges[i].length, 0);
			ck_assert_int_le(ranges[i].offset +
			    ranges[i].length, 1000);
		}
		}
}
END_TEST

/* -------------------------------------------------------------- conditions */

#define THEN	784111777
#define DATE	"Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE	"Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER	"Sun, 06 Nov 1994 08:49:38 GMT"

static const struct {
	const char	*fields[6];	/* name, value … */
	const char	*etag;
	enum condition	 result;
} condition_cases[] = {
	{ { NULL }, "\"a\"", CONDITION_TRUE },
	{ { "Host", "x" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "\"a\"" }, "\"a\"", CONDITION_NOT_MODIFIED },
	{ { "if-none-match", "\"a\"" }, "\"a\"", CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", "\"b\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "\"A\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "*" }, "\"a\"", CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", "W/\"a\"" }, "\"a\"", CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", "\"a\"" }, "W/\"a\"", CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", "w/\"a\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "\"b\", \"a\"" }, "\"a\"",
	    CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", ",\"b\" ,\t\"a\"," }, "\"a\"",
	    CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", "\"b,\"a\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "\"b\"\"a\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "a" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "\"a" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "W/" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "" }, "\"a\"", CONDITION_TRUE },
	{ { "If-None-Match", "\"b\"", "If-None-Match", "\"a\"" }, "\"a\"",
	    CONDITION_NOT_MODIFIED },
	/* If-Match compares strongly. */
	{ { "If-Match", "\"a\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-Match", "*" }, "\"a\"", CONDITION_TRUE },
	{ { "If-Match", "\"b\"" }, "\"a\"", CONDITION_FAILED },
	{ { "If-Match", "\"b\",\"a\"" }, "\"a\"", CONDITION_TRUE },
	{ { "If-Match", "W/\"a\"" }, "\"a\"", CONDITION_FAILED },
	{ { "If-Match", "W/\"a\"" }, "W/\"a\"", CONDITION_FAILED },
	{ { "If-Match", "\"b\"", "If-Match", "\"a\"" }, "\"a\"",
	    CONDITION_TRUE },
	/* Dates. */
	{ { "If-Modified-Since", DATE }, "\"a\"", CONDITION_NOT_MODIFIED },
	{ { "If-Modified-Since", BEFORE }, "\"a\"", CONDITION_TRUE },
	{ { "If-Modified-Since", AFTER }, "\"a\"", CONDITION_NOT_MODIFIED },
	{ { "If-Modified-Since", "yesterday" }, "\"a\"", CONDITION_TRUE },
	{ { "If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT" }, "\"a\"",
	    CONDITION_NOT_MODIFIED },
	{ { "If-Modified-Since", "Sun Nov  6 08:49:37 1994" }, "\"a\"",
	    CONDITION_NOT_MODIFIED },
	{ { "If-Unmodified-Since", DATE }, "\"a\"", CONDITION_TRUE },
	{ { "If-Unmodified-Since", BEFORE }, "\"a\"", CONDITION_FAILED },
	{ { "If-Unmodified-Since", "never" }, "\"a\"", CONDITION_TRUE },
	/* Two of them are none. */
	{ { "If-Modified-Since", DATE, "If-Modified-Since", DATE }, "\"a\"",
	    CONDITION_TRUE },
	{ { "If-Modified-Since", DATE, "If-Modified-Since", "x" }, "\"a\"",
	    CONDITION_TRUE },
	{ { "If-Modified-Since", DATE ", " DATE }, "\"a\"", CONDITION_TRUE },
	{ { "If-Unmodified-Since", BEFORE, "If-Unmodified-Since", BEFORE },
	    "\"a\"", CONDITION_TRUE },
	/* Of what has no tag only "*" is true. */
	{ { "If-None-Match", "*" }, "", CONDITION_NOT_MODIFIED },
	{ { "If-None-Match", "\"a\"" }, "", CONDITION_TRUE },
	{ { "If-None-Match", "\"\"" }, "", CONDITION_TRUE },
	{ { "If-Match", "*" }, "", CONDITION_TRUE },
	{ { "If-Match", "\"\"" }, "", CONDITION_FAILED },
	/* The order: a tag says more than a date. */
	{ { "If-None-Match", "\"b\"", "If-Modified-Since", DATE }, "\"a\"",
	    CONDITION_TRUE },
	{ { "If-Modified-Since", BEFORE, "If-None-Match", "\"a\"" }, "\"a\"",
	    CONDITION_NOT_MODIFIED },
	{ { "If-Unmodified-Since", BEFORE, "If-Match", "\"a\"" }, "\"a\"",
	    CONDITION_TRUE },
	{ { "If-None-Match", "\"a\"", "If-Match", "\"b\"" }, "\"a\"",
	    CONDITION_FAILED },
	{ { "If-Match", "\"a\"", "If-None-Match", "\"a\"" }, "\"a\"",
	    CONDITION_NOT_MODIFIED }
};

static void
read_fields(struct conditions *conditions, const char *const *texts,
    size_t count, struct tine_field *fields)
{
	size_t n = 0;

	while (n * 2 < count && texts[n * 2] != NULL) {
		fields[n].name = texts[n * 2];
		fields[n].value = texts[n * 2 + 1];
		n++;
	}
	fields[n].name = fields[n].value = NULL;
	conditions_read(conditions, fields);
}

START_TEST(condition_is_judged)
{
	const struct validators validators = {
		condition_cases[_i].etag, THEN, THEN + 100
	};
	struct conditions conditions;
	struct tine_field fields[4];

	read_fields(&conditions, condition_cases[_i].fields, 6, fields);
	ck_assert_msg(conditions_judge(&conditions, &validators) ==
	    condition_cases[_i].result, "case %d", _i);
}
END_TEST

static const struct {
	const char	*fields[6];
	const char	*etag;
	time_t		 age;
	bool		 wanted;
} if_range_cases[] = {
	{ { NULL }, "\"a\"", 9, false },
	{ { "If-Range", "\"a\"" }, "\"a\"", 9, false },
	{ { "Range", "x" }, "\"a\"", 9, true },
	{ { "range", "x", "If-Range", "\"a\"" }, "\"a\"", 9, true },
	{ { "Range", "x", "If-Range", "\"b\"" }, "\"a\"", 9, false },
	{ { "Range", "x", "If-Range", "W/\"a\"" }, "\"a\"", 9, false },
	{ { "Range", "x", "If-Range", "W/\"a\"" }, "W/\"a\"", 9, false },
	{ { "Range", "x", "If-Range", "\"a\", \"b\"" }, "\"a\"", 9, false },
	{ { "Range", "x", "If-Range", "" }, "\"a\"", 9, false },
	{ { "Range", "x", "If-Range", "a" }, "\"a\"", 9, false },
	{ { "Range", "x", "If-Range", DATE }, "\"a\"", 9, true },
	{ { "Range", "x", "If-Range", DATE }, "\"a\"", 0, false },
	{ { "Range", "x", "If-Range", DATE }, "\"a\"", 1, true },
	{ { "Range", "x", "If-Range", AFTER }, "\"a\"", 9, false },
	{ { "Range", "x", "If-Range", BEFORE }, "\"a\"", 9, false },
	/* Two of them are none: the whole is never wrong. */
	{ { "If-Range", "\"a\"", "If-Range", "\"a\"", "Range", "x" },
	    "\"a\"", 9, false },
	{ { "If-Range", "\"a\"", "If-Range", "\"b\"", "Range", "x" },
	    "\"a\"", 9, false }
};

START_TEST(if_range_is_judged)
{
	const struct validators validators = {
		if_range_cases[_i].etag, THEN, THEN + if_range_cases[_i].age
	};
	struct conditions conditions;
	struct tine_field fields[4];

	read_fields(&conditions, if_range_cases[_i].fields, 6, fields);
	ck_assert_msg(conditions_want_range(&conditions, &validators) ==
	    if_range_cases[_i].wanted, "case %d", _i);
}
END_TEST

/* ------------------------------------------------------------------- types */

static const char some_types[] =
    "# a comment\n"
    "text/html\t\thtml htm shtml\n"
    "\n"
    "text/x-first   abc # other\n"
    "text/x-second abc def\r\n"
    "application/none\n"
    "not-a-type ghi\n"
    "/bad jkl\n"
    "bad/ jkl\n"
    "text/\001x jkl\n"
    "application/x-gzip gz\n"
    "text/x-upper UPP\n"
    "text/x-last last";

static const struct { const char *name, *type; } type_cases[] = {
	{ "a.html", "text/html" },
	{ "a.HTML", "text/html" },
	{ "d.ir/a.shtml", "text/html" },
	{ "a.abc", "text/x-first" },
	{ "a.def", "text/x-second" },
	{ "a.other", NULL },
	{ "a.ghi", NULL },
	{ "a.jkl", NULL },
	{ "a.upp", "text/x-upper" },
	{ "a.last", "text/x-last" },
	{ "a.png", "image/png" },
	{ "a.gz", "application/gzip" },
	{ "a.tar.gz", "application/gzip" },
	{ "a.Z", "application/octet-stream" },
	{ "a.bz2", "application/x-bzip2" },
	{ "a.xz", "application/x-xz" },
	{ "html", NULL },
	{ ".html", NULL },
	{ "a/.html", NULL },
	{ "a.html/b", NULL },
	{ "a.", NULL },
	{ "", NULL },
	{ "a.12345678901234567890123456789012345", NULL }
};

static void
check_type(const char *found, const char *wanted, const char *name)
{
	if (wanted == NULL)
		ck_assert_msg(found == NULL, "%s is %s", name, found);
	else
		ck_assert_msg(found != NULL && strcmp(found, wanted) == 0,
		    "%s is %s", name, found);
}

START_TEST(type_is_found)
{
	const size_t length = sizeof(some_types) - 1;
	char *copy = guarded(some_types, length);
	const char *name = type_cases[_i].name;
	struct types types;

	types_init(&types);
	ck_assert_int_eq(types_read(&types, copy, length), 0);
	check_type(types_find(&types, name), type_cases[_i].type, name);
	types_free(&types);
	check_type(types_find(&types, "a.html"), "text/html", "built in");
}
END_TEST

START_TEST(many_types_are_kept)
{
	struct types types;
	char text[64];

	types_init(&types);
	for (int i = 0; i < 2000; i++) {
		const int n = snprintf(text, sizeof(text),
		    "x/type%d ext%d\n", i, i);

		ck_assert_int_eq(types_read(&types, text, (size_t)n), 0);
	}
	for (int i = 0; i < 2000; i++) {
		char name[32];

		(void)snprintf(text, sizeof(text), "x/type%d", i);
		(void)snprintf(name, sizeof(name), "a.ext%d", i);
		check_type(types_find(&types, name), text, name);
	}
	types_free(&types);
	ck_assert_int_eq(types_load(&types, "/nonexistent"), -1);
}
END_TEST

/* ---------------------------------------------------------------- listings */

START_TEST(listing_is_made)
{
	char names[][32] = {
		"b", "A", "a", "C<script>", "d\"'&", "\303\251", "\377\n",
		"javascript:x", ".hidden", "dir", "link", "linkdir", "%41"
	};
	struct listing_entry entries[13];
	size_t length;
	char *page;

	for (size_t i = 0; i < 13; i++) {
		entries[i].name = names[i];
		entries[i].is_directory = strstr(names[i], "dir") != NULL;
		entries[i].is_link = strstr(names[i], "link") != NULL;
	}
	listing_sort(entries, 13);
	page = listing_page("/<&>/", entries, 13, &length);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(strlen(page), length);
	ck_assert_str_eq(page, "<!DOCTYPE HTML>\n"
	    "<html lang=\"en\">\n"
	    "<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<title>Directory listing for /&lt;&amp;&gt;/</title>\n"
	    "</head>\n"
	    "<body>\n"
	    "<h1>Directory listing for /&lt;&amp;&gt;/</h1>\n"
	    "<hr>\n"
	    "<ul>\n"
	    "<li><a href=\"%2541\">%41</a></li>\n"
	    "<li><a href=\".hidden\">.hidden</a></li>\n"
	    "<li><a href=\"A\">A</a></li>\n"
	    "<li><a href=\"a\">a</a></li>\n"
	    "<li><a href=\"b\">b</a></li>\n"
	    "<li><a href=\"C%3Cscript%3E\">C&lt;script&gt;</a></li>\n"
	    "<li><a href=\"d%22%27%26\">d\"'&amp;</a></li>\n"
	    "<li><a href=\"dir/\">dir/</a></li>\n"
	    "<li><a href=\"javascript%3Ax\">javascript:x</a></li>\n"
	    "<li><a href=\"link\">link@</a></li>\n"
	    "<li><a href=\"linkdir/\">linkdir@</a></li>\n"
	    "<li><a href=\"%C3%A9\">\303\251</a></li>\n"
	    "<li><a href=\"%FF%0A\">\377\n</a></li>\n"
	    "</ul>\n"
	    "<hr>\n"
	    "</body>\n"
	    "</html>\n");
	free(page);
}
END_TEST

Suite *
files_suite(void)
{
	Suite *suite = suite_create("files");
	TCase *tests = tcase_create("files");

#define LOOP(test, table) tcase_add_loop_test(tests, test, 0, \
	(int)(sizeof(table) / sizeof((table)[0])))
	LOOP(path_is_decoded, paths);
	tcase_add_test(tests, path_never_leaves);
	tcase_add_test(tests, path_is_encoded);
	LOOP(range_is_read, range_cases);
	tcase_add_test(tests, range_is_cut);
	LOOP(condition_is_judged, condition_cases);
	LOOP(if_range_is_judged, if_range_cases);
	LOOP(type_is_found, type_cases);
	tcase_add_test(tests, many_types_are_kept);
	tcase_add_test(tests, listing_is_made);
	suite_add_tcase(suite, tests);
	return suite;
}
