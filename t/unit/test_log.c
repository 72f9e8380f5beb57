/* SPDX-License-Identifier: ISC */
/*
 * A client's bytes in a message: never more than there is room for.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/http/http.h"
#include "unit.h"

/* Every size, every length; what lies behind the room stays as it was. */
START_TEST(quoted_text_fits)
{
	static const char *const texts[] = {
		"plain text that is long enough to be cut somewhere",
		"\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12",
		"'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'\\'",
		"a\x01'\xff" "bc\\d\x7f" "efg\xfe" "hijkl'm"
	};
	const char *text = texts[_i];
	char out[64];

	for (size_t size = 16; size <= 48; size++) {
		for (size_t length = 0; length <= strlen(text); length++) {
			memset(out, '#', sizeof(out));
			log_quote(out, size, text, length);
			ck_assert_uint_lt(strlen(out), size);
			ck_assert_int_eq(out[strlen(out) - 1], out[0]);
			ck_assert_int_eq(out[size], '#');
		}
	}
}
END_TEST

/* The quotes are those of Python's repr(). */
START_TEST(quotes_are_pythons)
{
	static const struct {
		const char	*text, *quoted;
	} cases[] = {
		{ "", "''" }, { "G", "'G'" }, { "G'", "\"G'\"" },
		{ "G\"", "'G\"'" }, { "'\"", "'\\'\"'" },
		{ "a\\b", "'a\\\\b'" }, { "\x1b\xe9", "'\\x1b\\xe9'" }
	};
	char out[64];

	log_quote(out, sizeof(out), cases[_i].text, strlen(cases[_i].text));
	ck_assert_str_eq(out, cases[_i].quoted);
}
END_TEST

Suite *
log_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tests = tcase_create("log");

	tcase_add_loop_test(tests, quoted_text_fits, 0, 4);
	tcase_add_loop_test(tests, quotes_are_pythons, 0, 7);
	suite_add_tcase(suite, tests);
	return suite;
}
