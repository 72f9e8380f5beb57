/* SPDX-License-Identifier: ISC */
/*
 * The tutorial's handling of errors: always 404.
 *
 *	curl -i http://localhost:8080/
 */
#include <tine.h>

static void
get(struct tine_request *req)
{
	tine_send_error(req, 404, NULL, NULL);
}

const struct tine_http_handler tine_http = {
	.do_GET = get,
	.do_HEAD = get,
	.protocol_version = "HTTP/1.0",
	.error_content_type = "text/html"
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
