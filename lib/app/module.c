/* SPDX-License-Identifier: ISC */
/*
 * Handler modules: shared objects that export tine_http.  They are loaded in
 * the process that runs the handler, never in the master.
 */
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "../http/http_server.h"
#include "main.h"
#include "options.h"

extern char **environ;

static int
not_loadable(const char *path)
{
	const char *why = dlerror();

	(void)failure("cannot load the module %s: %s", path,
	    why != NULL ? why : "unknown error");
	return EX_CONFIG;
}

static int
load(struct tine_server *server)
{
	const struct tine_http_handler *handler;
	const struct tine_abi *abi;
	void *module;

	module = dlopen(server->module, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL)
		return not_loadable(server->module);
	handler = dlsym(module, "tine_http");
	abi = dlsym(module, "tine_abi");
	if (handler == NULL || abi == NULL) {
		(void)failure("the module %s has no symbol %s (it has to "
		    "define const struct tine_http_handler tine_http)",
		    server->module, handler == NULL ? "tine_http"
		    : "tine_abi");
		return EX_CONFIG;
	}
	if (http_server_set(server, handler, abi->http_handler_size) == -1)
		return EX_OSERR;
	return EX_OK;
}

/* A path without a slash would be looked for in the library path. */
static int
find(struct tine_server *server, const char *path)
{
	struct stat there;
	char *absolute;

	if (stat(path, &there) == -1)
		return failure("%s: %s (name a handler module)", path,
		    strerror(errno));
	if (!S_ISREG(there.st_mode))
		return failure("%s: not a file (name a handler module)", path);
	absolute = realpath(path, NULL);
	if (absolute == NULL)
		return failure("%s: %s", path, strerror(errno));
	server->module = arena_strndup(&server->arena, absolute,
	    strlen(absolute));
	free(absolute);
	return server->module == NULL ? failure("no memory") : 0;
}

TINE_PUBLIC int
tine_command(int argc, char *argv[])
{
	static const struct tine_http_handler nothing;
	struct tine_server *server = tine_http_server(&nothing);
	const char *operand;

	setproctitle_init(argc, argv, environ);
	if (server == NULL || tine_server_set(server, "workers", "auto") == -1)
		return main_fail(server, EX_OSERR);
	switch (options_read(server, argc, argv, "MODULE", &operand)) {
	case OPTIONS_DONE:
		tine_server_free(server);
		return EX_OK;
	case OPTIONS_WRONG:
		return main_fail(server, EX_USAGE);
	case OPTIONS_SERVE:
		break;
	}
	if (operand == NULL) {
		(void)failure("name a handler module (see --help)");
		return main_fail(server, EX_USAGE);
	}
	if (find(server, operand) == -1)
		return main_fail(server, EX_NOINPUT);
	server->load = load;
	return main_serve(server);
}
