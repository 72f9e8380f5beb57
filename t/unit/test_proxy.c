/* SPDX-License-Identifier: ISC */
/*
 * Headers of the PROXY protocol: each is cut at every byte, and ends where
 * what may be read does.
 */
#include <arpa/inet.h>

#include <string.h>

#include "../../lib/server/proxy.h"
#include "unit.h"

#define SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"
#define IP4		"\1\2\3\4\5\6\7\10\0\120\37\220"
#define IP6		"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
			"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff\0\120"
#define TEXT(text)	(text), sizeof(text) - 1

static const struct header_case {
	const char	*text;
	size_t		 size;
	const char	*address;	/* NULL: none; "": the peer's own */
	unsigned	 port;
} headers[] = {
	{ TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n"),
	    "192.0.2.1", 40000 },
	{ TEXT("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),
	    "255.255.255.255", 65535 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 0 65535\r\n"), "1.2.3.4", 0 },
	{ TEXT("PROXY TCP6 2001:DB8::1 ::1 1 2\r\n"), "2001:db8::1", 1 },
	{ TEXT("PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n"), "::ffff:1.2.3.4", 1 },
	{ TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535 },
	{ TEXT("PROXY UNKNOWN\r\n"), "", 0 },
	{ TEXT("PROXY UNKNOWN \r\n"), "", 0 },
	{ TEXT("PROXY UNKNOWN whatever  this 99999 is\r\n"), "", 0 },
	{ TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    "", 0 },

	{ TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"),
	    NULL, 0 },
	{ TEXT("PROXY UNKNOWNS\r\n"), NULL, 0 },
	{ TEXT("PROXY \r\n"), NULL, 0 },
	{ TEXT("PROXY\r\n"), NULL, 0 },
	{ TEXT("proxy UNKNOWN\r\n"), NULL, 0 },
	{ TEXT(" PROXY UNKNOWN\r\n"), NULL, 0 },
	{ TEXT("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 \r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1x 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 123456 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.x 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 ::1 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 ::1 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP6 1.2.3.4 ::1 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP6 [::1] ::1 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"), NULL, 0 },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0\r\n"), NULL, 0 },
	{ TEXT("GET / HTTP/1.1\r\n"), NULL, 0 },
	{ TEXT("\r\nPROXY UNKNOWN\r\n"), NULL, 0 },
	{ TEXT("\x16\x03\x01\x02"), NULL, 0 },

	{ TEXT(SIGNATURE "\x21\x11\0\14" IP4), "1.2.3.4", 80 },
	{ TEXT(SIGNATURE "\x21\x12\0\14" IP4), "1.2.3.4", 80 },
	{ TEXT(SIGNATURE "\x21\x21\0\44" IP6), "2001:db8::1", 65535 },
	{ TEXT(SIGNATURE "\x21\x11\0\23" IP4 "\4\0\4\0\0\0\0"),
	    "1.2.3.4", 80 },
	{ TEXT(SIGNATURE "\x21\0\0\0"), "", 0 },
	{ TEXT(SIGNATURE "\x21\0\0\3xyz"), "", 0 },
	{ TEXT(SIGNATURE "\x20\0\0\0"), "", 0 },
	{ TEXT(SIGNATURE "\x20\x11\0\14" IP4), "", 0 },
	{ TEXT(SIGNATURE "\x20\xff\0\3xyz"), "", 0 },

	{ TEXT(SIGNATURE "\x22\x11\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x11\x11\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x31\x11\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x10\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x13\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x01\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x41\0\14" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x11\0\13" IP4), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x11\0\0"), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x21\0\43" IP6), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x31\0\327"), NULL, 0 },
	{ TEXT(SIGNATURE "\x21\x11\x10\xd9"), NULL, 0 },
	{ TEXT(SIGNATURE "\x20\0\x10\xd9"), NULL, 0 },
	{ TEXT("\r\n\r\n\0\r\nQUIT\r"), NULL, 0 },
};

static void
check_address(const struct proxy_header *header, const struct header_case *is)
{
	char shown[INET6_ADDRSTRLEN] = "";
	const sa_family_t family = header->address.any.sa_family;

	if (family == AF_INET)
		ck_assert_ptr_nonnull(inet_ntop(family,
		    &header->address.in.sin_addr, shown, sizeof(shown)));
	else if (family == AF_INET6)
		ck_assert_ptr_nonnull(inet_ntop(family,
		    &header->address.in6.sin6_addr, shown, sizeof(shown)));
	ck_assert_str_eq(shown, is->address);
	ck_assert_uint_eq(ntohs(family == AF_INET6
	    ? header->address.in6.sin6_port : header->address.in.sin_port),
	    is->port);
}

START_TEST(header_is_read)
{
	const struct header_case *is = &headers[_i];
	enum proxy_result result = PROXY_MORE;
	struct proxy_header header;
	size_t n = 0;

	while (n <= is->size && result == PROXY_MORE) {
		const char *there = guarded(is->text, n);

		result = proxy_parse(&header, there, n++);
	}
	if (is->address == NULL) {
		ck_assert_msg(result == PROXY_BAD, "case %d", _i);
		ck_assert_ptr_nonnull(header.why);
		return;
	}
	ck_assert_msg(result == PROXY_DONE, "case %d: %s", _i, header.why);
	ck_assert_uint_eq(header.length, is->size);
	check_address(&header, is);
}
END_TEST

/* What follows is the client's, whatever it is. */
START_TEST(header_ends_where_it_ends)
{
	static const char *const behind[] = { "GET", "\r\n", "\n", "PROXY " };
	const struct header_case *is = &headers[_i];
	struct proxy_header header;
	char text[512];

	for (size_t i = 0; i < 4 && is->address != NULL; i++) {
		const size_t more = strlen(behind[i]);

		memcpy(text, is->text, is->size);
		memcpy(text + is->size, behind[i], more);
		ck_assert_int_eq(proxy_parse(&header, guarded(text,
		    is->size + more), is->size + more), PROXY_DONE);
		ck_assert_uint_eq(header.length, is->size);
		check_address(&header, is);
	}
}
END_TEST

/* The longest ones that are taken, and the first that is not. */
START_TEST(header_is_bounded)
{
	static char text[PROXY_MOST + 1];
	struct proxy_header header;

	memcpy(text, SIGNATURE "\x21\x31\x10\xd8", PROXY_HEADER);
	ck_assert_int_eq(proxy_parse(&header, text, PROXY_MOST - 1),
	    PROXY_MORE);
	ck_assert_int_eq(proxy_parse(&header, text, PROXY_MOST), PROXY_DONE);
	ck_assert_uint_eq(header.length, PROXY_MOST);
	ck_assert_int_eq(header.address.any.sa_family, AF_UNSPEC);
	text[15]++;
	ck_assert_int_eq(proxy_parse(&header, text, PROXY_HEADER), PROXY_BAD);
	memset(text, 'x', sizeof(text));
	memcpy(text, "PROXY UNKNOWN ", 14);
	text[PROXY_LINE - 1] = '\r';
	ck_assert_int_eq(proxy_parse(&header, text, PROXY_LINE - 1),
	    PROXY_MORE);
	ck_assert_int_eq(proxy_parse(&header, text, PROXY_LINE), PROXY_BAD);
}
END_TEST

Suite *
proxy_suite(void)
{
	Suite *suite = suite_create("proxy");
	TCase *tests = tcase_create("proxy");
	const int count = (int)(sizeof(headers) / sizeof(headers[0]));

	tcase_add_loop_test(tests, header_is_read, 0, count);
	tcase_add_loop_test(tests, header_ends_where_it_ends, 0, count);
	tcase_add_test(tests, header_is_bounded);
	suite_add_tcase(suite, tests);
	return suite;
}
