/* SPDX-License-Identifier: ISC */
/*
 * Users, passwords and credentials: the file of --auth-file and the field
 * Authorization.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/base64.h"
#include "../../lib/http/auth.h"
#include "../../lib/http/password.h"
#include "../../lib/tine.h"
#include "unit.h"

/* ----------------------------------------------------------------- base 64 */

static const struct {
	const char	*text, *bytes;	/* NULL: refused */
} base64s[] = {
	{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" },
	{ "Zm9vYg==", "foob" }, { "Zm9vYmE=", "fooba" },
	{ "Zm9vYmFy", "foobar" }, { "+/+/", "\xfb\xff\xbf" },
	{ "Zg", NULL }, { "Zg=", NULL }, { "Zg===", NULL }, { "Z", NULL },
	{ "Z===", NULL }, { "====", NULL }, { "=Zg=", NULL },
	{ "Zh==", NULL }, { "Zm9=", NULL }, { "Zm8=Zg==", NULL },
	{ "Zm9v ", NULL }, { " Zm9v", NULL }, { "Zm9v\r\n", NULL },
	{ "Zm-v", NULL }, { "Zm_v", NULL }, { "Zm9v=", NULL },
	{ "Zm\xc3\xa9", NULL },
};

START_TEST(base64_is_strict)
{
	const char *text = base64s[_i].text;
	const size_t length = strlen(text);
	char out[16];
	size_t made = 99;
	const bool is_good = base64_decode(guarded(text, length), length, out,
	    sizeof(out), &made);

	ck_assert_msg(is_good == (base64s[_i].bytes != NULL), "%s", text);
	if (!is_good)
		return;
	ck_assert_uint_eq(made, strlen(base64s[_i].bytes));
	ck_assert_mem_eq(out, base64s[_i].bytes, made);
	if (made > 0)
		ck_assert(!base64_decode(text, length, out, made - 1, &made));
}
END_TEST

/* ------------------------------------------------------------------ a file */

#define BCRYPT	"$2y$05$AOihZfI4yEFePdJoO2eXPOMG9kYoW7hhU4z7PvR71ODP1EL3Hrsq."
#define SHA5	"$5$ab$5ydlOaPxAq0VpamGFK.BZgHF7HlR0erJsH.F7VB19f0"
#define SHA6	"$6$rounds=5000$ab$jnZj29NS/hK2GaouP6AGMIBwD6owZFRejcn9QRdlwSj" \
		"ZaVr.fR9dH2TXrKL/PaacUXwtGfI.4O9zxvy2k6fbE1"
#define YES	"$y$j9T$abcdefghijklmnop$xxI14acrF4kcY59GsyqJ1DqdhVdc9N0f1." \
		"omTKnq.61"

static const struct {
	const char	*text;
	int		 count;		/* -1: refused */
	unsigned	 line;
} files[] = {
	{ "a:" BCRYPT "\n", 1, 0 }, { "a:" BCRYPT, 1, 0 },
	{ "a:" SHA5 "\n", 1, 0 }, { "a:" SHA6 "\n", 1, 0 },
	{ "a:" YES "\n", 1, 0 },
	{ "a:$2a$04$AOihZfI4yEFePdJoO2eXPOMG9kYoW7hhU4z7PvR71ODP1EL3Hrsq.",
	    1, 0 },
	{ "# all\n\n \t\nb:" BCRYPT "\n#\na:" SHA5 ":comment:x\n\n", 2, 0 },
	{ "Bob Smith:" BCRYPT "\nb\xc3\xb6rn:" BCRYPT "\nB:" BCRYPT
	    "\nb:" BCRYPT, 4, 0 },
	{ "", -1, 0 }, { "\n\n", -1, 0 }, { "# a:" BCRYPT, -1, 0 },
	{ "a", -1, 1 }, { "\n\na\n", -1, 3 }, { ":" BCRYPT, -1, 1 },
	{ "a:\n", -1, 1 }, { "a::" BCRYPT, -1, 1 },
	{ "b:" BCRYPT "\na:" BCRYPT "\nc:" BCRYPT "\na:" SHA5, -1, 4 },
	{ "a:" BCRYPT "\r\n", -1, 1 }, { "a\t:" BCRYPT, -1, 1 },
	{ "a: " BCRYPT, -1, 1 }, { "a:" BCRYPT " ", -1, 1 },
	{ "a:secret", -1, 1 }, { "a:rqXexS6ZhobKA", -1, 1 },
	{ "a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", -1, 1 },
	{ "a:$apr1$abcdefgh$abcdefghijklmnopqrstuv", -1, 1 },
	{ "a:$1$abcdefgh$abcdefghijklmnopqrstuv", -1, 1 },
	{ "a:$", -1, 1 }, { "a:$2", -1, 1 }, { "a:$2y", -1, 1 },
	{ "a:$2y$", -1, 1 }, { "a:$2y$05", -1, 1 }, { "a:$2y$05$x", -1, 1 },
	{ "a:$2x$05$AOihZfI4yEFePdJoO2eXPOMG9kYoW7hhU4z7PvR71ODP1EL3Hrsq.",
	    -1, 1 },
	{ "a:$2y$03$AOihZfI4yEFePdJoO2eXPOMG9kYoW7hhU4z7PvR71ODP1EL3Hrsq.",
	    -1, 1 },
	{ "a:$2y$32$AOihZfI4yEFePdJoO2eXPOMG9kYoW7hhU4z7PvR71ODP1EL3Hrsq.",
	    -1, 1 },
	{ "a:" BCRYPT "x", -1, 1 }, { "a:" SHA5 "x", -1, 1 },
	{ "a:" SHA6 "x", -1, 1 }, { "a:" YES "x", -1, 1 },
	{ "a:$5$", -1, 1 }, { "a:$5$ab", -1, 1 }, { "a:$5$ab$", -1, 1 },
	{ "a:$5$rounds=999$ab$5ydlOaPxAq0VpamGFK.BZgHF7HlR0erJsH.F7VB19f0",
	    -1, 1 },
	{ "a:$5$rounds=05000$ab$5ydlOaPxAq0VpamGFK.BZgHF7HlR0erJsH.F7VB19f0",
	    -1, 1 },
	{ "a:$5$12345678901234567$"
	    "5ydlOaPxAq0VpamGFK.BZgHF7HlR0erJsH.F7VB19f0", -1, 1 },
	{ "a:$y$", -1, 1 }, { "a:$y$j9T", -1, 1 }, { "a:$y$j9T$ab$", -1, 1 },
	{ "a:$y$$$xxI14acrF4kcY59GsyqJ1DqdhVdc9N0f1.omTKnq.61", -1, 1 },
	{ "a:*0", -1, 1 }, { "a:!" BCRYPT, -1, 1 },
};

START_TEST(file_of_users_is_read)
{
	struct users users = { .count = 0 };
	char *text = strdup(files[_i].text);
	const char *why = NULL;
	unsigned line = 99;
	int result;

	ck_assert_ptr_nonnull(text);
	result = users_parse(&users, text, strlen(text), &line, &why);
	if (files[_i].count == -1) {
		ck_assert_msg(result == -1, "%s", files[_i].text);
		ck_assert_uint_eq(line, files[_i].line);
		ck_assert_ptr_nonnull(why);
	} else {
		ck_assert_msg(result == 0, "%s: %s", files[_i].text, why);
		ck_assert_int_eq((int)users.count, files[_i].count);
	}
	free(users.list);
	free(text);
}
END_TEST

/* A good file's users; the caller frees the text that is returned. */
static char *
parse_good(struct users *users, const char *file)
{
	char *text = strdup(file);
	const char *why;
	unsigned line;

	ck_assert_ptr_nonnull(text);
	*users = (struct users){ .count = 0 };
	ck_assert_int_eq(users_parse(users, text, strlen(text), &line, &why),
	    0);
	return text;
}

START_TEST(user_is_found)
{
	static const char file[] = "bob:" BCRYPT "\nbo:" SHA5 "\nal:" YES
	    "\nzoe:" SHA6 "\n";
	struct users users;
	char *text = parse_good(&users, file);

	ck_assert_str_eq(users_find(&users, "bob", 3)->hash, BCRYPT);
	ck_assert_str_eq(users_find(&users, "bobby", 2)->hash, SHA5);
	ck_assert_str_eq(users_find(&users, "al", 2)->hash, YES);
	ck_assert_str_eq(users_find(&users, "zoe", 3)->hash, SHA6);
	ck_assert_ptr_null(users_find(&users, "", 0));
	ck_assert_ptr_null(users_find(&users, "b", 1));
	ck_assert_ptr_null(users_find(&users, "bobb", 4));
	ck_assert_ptr_null(users_find(&users, "Bob", 3));
	ck_assert_ptr_null(users_find(&users, "zz", 2));
	ck_assert_ptr_null(users_find(&users, "bo\0", 3));
	free(users.list);
	free(text);
}
END_TEST

START_TEST(name_is_bounded)
{
	char text[400];
	struct users users = { .count = 0 };
	const char *why;
	unsigned line;

	for (size_t length = 255; length <= 256; length++) {
		memset(text, 'n', length);
		(void)strcpy(text + length, ":" BCRYPT);
		ck_assert_int_eq(users_parse(&users, text, strlen(text),
		    &line, &why), length == 255 ? 0 : -1);
	}
	free(users.list);
}
END_TEST

/* ------------------------------------------------------------ the passwords */

/* Each scheme; the names are in the order of the list. */
START_TEST(password_is_checked)
{
	static const char file[] = "a:" BCRYPT "\nb:" SHA5 "\nc:" SHA6 "\nd:"
	    YES "\n";
	static const char *const passwords[] = { "p", "x", "x", "x" };
	struct users users;
	char *text = parse_good(&users, file);

	ck_assert_msg(password_open() == 0, "%s", tine_error());
	for (size_t i = 0; i < 4; i++) {
		const struct user *user = &users.list[i];

		ck_assert_msg(users_check(&users, user, user->name,
		    passwords[i]), "%s", user->name);
		ck_assert(!users_check(&users, user, user->name, ""));
		ck_assert(!users_check(&users, user, user->name, "wrong"));
		ck_assert(!users_check(&users, NULL, "e", passwords[i]));
	}
	free(users.list);
	free(text);
}
END_TEST

START_TEST(credentials_are_remembered)
{
	static struct users users;
	struct user one = { .name = "a" }, other = { .name = "b" };
	unsigned char a[USER_DIGEST], b[USER_DIGEST], again[USER_DIGEST];

	(void)pthread_mutex_init(&users.lock, NULL);
	users_digest(&users, "one", 3, a);
	users_digest(&users, "other", 5, b);
	ck_assert_ptr_null(users_known(&users, a));
	users_remember(&users, &one, a);
	ck_assert_ptr_eq(users_known(&users, a), &one);
	ck_assert_ptr_null(users_known(&users, b));
	/* What falls on the same place takes it. */
	b[0] = a[0];
	ck_assert_ptr_null(users_known(&users, b));
	users_remember(&users, &other, b);
	ck_assert_ptr_eq(users_known(&users, b), &other);
	ck_assert_ptr_null(users_known(&users, a));
	users.key[0] = 1;
	users_digest(&users, "one", 3, again);
	ck_assert_int_ne(memcmp(a, again, USER_DIGEST), 0);
	(void)pthread_mutex_destroy(&users.lock);
}
END_TEST

/* --------------------------------------------------------------- the field */

static const struct {
	const char	*value, *name, *password;	/* NULL: none */
} fields[] = {
	{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame" },
	{ "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame" },
	{ "BASIC   YTpi", "a", "b" }, { "Basic YTo=", "a", "" },
	{ "Basic YTpiOmM=", "a", "b:c" }, { "Basic dGVzdDoxMjPCow==", "test",
	    "123\xc2\xa3" },
	{ "Basic OmI=", "", "b" },
	{ "", NULL, NULL }, { "Basic", NULL, NULL }, { "Basic ", NULL, NULL },
	{ "BasicYTpi", NULL, NULL }, { "Basic\tYTpi", NULL, NULL },
	{ " Basic YTpi", NULL, NULL }, { "Basic YTpi ", NULL, NULL },
	{ "Basic YTpi, Basic YTpi", NULL, NULL },
	{ "Basic YWI=", NULL, NULL },	/* no colon */
	{ "Basic YTo", NULL, NULL }, { "Basic YTp=", NULL, NULL },
	{ "Basic YQA6Yg==", NULL, NULL },	/* NUL in the name */
	{ "Basic YTpiAA==", NULL, NULL }, { "Basic YTpiCg==", NULL, NULL },
	{ "Bearer YTpi", NULL, NULL }, { "Digest YTpi", NULL, NULL },
	{ "Basi YTpi", NULL, NULL }, { "Basics YTpi", NULL, NULL },
};

START_TEST(credentials_are_read)
{
	const char *value = fields[_i].value;
	const size_t length = strlen(value);
	struct credentials credentials;
	const bool is_good = auth_read(&credentials, guarded(value, length),
	    length);

	ck_assert_msg(is_good == (fields[_i].name != NULL), "%s", value);
	if (!is_good)
		return;
	ck_assert_str_eq(credentials.text, fields[_i].name);
	ck_assert_uint_eq(credentials.name_length, strlen(fields[_i].name));
	ck_assert_str_eq(credentials.password, fields[_i].password);
}
END_TEST

/* "YWFh" is "aaa", "OmFh" ":aa": how long may both be? */
START_TEST(credentials_are_bounded)
{
	static const struct { size_t before, behind; bool is_good; } cases[] = {
		{ 85, 340, true },	/* 255 and 1022 */
		{ 86, 1, false },	/* 258 */
		{ 1, 341, false },	/* 1025 */
		{ 85, 3000, false }
	};

	for (size_t i = 0; i < 4; i++) {
		static char value[20000];
		struct credentials credentials;
		size_t n = 6;

		memcpy(value, "Basic ", n);
		for (size_t k = 0; k < cases[i].before; k++, n += 4)
			memcpy(value + n, "YWFh", 4);
		memcpy(value + n, "OmFh", 4);
		n += 4;
		for (size_t k = 0; k < cases[i].behind; k++, n += 4)
			memcpy(value + n, "YWFh", 4);
		ck_assert_int_eq(auth_read(&credentials, value, n),
		    cases[i].is_good);
	}
}
END_TEST

Suite *
users_suite(void)
{
	Suite *suite = suite_create("users");
	TCase *tests = tcase_create("users");

#define LOOP(test, table) tcase_add_loop_test(tests, test, 0, \
	(int)(sizeof(table) / sizeof((table)[0])))
	LOOP(base64_is_strict, base64s);
	LOOP(file_of_users_is_read, files);
	tcase_add_test(tests, user_is_found);
	tcase_add_test(tests, name_is_bounded);
	tcase_add_test(tests, password_is_checked);
	tcase_add_test(tests, credentials_are_remembered);
	LOOP(credentials_are_read, fields);
	tcase_add_test(tests, credentials_are_bounded);
	suite_add_tcase(suite, tests);
	return suite;
}
