/* SPDX-License-Identifier: ISC */
/*
 * Parameters of header fields, and what a part's headers say of its field.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/form/form_part.h"
#include "../../lib/form/header_parameters.h"
#include "form_test.h"

/* "word|name=value|...", or "...|BAD". */
static const struct {
	const char	*value;
	const char	*trace;
} values[] = {
	{ "", "" },
	{ "text/plain", "text/plain" },
	{ " text/plain ", " text/plain" },
	{ "text/plain;", "text/plain" },
	{ "text/plain ; ; charset=utf-8 ", "text/plain|charset=utf-8" },
	{ "a; b; c=d; e", "a|c=d" },
	{ "a;b=", "a|b=" },
	{ "a;=b", "a|=b" },
	{ "a; b = c ; D=\"e\" ", "a|b=c|D=e" },
	{ "a; b=\"\"", "a|b=" },
	{ "a; b=\"x;y=z\"; c=d", "a|b=x;y=z|c=d" },
	{ "a; b=x\"y", "a|b=x\"y" },
	/* Quotes inside quotes, as curl, Firefox and Chrome write them. */
	{ "a; b=\"x\\\"y\"", "a|b=x\"y" },
	{ "a; b=\"x\\\\y\"", "a|b=x\\y" },
	{ "a; b=\"x%22y\"", "a|b=x%22y" },
	{ "a; b=\"C:\\dir\\x\"", "a|b=C:\\dir\\x" },
	/* A backslash at the end, which browsers do not escape. */
	{ "a; b=\"C:\\dir\\\"", "a|b=C:\\dir\\" },
	{ "a; b=\"\\\"", "a|b=\\" },
	{ "a; b=\"\\\\\"", "a|b=\\" },
	{ "a; b=\"\\\"\"", "a|b=\"" },
	{ "a; b=\"\\a\\", "a|BAD" },
	/* Malformed. */
	{ "a; b=\"", "a|BAD" },
	{ "a; b=\"x", "a|BAD" },
	{ "a; b=\"x\"y", "a|BAD" },
	{ "a; b=\"x\"; c=\"y", "a|b=x|BAD" },
	{ "a; b=\"x\"y; c=d", "a|BAD" },
};

static void
trace_value(struct trace *trace, const char *value)
{
	struct header_parameters all;
	struct header_parameter parameter;
	enum header_result result;
	char text[256];

	header_parameters_init(&all, value);
	trace_add(trace, all.word, all.word_length);
	while ((result = header_parameters_next(&all, &parameter)) ==
	    HEADER_PARAMETER) {
		trace_add(trace, "|", 1);
		trace_add(trace, parameter.name, parameter.name_length);
		trace_add(trace, "=", 1);
		trace_add(trace, text, header_parameter_text(&parameter, text));
	}
	if (result == HEADER_BAD)
		trace_add(trace, "|BAD", 4);
}

START_TEST(takes_values_apart)
{
	struct trace trace = { .length = 0 };
	const char *value = values[_i].value;
	const size_t size = strlen(value) + 1;

	trace_add(&trace, "", 0);
	trace_value(&trace, at_the_edge(value, size));
	ck_assert_str_eq(trace.text, values[_i].trace);
}
END_TEST

static struct header_parameter
parameter_of(const char *value)
{
	return (struct header_parameter){
		.name = "x", .name_length = 1,
		.value = value, .length = strlen(value)
	};
}

START_TEST(form_names_know_three_escapes)
{
	char out[64];
	struct header_parameter parameter =
	    parameter_of("a%22b%0d%0Ac%41%%2%zz%0");

	ck_assert_uint_eq(header_parameter_form(&parameter, out), 17);
	ck_assert_str_eq(out, "a\"b\r\nc%41%%2%zz%0");
}
END_TEST

/* NULL: it is not read. */
static const struct {
	const char	*value;
	const char	*text;
} extended[] = {
	{ "UTF-8''%e2%82%ac%20rates", "\xe2\x82\xac rates" },
	{ "utf-8'en'na%C3%AFve.txt", "na\xc3\xafve.txt" },
	{ "iso-8859-1'en'%A3%20rates", "\xc2\xa3 rates" },
	{ "ISO-8859-1''%ff%e9a", "\xc3\xbf\xc3\xa9" "a" },
	{ "UTF-8''", "" },
	{ "UTF-8'''", "'" },
	{ "UTF-8''%2", NULL },
	{ "UTF-8''%", NULL },
	{ "UTF-8''%zz", NULL },
	{ "UTF-8''a%00b", NULL },
	{ "UTF-8''a%0ab", NULL },
	{ "UTF-8''\xc3\xa9", NULL },
	{ "ISO-8859-1''\xe9", NULL },
	{ "koi8-r''%c1", NULL },
	{ "UTF-8'a", NULL },
	{ "UTF-8", NULL },
	{ "''a", NULL },
	{ "", NULL },
};

START_TEST(reads_extended_values)
{
	const struct header_parameter parameter =
	    parameter_of(extended[_i].value);
	char *out = malloc(parameter.length + 1);
	size_t length;
	const bool is_read = header_parameter_extended(&parameter, out,
	    &length);

	ck_assert_int_eq(is_read, extended[_i].text != NULL);
	if (is_read) {
		ck_assert_str_eq(out, extended[_i].text);
		ck_assert_uint_eq(length, strlen(out));
	}
	free(out);
}
END_TEST

Suite *
form_parameters_suite(void)
{
	Suite *suite = suite_create("form/parameters");
	TCase *cases = tcase_create("all");

	tcase_add_loop_test(cases, takes_values_apart, 0,
	    sizeof(values) / sizeof(values[0]));
	tcase_add_test(cases, form_names_know_three_escapes);
	tcase_add_loop_test(cases, reads_extended_values, 0,
	    sizeof(extended) / sizeof(extended[0]));
	suite_add_tcase(suite, cases);
	return suite;
}

/* ----------------------------------------------------------------- parts */

/* name, file name, safe name, or why it is bad. */
static const struct {
	const char	*disposition;
	const char	*name;
	const char	*filename;
	const char	*safe_name;
} parts[] = {
	{ "form-data; name=\"a\"", "a", NULL, NULL },
	{ "Form-Data; NAME=a", "a", NULL, NULL },
	{ "form-data; name=\"\"", "", NULL, NULL },
	{ "form-data; name=\"a b\"; filename=\"x.png\"", "a b", "x.png",
	    "x.png" },
	{ "form-data; filename=x; name=a", "a", "x", "x" },
	{ "form-data; name=a; filename=\"\"", "a", "", "" },
	{ "form-data; name=\"a%22b\"; filename=\"x%22y\\\"z\"", "a\"b",
	    "x\"y\"z", "x\"y\"z" },
	{ "form-data; name=a; filename=\"C:\\dir\\x.txt\"", "a",
	    "C:\\dir\\x.txt", "x.txt" },
	{ "form-data; name=a; filename=\"../../etc/passwd\"", "a",
	    "../../etc/passwd", "passwd" },
	{ "form-data; name=a; filename=\"..\"", "a", "..", "" },
	{ "form-data; name=a; filename=\"dir/\"", "a", "dir/", "" },
	{ "form-data; name=a; filename=\".. .htaccess\"", "a",
	    ".. .htaccess", "htaccess" },
	{ "form-data; name=a; filename=\"x%0d%0ay\"", "a", "x\r\ny", "xy" },
	{ "form-data; name=a; filename=\"\xc3\xa9\"", "a", "\xc3\xa9",
	    "\xc3\xa9" },
	{ "form-data; name=a; filename=x; filename*=UTF-8''%c3%a9", "a",
	    "\xc3\xa9", "\xc3\xa9" },
	{ "form-data; name=a; filename*=UTF-8''%c3%a9; filename=x", "a",
	    "\xc3\xa9", "\xc3\xa9" },
	{ "form-data; name=a; filename*=UTF-8''..%2fy", "a", "../y", "y" },
	{ "form-data; name=a; filename*=koi8-r''%c1; filename=x", "a", "x",
	    "x" },
	{ "form-data; name=a; filename*=koi8-r''%c1", "a", NULL, NULL },
	{ "form-data; name=a; size=3", "a", NULL, NULL },
	/* Malformed. */
	{ "form-data", NULL, "a part has no name", NULL },
	{ "form-data; filename=x", NULL, "a part has no name", NULL },
	{ "attachment; name=a", NULL, "a part is not form-data", NULL },
	{ "form-data; name=a; name=a", NULL, "a part has two names", NULL },
	{ "form-data; name=a; filename=x; filename=y", NULL,
	    "a part has two names", NULL },
	{ "form-data; name=a; filename*=UTF-8''x; filename*=UTF-8''y", NULL,
	    "a part has two names", NULL },
	{ "form-data; name=\"a", NULL,
	    "the quotes of a Content-Disposition do not match", NULL },
	{ NULL, NULL, "a part has no Content-Disposition", NULL },
};

static void
check_text(const char *text, const char *expected)
{
	if (expected == NULL)
		ck_assert_ptr_null(text);
	else
		ck_assert_str_eq(text, expected);
}

START_TEST(describes_parts)
{
	const struct tine_field headers[] = {
		{ "X-Other", "1" },
		{ parts[_i].disposition != NULL ? "content-Disposition" : NULL,
		    parts[_i].disposition },
		{ NULL, NULL }
	};
	struct tine_form_field field = { .headers = headers };
	_Alignas(ARENA_ALIGNMENT) char memory[64];
	struct arena arena;
	const char *why;
	enum form_part_result result;

	arena_init(&arena, memory, sizeof(memory));
	result = form_part_describe(&field, &arena, &why);
	if (parts[_i].name == NULL) {
		ck_assert_int_eq(result, FORM_PART_BAD);
		ck_assert_str_eq(why, parts[_i].filename);
	} else {
		ck_assert_int_eq(result, FORM_PART_GOOD);
		ck_assert_str_eq(field.name, parts[_i].name);
		ck_assert_uint_eq(field.name_length, strlen(field.name));
		check_text(field.filename, parts[_i].filename);
		check_text(field.safe_name, parts[_i].safe_name);
		ck_assert_str_eq(field.type, "text/plain");
		ck_assert_ptr_null(field.charset);
	}
	arena_reset(&arena);
}
END_TEST

static const struct {
	const char	*value;
	const char	*type;
	const char	*charset;
} types[] = {
	{ "image/png", "image/png", NULL },
	{ "Text/HTML; Charset=\"UTF-8\"", "text/html", "UTF-8" },
	{ "text/x; a=b; charset=koi8-r", "text/x", "koi8-r" },
	{ "", "text/plain", NULL },
	{ ";charset=x", "text/plain", "x" },
	{ "text/x; a=\"; charset=x", "text/x", NULL },
};

START_TEST(describes_types)
{
	const struct tine_field headers[] = {
		{ "Content-Type", types[_i].value },
		{ "Content-Disposition", "form-data; name=a" },
		{ NULL, NULL }
	};
	struct tine_form_field field = { .headers = headers };
	_Alignas(ARENA_ALIGNMENT) char memory[64];
	struct arena arena;
	const char *why;

	arena_init(&arena, memory, sizeof(memory));
	ck_assert_int_eq(form_part_describe(&field, &arena, &why),
	    FORM_PART_GOOD);
	ck_assert_str_eq(field.type, types[_i].type);
	check_text(field.charset, types[_i].charset);
	arena_reset(&arena);
}
END_TEST

START_TEST(refuses_two_dispositions)
{
	const struct tine_field headers[] = {
		{ "Content-Disposition", "form-data; name=a" },
		{ "content-disposition", "form-data; name=b" },
		{ NULL, NULL }
	};
	struct tine_form_field field = { .headers = headers };
	_Alignas(ARENA_ALIGNMENT) char memory[64];
	struct arena arena;
	const char *why;

	arena_init(&arena, memory, sizeof(memory));
	ck_assert_int_eq(form_part_describe(&field, &arena, &why),
	    FORM_PART_BAD);
	ck_assert_str_eq(why, "a part has two Content-Dispositions");
	arena_reset(&arena);
}
END_TEST

/* A name of length bytes is cut to a whole number of characters. */
START_TEST(safe_names_are_bounded)
{
	char name[400], out[FORM_SAFE_NAME + 1];

	for (size_t length = 253; length < 260; length++) {
		memset(name, 'a', length);
		name[length] = '\0';
		ck_assert_uint_eq(form_part_safe_name(out, name),
		    length < 255 ? length : 255);

		memcpy(name + length, "\xe2\x82\xac", 4);
		ck_assert_uint_eq(form_part_safe_name(out, name),
		    length < 253 ? length + 3 : length > 255 ? 255 :
		    length == 253 ? 253 : length);
		ck_assert_uint_eq(strlen(out), form_part_safe_name(out, name));
	}
	memset(name, 'a', 252);
	memcpy(name + 252, "\xe2\x82\xac", 4);
	ck_assert_uint_eq(form_part_safe_name(out, name), 255);
}
END_TEST

Suite *
form_part_suite(void)
{
	Suite *suite = suite_create("form/part");
	TCase *cases = tcase_create("all");

	tcase_add_loop_test(cases, describes_parts, 0,
	    sizeof(parts) / sizeof(parts[0]));
	tcase_add_loop_test(cases, describes_types, 0,
	    sizeof(types) / sizeof(types[0]));
	tcase_add_test(cases, refuses_two_dispositions);
	tcase_add_test(cases, safe_names_are_bounded);
	suite_add_tcase(suite, cases);
	return suite;
}
