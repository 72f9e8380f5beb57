/* SPDX-License-Identifier: ISC */
/*
 * The tutorial's threading and forking: says who has answered.
 *
 *	./threads --mode=thread		Thread-1, Thread-2, …
 *	./threads --mode=fork		the process id of the child
 *	./threads			MainThread
 */
#include <tine.h>

static void
get(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_end_headers(req);
	tine_printf(req, "%s\n", tine_thread_name(req));
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
