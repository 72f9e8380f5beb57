/* SPDX-License-Identifier: ISC */
/*
 * The tutorial's HTTP GET: shows what the client sent and who serves it.
 *
 *	curl -i 'http://localhost:8080/?foo=bar'
 */
#include <tine.h>

#define SERVER_VERSION	"BaseHTTP/0.3"
#define SYS_VERSION	"tine/" TINE_VERSION

static void
get(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_end_headers(req);
	tine_printf(req, "CLIENT VALUES:\n"
	    "client_address=('%s', %u) (%s)\n"
	    "command=%s\n"
	    "path=%s\n"
	    "real path=%s\n"
	    "query=%s\n"
	    "request_version=%s\n"
	    "\n",
	    req->client_address, req->client_port, tine_address_string(req),
	    req->command, req->path, req->real_path, req->query,
	    req->request_version);
	tine_printf(req, "SERVER VALUES:\n"
	    "server_version=%s\n"
	    "sys_version=%s\n"
	    "protocol_version=%s\n",
	    SERVER_VERSION, SYS_VERSION, "HTTP/1.0");
}

const struct tine_http_handler tine_http = {
	.do_GET = get,
	.do_HEAD = get,
	.server_version = SERVER_VERSION,
	.sys_version = SYS_VERSION,
	.protocol_version = "HTTP/1.0"
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
