/*
 * What is measured: the 13 bytes that every server of the benchmark says, and
 * an echo of what is posted.  A module of its own, since in mode fork what a
 * module brings along is copied for each request.
 */
#include <string.h>

#include <tine.h>

static void
begin(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain; charset=utf-8");
	tine_end_headers(req);
}

static void
hello(struct tine_request *req)
{
	begin(req);
	tine_puts(req, "Hello, world!");
}

static void
post(struct tine_request *req)
{
	size_t length;
	const char *body;

	if (strcmp(req->real_path, "/post") != 0)
		hello(req);
	else if ((body = tine_body(req, &length)) == NULL)
		tine_send_error(req, 500, NULL, NULL);
	else {
		begin(req);
		tine_write(req, body, length);
	}
}

const struct tine_http_handler tine_http = {
	.do_GET = hello,
	.do_HEAD = hello,
	.do_POST = post
};
