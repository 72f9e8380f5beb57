/* SPDX-License-Identifier: ISC */
/*
 * The handler of a request that is whole: which of the class's methods it is,
 * and what is answered when there is none.
 */
#include <stdio.h>
#include <string.h>

#include "../base/cold.h"
#include "../server/loop.h"
#include "../server/server.h"
#include "auth.h"
#include "protocol_parts.h"

static method *
method_named(const struct tine_http_handler *handler, const char *command,
    size_t length)
{
	switch (length) {
	case 3:
		if (memcmp(command, "GET", 3) == 0)
			return handler->do_GET;
		return memcmp(command, "PUT", 3) == 0 ? handler->do_PUT : NULL;
	case 4:
		if (memcmp(command, "POST", 4) == 0)
			return handler->do_POST;
		return memcmp(command, "HEAD", 4) == 0 ? handler->do_HEAD
		    : NULL;
	case 5:
		if (memcmp(command, "PATCH", 5) == 0)
			return handler->do_PATCH;
		return memcmp(command, "TRACE", 5) == 0 ? handler->do_TRACE
		    : NULL;
	case 6:
		return memcmp(command, "DELETE", 6) == 0 ? handler->do_DELETE
		    : NULL;
	case 7:
		if (memcmp(command, "OPTIONS", 7) == 0)
			return handler->do_OPTIONS;
		return memcmp(command, "CONNECT", 7) == 0 ? handler->do_CONNECT
		    : NULL;
	default:
		return NULL;
	}
}

method *
handling_method(const struct http *http)
{
	const struct tine_http_handler *handler = &http->class->handler;
	const char *command = http->request.command;
	/* It is empty if there was no memory for it. */
	const size_t length = *command == '\0' ? 0 : http->head.method.length;
	method *function = method_named(handler, command, length);

	return function != NULL ? function : handler->do_method;
}

static COLD void
refuse_method(struct http *http)
{
	char quoted[80], message[128];

	log_quote(quoted, sizeof(quoted), http->request.command,
	    strlen(http->request.command));
	(void)snprintf(message, sizeof(message), "Unsupported method (%s)",
	    quoted);
	(void)tine_send_error(&http->request, 501, message, NULL);
}

/*
 * "OPTIONS *" asks whether the server is there, and of no resource: it is no
 * method that a class would lack (RFC 9110, section 9.3.7).
 */
static bool
is_ping(const struct tine_request *req)
{
	return strcmp(req->command, "OPTIONS") == 0 &&
	    strcmp(req->path, "*") == 0;
}

static void
answer_ping(struct tine_request *req)
{
	(void)tine_send_response(req, 200, NULL);
	(void)tine_send_header(req, "Content-Length", "0");
	(void)tine_end_headers(req);
}

static void
call_handler(struct http *http)
{
	const struct tine_http_handler *handler = &http->class->handler;
	struct tine_request *req = &http->request;
	method *function = handling_method(http);

	if (function == NULL && is_ping(req)) {
		answer_ping(req);
	} else if (function == NULL) {
		refuse_method(http);
	} else if (handler->setup != NULL && handler->setup(req) == -1) {
		if (http->reply.code == 0)
			log_failure(http, "setup refused the request");
	} else {
		function(req);
		if (handler->finish != NULL)
			handler->finish(req);
	}
}

WHOLE void
handling_run(struct exchange *exchange)
{
	struct http *http = http_of(exchange);

	request_build(http);
	http->is_handling = true;
	if (exchange->loop->server->users == NULL || auth_admit(http))
		call_handler(http);
	reply_finish(http);
	http->is_handling = false;
}
