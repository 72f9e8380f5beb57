/* SPDX-License-Identifier: ISC */
/*
 * The tutorial's setting of headers: Last-Modified is now, in the form of
 * RFC 2822.
 *
 *	curl -i http://localhost:8080/
 */
#include <string.h>
#include <time.h>

#include <tine.h>

/* "Sun, 10 Oct 2010 13:58:32 -0000": as HTTP's form, but for the zone. */
static char *
now_2822(struct tine_request *req)
{
	const char *date = tine_date_time_string(req, time(NULL));

	return tine_asprintf(req, "%.*s -0000", (int)strlen("Sun, 10 Oct 2010 "
	    "13:58:32"), date);
}

static void
get(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Last-Modified", now_2822(req));
	tine_end_headers(req);
	tine_puts(req, "Response body\n");
}

const struct tine_http_handler tine_http = {
	.do_GET = get,
	.do_HEAD = get,
	.protocol_version = "HTTP/1.0"
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
