/* SPDX-License-Identifier: ISC */
/*
 * HTTPServer: a server for a handler class.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../server/server.h"
#include "http.h"
#include "http_server.h"

static atomic_uint serials;	/* of classes made */

static const char *
or(const char *value, const char *otherwise)
{
	return value != NULL ? value : otherwise;
}

static void
class_free(void *handler)
{
	struct http_class *class = handler;

	free((void *)(uintptr_t)class->version);
	free(class->lost[0].text);
	free(class->lost[1].text);
	free(class->lost[2].text);
	free(class);
}

static int
prepare_lost(struct http_class *class)
{
	static const int codes[] = { 500, 504, 503 };

	for (size_t i = 0; i < 3; i++) {
		class->lost[i].text = reply_prepare(class, codes[i],
		    &class->lost[i].length, &class->lost[i].head);
		if (class->lost[i].text == NULL)
			return -1;
	}
	return 0;
}

/* server_version, and sys_version behind a space if there is one. */
static int
make_version(struct http_class *class)
{
	const struct tine_http_handler *handler = &class->handler;
	const char *system = or(handler->sys_version, "");
	const size_t size = strlen(handler->server_version) + 1 +
	    strlen(system) + 1;
	char *text = malloc(size);

	if (text == NULL)
		return -1;
	(void)strlcpy(text, handler->server_version, size);
	if (*system != '\0')
		(void)strlcat(text, " ", size);
	class->version_length = strlcat(text, system, size);
	class->version = text;
	return 0;
}

/*
 * The class as this library knows it: what an older program's struct does
 * not have is zero, what a newer one's has is not looked at.
 */
static struct http_class *
class_make(const struct tine_http_handler *handler, size_t size)
{
	struct http_class *class = calloc(1, sizeof(*class));
	struct tine_http_handler *own;

	if (class == NULL)
		return NULL;
	own = &class->handler;
	memcpy(own, handler, size < sizeof(*own) ? size : sizeof(*own));
	own->server_version = or(own->server_version, "tine/" TINE_VERSION);
	own->protocol_version = or(own->protocol_version, "HTTP/1.1");
	own->error_content_type = or(own->error_content_type,
	    "text/html;charset=utf-8");
	class->serial = atomic_fetch_add(&serials, 1) + 1;
	class->is_11 = strcmp(own->protocol_version, "HTTP/1.0") != 0;
	if (make_version(class) == -1 || prepare_lost(class) == -1) {
		class_free(class);
		return NULL;
	}
	return class;
}


int
http_server_set(struct tine_server *server,
    const struct tine_http_handler *handler, size_t size, size_t hooks_size)
{
	struct http_class *class = class_make(handler, size);
	unsigned timeout;

	if (class == NULL)
		return failure("no memory for a handler class");
	server_use(server, &protocol_http, class, class_free);
	server_hook(server, class->handler.hooks, hooks_size);
	timeout = class->handler.timeout;
	if (timeout != 0) {
		server->settings.header_timeout = timeout;
		server->settings.body_timeout = timeout;
		server->settings.send_timeout = timeout;
	}
	return 0;
}

TINE_PUBLIC struct tine_server *
tine_http_server_sized(const struct tine_http_handler *handler, size_t size,
    size_t hooks_size)
{
	struct tine_server *server = server_new(&protocol_http, class_free);

	if (server == NULL) {
		(void)failure("no memory for a server");
		return NULL;
	}
	if (http_server_set(server, handler, size, hooks_size) == -1) {
		tine_server_free(server);
		return NULL;
	}
	return server;
}
