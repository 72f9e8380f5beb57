/* SPDX-License-Identifier: ISC */
/*
 * Forms as a handler sees them, on a request without a server: every kind of
 * body, in pieces of every size, and each limit at n - 1, n and n + 1.
 */
#include <sys/resource.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "form_test.h"

#define MULTIPART	"multipart/form-data; boundary=AaB"
#define URLENCODED	"application/x-www-form-urlencoded"

/* A part, without the boundary. */
#define VALUE(name, value) \
	"Content-Disposition: form-data; name=\"" name "\"\r\n\r\n" value
#define UPLOAD(name, file, value) \
	"Content-Disposition: form-data; name=\"" name "\"; filename=\"" \
	file "\"\r\nContent-Type: image/png\r\n\r\n" value
#define FIRST	"--AaB\r\n"
#define NEXT	"\r\n--AaB\r\n"
#define LAST	"\r\n--AaB--\r\n"

static size_t descriptors;
static char spool_dir[] = "/tmp/tine-form.XXXXXX";

static void
set_up(void)
{
	strcpy(spool_dir + strlen(spool_dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(spool_dir));
	ck_assert_int_eq(setenv("TMPDIR", spool_dir, 1), 0);
	descriptors = count_descriptors();
}

/* Nothing is left behind, whatever happened. */
static void
tear_down(void)
{
	ck_assert_uint_eq(count_descriptors(), descriptors);
	ck_assert_int_eq(rmdir(spool_dir), 0);
}

static void
trace_text(struct trace *trace, const char *text)
{
	trace_add(trace, text, strlen(text));
}

/* A field's name, file name and type. */
static void
trace_head(struct trace *trace, const struct tine_form_field *field)
{
	trace_add(trace, field->name, field->name_length);
	if (field->filename != NULL) {
		trace_text(trace, "@");
		trace_text(trace, field->filename);
	}
	if (field->type != NULL && strcmp(field->type, "text/plain") != 0) {
		trace_text(trace, "(");
		trace_text(trace, field->type);
		trace_text(trace, ")");
	}
	trace_text(trace, "=");
}

static void
trace_field(struct trace *trace, const struct tine_form_field *field)
{
	size_t length;
	const char *data = tine_form_data(field, &length);

	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq((off_t)length, field->length);
	ck_assert_int_eq(data[length], '\0');
	ck_assert_int_eq(field->name[field->name_length], '\0');
	trace_head(trace, field);
	trace_add(trace, data, length);
	trace_text(trace, ";");
}

static void
trace_form(struct trace *trace, const struct tine_form *form)
{
	trace->length = 0;
	trace->text[0] = '\0';
	for (size_t i = 0; i < tine_form_count(form); i++)
		trace_field(trace, tine_form_field(form, i));
	ck_assert_ptr_null(tine_form_field(form, tine_form_count(form)));
}

/* The streaming form, as the same text. */
static int
stream_begin(void *argument, const struct tine_form_field *field)
{
	struct trace *trace = argument;

	ck_assert_int_eq(field->length, 0);
	ck_assert_ptr_null(field->value);
	trace_head(trace, field);
	return 0;
}

static int
stream_data(void *argument, const struct tine_form_field *field,
    const void *data, size_t length)
{
	ck_assert_uint_gt(length, 0);
	ck_assert_int_ge(field->length, (off_t)length);
	trace_add(argument, data, length);
	return 0;
}

static int
stream_end(void *argument, const struct tine_form_field *field)
{
	ck_assert_ptr_nonnull(field->name);
	trace_text(argument, ";");
	return 0;
}

static const struct tine_form_reader stream = {
	stream_begin, stream_data, stream_end
};

/* ------------------------------------------------------ bodies of all kinds */

static const struct {
	const char	*type;
	const char	*query;
	unsigned	 flags;
	const char	*body;
	size_t		 length;
	const char	*trace;
} forms[] = {
	{ URLENCODED, "", 0, BYTES("name=dhellmann&foo=bar"),
	    "name=dhellmann;foo=bar;" },
	{ NULL, "", 0, BYTES("a=1"), "a=1;" },
	{ "Application/X-WWW-Form-Urlencoded ; charset=utf-8", "", 0,
	    BYTES("a=1"), "a=1;" },
	{ URLENCODED, "", 0, BYTES(""), "" },
	{ URLENCODED, "q=1", 0, BYTES("a=1"), "a=1;" },
	{ URLENCODED, "q=1", TINE_FORM_QUERY, BYTES("a=1"), "a=1;q=1;" },
	{ URLENCODED, "", TINE_FORM_QUERY | TINE_FORM_STRICT, BYTES("a=1"),
	    "a=1;" },
	{ URLENCODED, "", 0, BYTES("a=&b&c=1&=d"), "c=1;=d;" },
	{ URLENCODED, "", TINE_FORM_KEEP_BLANK, BYTES("a=&b&c=1&="),
	    "a=;b=;c=1;=;" },
	{ URLENCODED, "", 0, BYTES("a=1&b=%26%zz+&a=2"), "a=1;b=&%zz ;a=2;" },
	{ MULTIPART, "", 0, BYTES("--AaB--\r\n"), "" },
	{ MULTIPART, "", 0, BYTES(FIRST VALUE("name", "dhellmann")
	    NEXT VALUE("foo", "bar") NEXT UPLOAD("datafile", "a.png",
	    "\r\n--Aa\r\n") LAST),
	    "name=dhellmann;foo=bar;datafile@a.png(image/png)=\r\n--Aa\r\n;" },
	{ "Multipart/Form-Data; charset=x; Boundary=\"AaB\"", "", 0,
	    BYTES(FIRST VALUE("a", "1") LAST), "a=1;" },
	{ MULTIPART, "q=1", TINE_FORM_QUERY, BYTES(FIRST VALUE("a", "1") LAST),
	    "a=1;q=1;" },
	/* Empty values of parts are kept; so is a file that was not chosen. */
	{ MULTIPART, "", 0, BYTES(FIRST VALUE("a", "") NEXT UPLOAD("b", "", "")
	    NEXT UPLOAD("c", "x", "") LAST),
	    "a=;b@(image/png)=;c@x(image/png)=;" },
	/* As browsers send names that need quoting. */
	{ MULTIPART, "", 0, BYTES(FIRST UPLOAD("a%22b", "C:\\x%0A\xc3\xa9",
	    "1") LAST), "a\"b@C:\\x\n\xc3\xa9(image/png)=1;" },
	/* A part that is multipart itself stays as it is. */
	{ MULTIPART, "", 0, BYTES(FIRST
	    "Content-Disposition: form-data; name=a\r\n"
	    "Content-Type: multipart/mixed; boundary=XyZ\r\n\r\n"
	    "--XyZ\r\n\r\n1\r\n--XyZ--\r\n" LAST),
	    "a(multipart/mixed)=--XyZ\r\n\r\n1\r\n--XyZ--\r\n;" },
};

static void
init_form(struct fake *fake, int i)
{
	fake_init(fake, forms[i].type, forms[i].body, forms[i].length);
	fake->req.query = forms[i].query;
}

START_TEST(parses_forms)
{
	const struct tine_form_limits limits = { .flags = forms[_i].flags };
	static struct trace trace;
	struct fake fake;

	for (size_t piece = 0; piece <= forms[_i].length; piece++) {
		struct tine_form *form;

		init_form(&fake, _i);
		fake.piece = piece;
		form = tine_form_parse(&fake.req, &limits);
		ck_assert_msg(form != NULL, "%s", tine_error());
		trace_form(&trace, form);
		ck_assert_str_eq(trace.text, forms[_i].trace);
		fake_end(&fake);

		init_form(&fake, _i);
		fake.piece = piece;
		trace.length = 0;
		trace.text[0] = '\0';
		ck_assert_int_eq(tine_form_read(&fake.req, &limits, &stream,
		    &trace), 0);
		ck_assert_str_eq(trace.text, forms[_i].trace);
		fake_end(&fake);
	}
}
END_TEST

/* The client goes away after each byte. */
START_TEST(ends_in_the_middle)
{
	struct fake fake;

	for (size_t i = 1; i < forms[_i].length; i++) {
		init_form(&fake, _i);
		fake.fail_at = i;
		fake.piece = 1;
		if (tine_form_parse(&fake.req, NULL) != NULL) {
			/* All but the epilogue was there. */
			ck_assert_uint_ge(i, forms[_i].length - 2);
			fake_end(&fake);
			continue;
		}
		ck_assert_int_eq(errno, ECONNRESET);
		ck_assert_int_eq(tine_form_send_error(&fake.req), 0);
		ck_assert_int_eq(fake.status, 400);
		fake_end(&fake);
	}
}
END_TEST

START_TEST(get_has_its_query)
{
	static struct trace trace;
	struct fake fake;
	struct tine_form *form;

	fake_get(&fake, "foo=bar&a=%00");
	form = tine_form_parse(&fake.req, NULL);
	ck_assert_ptr_nonnull(form);
	trace_form(&trace, form);
	ck_assert_mem_eq(trace.text, "foo=bar;a=\0;", 12);
	ck_assert_int_eq(tine_form_field(form, 1)->length, 1);
	fake_end(&fake);

	fake_get(&fake, "");
	fake.req.command = "HEAD";
	form = tine_form_parse(&fake.req, NULL);
	ck_assert_ptr_nonnull(form);
	ck_assert_uint_eq(tine_form_count(form), 0);
	ck_assert_ptr_null(tine_form_first(form, "a"));
	ck_assert_ptr_null(tine_form_key(form, 0));
	ck_assert_ptr_null(tine_form_value(form, "a"));
	fake_end(&fake);
}
END_TEST

START_TEST(finds_fields)
{
	struct fake fake;
	struct tine_form *form;
	const struct tine_form_field *field;

	fake_get(&fake, "b=1&a=2&b=3&cc=4&b=5&a%00=6&=7&B=8");
	form = tine_form_parse(&fake.req, NULL);
	ck_assert_ptr_nonnull(form);
	ck_assert_uint_eq(tine_form_count(form), 8);

	field = tine_form_first(form, "b");
	ck_assert_str_eq(field->value, "1");
	field = tine_form_next(field);
	ck_assert_str_eq(field->value, "3");
	field = tine_form_next(field);
	ck_assert_str_eq(field->value, "5");
	ck_assert_ptr_null(tine_form_next(field));

	ck_assert_str_eq(tine_form_value(form, "a"), "2");
	ck_assert_ptr_null(tine_form_next(tine_form_first(form, "a")));
	ck_assert_str_eq(tine_form_value(form, "cc"), "4");
	ck_assert_str_eq(tine_form_value(form, ""), "7");
	ck_assert_str_eq(tine_form_value(form, "B"), "8");
	ck_assert_ptr_null(tine_form_first(form, "c"));
	ck_assert_ptr_null(tine_form_first(form, "zzz"));

	/* Names in the order of their first appearance. */
	ck_assert_str_eq(tine_form_key(form, 0)->value, "1");
	ck_assert_str_eq(tine_form_key(form, 1)->value, "2");
	ck_assert_str_eq(tine_form_key(form, 2)->value, "4");
	ck_assert_str_eq(tine_form_key(form, 3)->value, "6");
	ck_assert_uint_eq(tine_form_key(form, 3)->name_length, 2);
	ck_assert_str_eq(tine_form_key(form, 4)->value, "7");
	ck_assert_str_eq(tine_form_key(form, 5)->value, "8");
	ck_assert_ptr_null(tine_form_key(form, 6));
	fake_end(&fake);
}
END_TEST

START_TEST(tells_what_a_part_says)
{
	static const char body[] = FIRST
	    "content-disposition: form-data; name=a; filename=\"d/.x\"\r\n"
	    "Content-Type: Text/HTML; charset=koi8-r\r\n"
	    "X-Own: 1\r\n\r\n1" NEXT VALUE("b", "2") LAST;
	const struct tine_form_field *field;
	struct fake fake;
	struct tine_form *form;

	fake_init(&fake, MULTIPART, BYTES(body));
	form = tine_form_parse(&fake.req, NULL);
	ck_assert_ptr_nonnull(form);
	field = tine_form_field(form, 0);
	ck_assert_str_eq(field->filename, "d/.x");
	ck_assert_str_eq(field->safe_name, "x");
	ck_assert_str_eq(field->type, "text/html");
	ck_assert_str_eq(field->charset, "koi8-r");
	ck_assert_str_eq(field->headers[2].name, "X-Own");
	ck_assert_str_eq(field->headers[2].value, "1");
	ck_assert_ptr_null(field->headers[3].name);
	ck_assert_ptr_null(field->value);
	field = tine_form_field(form, 1);
	ck_assert_ptr_null(field->filename);
	ck_assert_ptr_null(field->safe_name);
	ck_assert_str_eq(field->type, "text/plain");
	ck_assert_ptr_null(field->charset);
	ck_assert_str_eq(field->value, "2");
	fake_end(&fake);

	fake_init(&fake, URLENCODED "; charset=\"latin1\"", BYTES("a=1"));
	form = tine_form_parse(&fake.req, NULL);
	field = tine_form_field(form, 0);
	ck_assert_str_eq(field->charset, "latin1");
	ck_assert_ptr_null(field->type);
	ck_assert_ptr_null(field->headers[0].name);
	fake_end(&fake);
}
END_TEST

/* ---------------------------------------------------------- what is refused */

static const struct {
	const char	*type;
	const char	*body;
	unsigned	 flags;
	int		 error;
	int		 status;
	const char	*sentence;
} refused[] = {
	{ "application/json", "{}", 0, ENOMSG, 415, "the body is not a form: "
	    "its type is neither multipart/form-data nor "
	    "application/x-www-form-urlencoded" },
	{ "text/plain", "a=1", 0, ENOMSG, 415, NULL },
	{ "multipart/mixed; boundary=AaB", "--AaB--", 0, ENOMSG, 415, NULL },
	{ "multipart/form-data", "--AaB--", 0, EBADMSG, 400,
	    "the Content-Type of the form has no boundary" },
	{ "multipart/form-data; boundary=", "--AaB--", 0, EBADMSG, 400,
	    "the boundary of the form is malformed" },
	{ "multipart/form-data; boundary=\"A \"", "--A --", 0, EBADMSG, 400,
	    "the boundary of the form is malformed" },
	{ "multipart/form-data; boundary=\xc3\xa9", "", 0, EBADMSG, 400,
	    "the boundary of the form is malformed" },
	{ MULTIPART, "", 0, EBADMSG, 400,
	    "the form is malformed: the last boundary is missing" },
	{ MULTIPART, FIRST VALUE("a", "1"), 0, EBADMSG, 400,
	    "the form is malformed: the last boundary is missing" },
	{ MULTIPART, FIRST UPLOAD("a", "b", "1") NEXT, 0, EBADMSG, 400,
	    "the form is malformed: the last boundary is missing" },
	{ MULTIPART, FIRST "\r\n1" LAST, 0, EBADMSG, 400,
	    "the form is malformed: a part has no Content-Disposition" },
	{ MULTIPART, FIRST "a b\r\n\r\n1" LAST, 0, EBADMSG, 400,
	    "the form is malformed: a header line of a part has no name" },
	{ URLENCODED, "a", TINE_FORM_STRICT, EBADMSG, 400,
	    "the form is malformed: a field has no '='" },
};

START_TEST(refuses)
{
	const struct tine_form_limits limits = { .flags = refused[_i].flags };
	struct fake fake;

	fake_init(&fake, refused[_i].type, refused[_i].body,
	    strlen(refused[_i].body));
	ck_assert_ptr_null(tine_form_parse(&fake.req, &limits));
	ck_assert_int_eq(errno, refused[_i].error);
	ck_assert_int_eq(tine_form_send_error(&fake.req), 0);
	ck_assert_int_eq(fake.status, refused[_i].status);
	if (refused[_i].sentence != NULL)
		ck_assert_str_eq(fake.explain, refused[_i].sentence);
	ck_assert_uint_eq(fake.finish_count, 0);
	fake_end(&fake);
}
END_TEST

START_TEST(keeps_the_servers_secrets)
{
	const struct tine_form_limits limits = { .spool_dir = "/nonexistent" };
	struct fake fake;

	fake_init(&fake, MULTIPART, BYTES(FIRST UPLOAD("a", "b", "1") LAST));
	ck_assert_ptr_null(tine_form_parse(&fake.req, &limits));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(tine_form_send_error(&fake.req), 0);
	ck_assert_int_eq(fake.status, 500);
	ck_assert_str_eq(fake.explain, "");
	ck_assert_str_eq(fake.log, "a temporary file in /nonexistent cannot "
	    "be written: No such file or directory");
	fake_end(&fake);
}
END_TEST

START_TEST(says_that_the_disk_is_full)
{
	struct fake fake;

	fake_init(&fake, NULL, "", 0);
	errno = ENOSPC;
	ck_assert_int_eq(tine_form_send_error(&fake.req), 0);
	ck_assert_int_eq(fake.status, 507);
	ck_assert_str_eq(fake.explain, "the server has no room for the form");
	fake_end(&fake);
}
END_TEST

START_TEST(maps_errors)
{
	ck_assert_int_eq(tine_form_status(ENOSPC), 507);
	ck_assert_int_eq(tine_form_status(EDQUOT), 507);
	ck_assert_int_eq(tine_form_status(ENOMEM), 503);
	ck_assert_int_eq(tine_form_status(EMFILE), 503);
	ck_assert_int_eq(tine_form_status(ETIMEDOUT), 408);
	ck_assert_int_eq(tine_form_status(EIO), 500);
}
END_TEST

/* ------------------------------------------------------------------- limits */

enum { FINE = 0 };

/* The errno of a form under limits, FINE if there is none. */
static int
try(const char *type, const char *body, const struct tine_form_limits *limits)
{
	struct fake fake;
	int result = FINE;

	fake_init(&fake, type, body, strlen(body));
	if (tine_form_parse(&fake.req, limits) == NULL)
		result = errno;
	fake_end(&fake);
	return result;
}

/* Each limit of which the form needs exactly n, at n - 1, n and n + 1. */
static const struct {
	const char	*type;
	const char	*body;
	size_t		 offset;
	size_t		 n;
	int		 error;
	unsigned	 flags;
} limited[] = {
#define LIMIT(member)	offsetof(struct tine_form_limits, member)
	{ URLENCODED, "a=1&b=2&c=3", LIMIT(fields), 3, EFBIG, 0 },
	{ URLENCODED, "a=1&b=&c", LIMIT(fields), 3, EFBIG, 0 },
	{ URLENCODED, "a=1&b=&c", LIMIT(fields), 3, EFBIG,
	    TINE_FORM_KEEP_BLANK },
	{ URLENCODED, "a=1&b=2", LIMIT(fields), 4, EFBIG, TINE_FORM_QUERY },
	{ MULTIPART, FIRST VALUE("a", "1") NEXT UPLOAD("b", "c", "2") LAST,
	    LIMIT(fields), 2, EFBIG, 0 },
	{ URLENCODED, "a=12&bb=%41", LIMIT(memory), 6, EFBIG, 0 },
	{ MULTIPART, FIRST "Content-Disposition: form-data; name=a\r\n\r\n12"
	    LAST, LIMIT(memory), 19 + 17 + 2, EFBIG, 0 },
	{ MULTIPART, FIRST UPLOAD("a", "b", "1") NEXT UPLOAD("c", "d", "")
	    NEXT UPLOAD("e", "f", "2") LAST, LIMIT(files), 2, EFBIG, 0 },
	{ MULTIPART, FIRST UPLOAD("a", "b", "12345") LAST, LIMIT(file), 5,
	    EFBIG, 0 },
	{ URLENCODED, "a=1&b=12345", LIMIT(file), 5, EFBIG, 0 },
	{ URLENCODED, "a=1&b=12345", LIMIT(body), 11, EFBIG, 0 },
	{ MULTIPART, FIRST VALUE("a", "1") LAST, LIMIT(body), 63, EFBIG, 0 },
	{ MULTIPART, FIRST VALUE("a", "1") LAST, LIMIT(headers), 42, EMSGSIZE,
	    0 },
	{ URLENCODED, "a=1&bbbbb=2", LIMIT(headers), 5, EMSGSIZE, 0 },
	{ URLENCODED, "a=1&%41%42%43=2", LIMIT(headers), 3, EMSGSIZE, 0 },
	{ MULTIPART, FIRST VALUE("a", "1") LAST, LIMIT(boundary), 3, EMSGSIZE,
	    0 },
#undef LIMIT
};

START_TEST(limits_at_their_edges)
{
	for (size_t n = limited[_i].n - 1; n <= limited[_i].n + 1; n++) {
		struct tine_form_limits limits = { .flags = limited[_i].flags };
		struct fake fake;
		struct tine_form *form;

		memcpy((char *)&limits + limited[_i].offset, &n, sizeof(n));
		fake_init(&fake, limited[_i].type, limited[_i].body,
		    strlen(limited[_i].body));
		fake.req.query = "x=1&y=2";
		form = tine_form_parse(&fake.req, &limits);
		if (n >= limited[_i].n) {
			ck_assert_msg(form != NULL, "%s", tine_error());
		} else {
			ck_assert_ptr_null(form);
			ck_assert_int_eq(errno, limited[_i].error);
			ck_assert_int_eq(tine_form_status(errno),
			    errno == EFBIG ? 413 : 400);
		}
		fake_end(&fake);
	}
}
END_TEST

/* A body whose length is known is refused before it is read. */
START_TEST(refuses_a_long_body_unread)
{
	const struct tine_form_limits limits = { .body = 2 };
	struct fake fake;

	fake_init(&fake, URLENCODED, BYTES("a=1"));
	fake.req.content_length = 3;
	ck_assert_ptr_null(tine_form_parse(&fake.req, &limits));
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_uint_eq(fake.at, 0);
	fake_end(&fake);
}
END_TEST

/* The default of 1,000 fields: exactly so many pass. */
START_TEST(default_limits)
{
	static char body[400000];
	char *at = body;
	char boundary[300];

	for (int i = 0; i < 1001; i++) {
		if (i == 1000)
			ck_assert_int_eq(try(URLENCODED, body, NULL), FINE);
		at += sprintf(at, "%sa=1", i > 0 ? "&" : "");
	}
	ck_assert_int_eq(try(URLENCODED, body, NULL), EFBIG);

	for (int length = 69; length < 72; length++) {
		memset(body, 'a', sizeof(body));
		sprintf(boundary, "multipart/form-data; boundary=%.*s", length,
		    body);
		sprintf(body, "--%s--", strchr(boundary, '=') + 1);
		ck_assert_int_eq(try(boundary, body, NULL),
		    length <= 70 ? FINE : EMSGSIZE);
	}
}
END_TEST

/* However large the limit, the parser has room for 200 bytes. */
START_TEST(boundary_has_a_last_limit)
{
	const struct tine_form_limits limits = { .boundary = SIZE_MAX };
	char type[300], body[300];

	for (int length = 199; length < 202; length++) {
		const int n = sprintf(type, "multipart/form-data; boundary=");

		memset(type + n, 'a', (size_t)length);
		type[n + length] = '\0';
		sprintf(body, "--%s--", type + n);
		ck_assert_int_eq(try(type, body, &limits),
		    length <= 200 ? FINE : EMSGSIZE);
	}
}
END_TEST

/* An older tine.h knew fewer limits. */
START_TEST(limits_have_a_size)
{
	const struct tine_form_limits limits = { .fields = 1, .memory = 1 };
	struct fake fake;

	fake_init(&fake, URLENCODED, BYTES("a=123"));
	ck_assert_ptr_nonnull(tine_form_parse_sized(&fake.req, &limits,
	    offsetof(struct tine_form_limits, memory)));
	fake_end(&fake);
}
END_TEST

/* 100,000 fields: 1,000 of them are looked at. */
START_TEST(many_fields_are_refused_soon)
{
	static char body[300000];
	struct fake fake;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = "a=&"[i % 3];
	fake_init(&fake, URLENCODED, body, sizeof(body));
	ck_assert_ptr_null(tine_form_parse(&fake.req, NULL));
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_str_eq(tine_error(), "the form has more than 1000 fields");
	ck_assert_uint_le(fake.at, 65536);
	fake_end(&fake);
}
END_TEST

/* Names that are all alike, or all different, are found in a moment. */
START_TEST(many_fields_are_found)
{
	const struct tine_form_limits limits = {
		.fields = 100000, .memory = 10000000
	};
	static char body[2000000];
	char *at = body, name[16];
	struct fake fake;
	struct tine_form *form;
	const struct tine_form_field *field;
	size_t count = 0;

	for (int i = 0; i < 50000; i++)
		at += sprintf(at, "same=%d&n%d=%d&", i, i, i);
	fake_init(&fake, URLENCODED, body, (size_t)(at - body));
	form = tine_form_parse(&fake.req, &limits);
	ck_assert_ptr_nonnull(form);
	for (int i = 0; i < 50000; i++) {
		sprintf(name, "n%d", i);
		ck_assert_int_eq(atoi(tine_form_value(form, name)), i);
	}
	for (field = tine_form_first(form, "same"); field != NULL;
	    field = tine_form_next(field))
		ck_assert_int_eq(atoi(field->value), (int)count++);
	ck_assert_uint_eq(count, 50000);
	fake_end(&fake);
}
END_TEST

/* ----------------------------------------------------------------- spooling */

/* Values around the bound up to which they stay in memory. */
START_TEST(long_values_go_to_files)
{
	static char body[9000];
	const struct tine_form_limits limits = { .value_memory = 4096 };

	for (size_t length = 4095; length < 4099; length++) {
		struct fake fake;
		struct tine_form *form;
		const struct tine_form_field *field;

		memset(body, 'x', length + 2);
		memcpy(body, "a=", 2);
		fake_init(&fake, URLENCODED, body, length + 2);
		form = tine_form_parse(&fake.req, &limits);
		ck_assert_ptr_nonnull(form);
		ck_assert_uint_eq(count_descriptors() - descriptors,
		    length > 4096 ? 1 : 0);
		field = tine_form_field(form, 0);
		ck_assert_int_eq(field->length, (off_t)length);
		ck_assert_uint_eq(strlen(field->value), length);
		ck_assert_mem_eq(field->value, body + 2, length);
		ck_assert_uint_eq(count_files(spool_dir), 0);
		fake_end(&fake);
	}
}
END_TEST

/* Many values that are spooled must not add up in memory. */
START_TEST(values_in_files_cost_no_memory)
{
	static char body[50000];
	const struct tine_form_limits limits = {
		.value_memory = 100, .memory = 200
	};
	struct fake fake;
	struct tine_form *form;
	char *at = body;

	for (int i = 0; i < 10; i++)
		at += sprintf(at, "n%d=%0*d&", i, 4000, i);
	fake_init(&fake, URLENCODED, body, (size_t)(at - body));
	form = tine_form_parse(&fake.req, &limits);
	ck_assert_ptr_nonnull(form);
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(atoi(tine_form_field(form, i)->value),
		    (int)i);
	fake_end(&fake);
}
END_TEST

static long
peak_kilobytes(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

#define LARGE	((size_t)64 << 20)

static struct tine_form *
parse_large(struct fake *fake)
{
	static const char head[] = FIRST VALUE("a", "1")
	    NEXT UPLOAD("file", "large.bin", "");
	static const char tail[] = NEXT VALUE("b", "2") LAST;

	fake_init(fake, MULTIPART, BYTES(head));
	fake->middle = LARGE;
	fake->tail = tail;
	fake->tail_length = sizeof(tail) - 1;
	return tine_form_parse(&fake->req, NULL);
}

START_TEST(large_files_cost_no_memory)
{
	struct fake fake;
	const long before = peak_kilobytes();
	struct tine_form *form = parse_large(&fake);

	ck_assert_ptr_nonnull(form);
	ck_assert_int_eq(tine_form_field(form, 1)->length, LARGE);
	ck_assert_str_eq(tine_form_value(form, "b"), "2");
	ck_assert_int_lt(peak_kilobytes() - before, 1024);
	fake_end(&fake);
}
END_TEST

START_TEST(files_are_read_in_three_ways)
{
	struct fake fake;
	struct tine_form *form = parse_large(&fake);
	const struct tine_form_field *field = tine_form_field(form, 1);
	const char *data = tine_form_data(field, NULL);
	char buffer[100];
	FILE *file;
	int fd;

	for (size_t i = 0; i < LARGE; i += 1 + i / 7)
		ck_assert_int_eq(data[i], (char)(i * 31 >> 3));
	ck_assert_int_eq(data[LARGE], '\0');
	ck_assert_ptr_eq(tine_form_data(field, NULL), data);

	fd = tine_form_fd(field);
	ck_assert_int_eq(read(fd, buffer, 100), 100);
	ck_assert_mem_eq(buffer, data, 100);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), LARGE);
	ck_assert_int_eq(tine_form_fd(field), fd);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);

	file = tine_form_file(field);
	ck_assert_uint_eq(fread(buffer, 1, 100, file), 100);
	ck_assert_mem_eq(buffer, data, 100);
	ck_assert_int_eq(fseeko(file, -10, SEEK_END), 0);
	ck_assert_uint_eq(fread(buffer, 1, 100, file), 10);
	ck_assert_mem_eq(buffer, data + LARGE - 10, 10);
	ck_assert(feof(file));
	ck_assert_ptr_eq(tine_form_file(field), file);
	ck_assert_uint_eq(fread(buffer, 1, 100, file), 100);
	ck_assert_mem_eq(buffer, data, 100);
	fake_end(&fake);
}
END_TEST

START_TEST(values_are_read_in_three_ways)
{
	static const char *const names[] = { "a", "empty" };
	static const char *const values[] = { "text", "" };
	struct fake fake;
	struct tine_form *form;

	fake_init(&fake, MULTIPART, BYTES(FIRST VALUE("a", "text")
	    NEXT UPLOAD("empty", "x", "") LAST));
	form = tine_form_parse(&fake.req, NULL);
	ck_assert_ptr_nonnull(form);
	for (size_t i = 0; i < 2; i++) {
		const struct tine_form_field *field =
		    tine_form_first(form, names[i]);
		char buffer[10] = "";
		ssize_t n;

		ck_assert_str_eq(field->value, values[i]);
		n = read(tine_form_fd(field), buffer, sizeof(buffer));
		ck_assert_int_eq(n, (ssize_t)strlen(values[i]));
		ck_assert_str_eq(buffer, values[i]);
		memset(buffer, 0, sizeof(buffer));
		ck_assert_uint_eq(fread(buffer, 1, sizeof(buffer),
		    tine_form_file(field)), strlen(values[i]));
		ck_assert_str_eq(buffer, values[i]);
		ck_assert_ptr_eq(tine_form_data(field, NULL), field->value);
	}
	fake_end(&fake);
}
END_TEST

/* --------------------------------------------------------------- streaming */

static int
refuse_data(void *argument, const struct tine_form_field *field,
    const void *data, size_t length)
{
	(void)argument;
	(void)field;
	(void)data;
	(void)length;
	errno = EPERM;
	return -1;
}

START_TEST(a_reader_may_stop)
{
	const struct tine_form_reader reader = { .data = refuse_data };
	struct fake fake;

	fake_init(&fake, MULTIPART, BYTES(FIRST VALUE("a", "")
	    NEXT VALUE("b", "1") LAST));
	ck_assert_int_eq(tine_form_read(&fake.req, NULL, &reader, NULL), -1);
	ck_assert_int_eq(errno, EPERM);
	fake_end(&fake);
	fake_get(&fake, "a=1");
	ck_assert_int_eq(tine_form_read(&fake.req, NULL, &reader, NULL), -1);
	ck_assert_int_eq(errno, EPERM);
	fake_end(&fake);
}
END_TEST

static int
count_data(void *argument, const struct tine_form_field *field,
    const void *data, size_t length)
{
	size_t *pieces = argument;

	(void)field;
	(void)data;
	*pieces += length > 0;
	return 0;
}

/* What is there is handed on, however little it is. */
START_TEST(a_reader_gets_what_is_there)
{
	const struct tine_form_reader reader = { .data = count_data };
	const struct tine_form_reader nothing = { NULL, NULL, NULL };
	struct fake fake;
	size_t pieces = 0;

	fake_init(&fake, MULTIPART, BYTES(FIRST UPLOAD("a", "b", "")));
	fake.middle = 100000;
	fake.tail = LAST;
	fake.tail_length = strlen(LAST);
	fake.piece = 100;
	ck_assert_int_eq(tine_form_read(&fake.req, NULL, &reader, &pieces), 0);
	ck_assert_uint_ge(pieces, 1000);
	fake.at = 0;
	ck_assert_int_eq(tine_form_read(&fake.req, NULL, &nothing, NULL), 0);
	fake_end(&fake);
}
END_TEST

Suite *
form_suite(void)
{
	const int form_count = sizeof(forms) / sizeof(forms[0]);
	Suite *suite = suite_create("form");
	TCase *cases = tcase_create("all");

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_loop_test(cases, parses_forms, 0, form_count);
	tcase_add_loop_test(cases, ends_in_the_middle, 0, form_count);
	tcase_add_test(cases, get_has_its_query);
	tcase_add_test(cases, finds_fields);
	tcase_add_test(cases, tells_what_a_part_says);
	tcase_add_loop_test(cases, refuses, 0,
	    sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(cases, keeps_the_servers_secrets);
	tcase_add_test(cases, says_that_the_disk_is_full);
	tcase_add_test(cases, maps_errors);
	tcase_add_loop_test(cases, limits_at_their_edges, 0,
	    sizeof(limited) / sizeof(limited[0]));
	tcase_add_test(cases, refuses_a_long_body_unread);
	tcase_add_test(cases, default_limits);
	tcase_add_test(cases, boundary_has_a_last_limit);
	tcase_add_test(cases, limits_have_a_size);
	tcase_add_test(cases, many_fields_are_refused_soon);
	tcase_add_test(cases, many_fields_are_found);
	tcase_add_test(cases, long_values_go_to_files);
	tcase_add_test(cases, values_in_files_cost_no_memory);
	tcase_add_test(cases, large_files_cost_no_memory);
	tcase_add_test(cases, files_are_read_in_three_ways);
	tcase_add_test(cases, values_are_read_in_three_ways);
	tcase_add_test(cases, a_reader_may_stop);
	tcase_add_test(cases, a_reader_gets_what_is_there);
	suite_add_tcase(suite, cases);
	return suite;
}
