/* SPDX-License-Identifier: ISC */
/*
 * Does with a reply what tine.h allows and what it refuses.  What each call
 * returned goes to the log, since not every reply has a body.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tine.h>

static const char *
name_of(int error)
{
	switch (error) {
	case EALREADY:
		return "EALREADY";
	case EFBIG:
		return "EFBIG";
	case EINVAL:
		return "EINVAL";
	default:
		return strerror(error);
	}
}

/* Notes a call: its value, or the name of its error. */
static void
note(struct tine_request *req, const char *call, long value)
{
	const int error = errno;

	if (value == -1)
		tine_log_error(req, "%s: %s", call, name_of(error));
	else
		tine_log_error(req, "%s: %ld", call, value);
}

#define NOTE(call)	note(req, #call, (long)(call))

static void
early(struct tine_request *req)
{
	NOTE(tine_end_headers(req));
	NOTE(tine_flush_headers(req));
	NOTE(tine_send_response(req, 99, NULL));
	NOTE(tine_send_response(req, 1000, NULL));
	NOTE(tine_send_response(req, 200, "a\nb"));
	NOTE(tine_send_error(req, 99, NULL, NULL));
	tine_send_error(req, 404, NULL, NULL);
}

static void
late(struct tine_request *req)
{
	NOTE(tine_send_response(req, 200, "Fine"));
	NOTE(tine_send_response(req, 404, NULL));
	NOTE(tine_send_header(req, "Content-Length", "4"));
	NOTE(tine_end_headers(req));
	NOTE(tine_end_headers(req));
	NOTE(tine_send_header(req, "A", "b"));
	NOTE(tine_flush_headers(req));
	NOTE(tine_puts(req, "body"));
	NOTE(tine_output_error(req));
}

static void
overlong(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Length", "3");
	NOTE(tine_puts(req, "ab"));
	NOTE(tine_puts(req, "cd"));
	NOTE(tine_puts(req, "c"));
	NOTE(tine_output_error(req) == EFBIG);
	NOTE(tine_flush(req));
}

static void
bad_fields(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	NOTE(tine_send_header(req, "A b", "c"));
	NOTE(tine_send_header(req, "", "c"));
	NOTE(tine_send_header(req, "A", "b\rc"));
	NOTE(tine_send_header(req, "A", "b\x7f"));
	NOTE(tine_send_headerf(req, "A", "%d\n", 1));
	NOTE(tine_send_header(req, "Content-Length", "+1"));
	NOTE(tine_send_header(req, "Transfer-Encoding", "chunked"));
	NOTE(tine_send_header(req, "A", "b\tc"));
}

static void
bad_parts(struct tine_request *req)
{
	const long long most = 0x7fffffffffffffff;

	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Length", "0");
	NOTE(tine_send_file(req, open("/dev/null", O_RDONLY), -1, 1));
	NOTE(tine_send_file(req, open("/dev/null", O_RDONLY), 0, -1));
	NOTE(tine_send_file(req, open("/dev/null", O_RDONLY), 2, most - 1));
	NOTE(tine_send_file(req, open("/dev/null", O_RDONLY), 2, 0));
}

/* A head of some 80 KB. */
static void
large_head(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	for (int i = 0; i < 400; i++)
		tine_send_headerf(req, "X", "%0200d", i);
	tine_send_header(req, "Content-Length", "4");
	tine_puts(req, "body");
}

static void
only(struct tine_request *req)
{
	tine_send_response_only(req, 299, "Only");
	tine_send_header(req, "Content-Length", "0");
}

/* As a CGI program goes on with the head. */
static void
goes_on(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "A", "b");
	NOTE(tine_flush_headers(req));
	NOTE(tine_flush_headers(req));
	tine_puts(req, "C: d\r\n\r\nbody");
}

static void
keeps(struct tine_request *req)
{
	NOTE(req->close_connection);
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Connection", "keep-alive");
	NOTE(req->close_connection);
	tine_send_header(req, "Content-Length", "0");
}

static void
limit(struct tine_request *req)
{
	tine_printf(req, "%ld", tine_request_deadline(req));
}

static void
code(struct tine_request *req)
{
	const char *phrase = "none", *explain = "none";

	NOTE(tine_responses(404, &phrase, &explain));
	NOTE(tine_responses(404, NULL, NULL));
	errno = 0;
	tine_printf(req, "%s, %s, %d", phrase, explain,
	    tine_responses(299, &phrase, &explain));
}

/* A NUL is text like any other; around the size of a small buffer. */
static void
nuls(struct tine_request *req)
{
	for (int length = 508; length <= 513; length++)
		tine_printf(req, "%0*d%c.", length, 7, '\0');
}

static const struct place {
	const char	*path;
	void		(*function)(struct tine_request *);
} places[] = {
	{ "/early", early }, { "/late", late }, { "/overlong", overlong },
	{ "/bad-fields", bad_fields }, { "/bad-parts", bad_parts },
	{ "/large-head", large_head }, { "/only", only },
	{ "/goes-on", goes_on }, { "/keeps", keeps }, { "/limit", limit },
	{ "/code", code }, { "/nuls", nuls }
};

static void
get(struct tine_request *req)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (strcmp(places[i].path, req->path) == 0) {
			places[i].function(req);
			return;
		}
	}
	tine_send_error(req, 404, NULL, NULL);
}

/* A method that there is, but not for this. */
static void
refuse(struct tine_request *req)
{
	tine_send_error(req, 405, NULL, NULL);
}

/* A handler that takes it for any other method. */
static void
tunnel(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	NOTE(tine_send_header(req, "Content-Length", "9"));
	tine_puts(req, "tunnelled");
}

const struct tine_http_handler tine_http = {
	.do_GET = get, .do_POST = refuse, .do_CONNECT = tunnel,
	.do_method = refuse
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
