/* SPDX-License-Identifier: ISC */
/*
 * The command: handler modules, which are shared objects that export a handler
 * class and are loaded in the process that runs the handler, never in the
 * master; and directories, whose handler class is there.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "../datagram/datagram_server.h"
#include "../files/files.h"
#include "../http/http_server.h"
#include "../prefork/sandbox.h"
#include "../stream/stream_server.h"
#include "main.h"
#include "options.h"
#include "paths.h"

/* ------------------------------------------------------ what it exports */

/* The hooks of a module that does not tell their size are left alone. */
static size_t
hooks_size(const struct tine_abi *abi)
{
	return abi->version < 3 ? 0 : abi->hooks_size;
}

static int
set_http(struct tine_server *server, const void *handler,
    const struct tine_abi *abi)
{
	return http_server_set(server, handler, abi->http_handler_size,
	    hooks_size(abi));
}

static int
set_stream(struct tine_server *server, const void *handler,
    const struct tine_abi *abi)
{
	return stream_server_set(server, handler, abi->version < 2 ? 0
	    : abi->stream_handler_size, hooks_size(abi));
}

static int
set_datagram(struct tine_server *server, const void *handler,
    const struct tine_abi *abi)
{
	return datagram_server_set(server, handler, abi->version < 2 ? 0
	    : abi->datagram_handler_size, hooks_size(abi));
}

/* The handler classes; a module is what the first of them makes it. */
static const struct kind {
	const char	*symbol;
	int		(*set)(struct tine_server *, const void *,
			    const struct tine_abi *);
} kinds[] = {
	{ "tine_http", set_http }, { "tine_stream", set_stream },
	{ "tine_datagram", set_datagram }
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

/* What the server was made ready for, before a module was loaded. */
static const struct kind *served = &kinds[0];

/* A symbol's name stands between two NULs. */
static bool
names(const void *data, size_t length, const char *symbol)
{
	char name[32] = "";
	const size_t n = strlen(symbol);

	memcpy(name + 1, symbol, n);
	return memmem(data, length, name, n + 2) != NULL;
}

/* The module is not loaded here: its names tell what there is to bind. */
static const struct kind *
kind_of(const void *data, size_t length)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (names(data, length, kinds[i].symbol))
			return &kinds[i];
	}
	return &kinds[0];
}

static const struct kind *
kind_loaded(void *module, const void **handler)
{
	for (size_t i = 0; i < KINDS; i++) {
		*handler = dlsym(module, kinds[i].symbol);
		if (*handler != NULL)
			return &kinds[i];
	}
	return NULL;
}

/* Its addresses and options are those of the kind that was there before. */
static int
check_kind(const struct tine_server *server, const struct kind *kind)
{
	if (kind == served)
		return EX_OK;
	(void)failure("the module %s exports %s, not %s as before: that "
	    "needs a restart", server->module, kind->symbol, served->symbol);
	return EX_CONFIG;
}

/* --------------------------------------------------------------- loading */

/* The loader's reason begins with the path that it was given. */
static void
not_loadable(const char *path, const char *from)
{
	const char *why = dlerror();
	const size_t length = strlen(from);

	if (why == NULL)
		why = "unknown error";
	else if (strncmp(why, from, length) == 0 &&
	    strncmp(why + length, ": ", 2) == 0)
		why += length + 2;
	(void)failure("cannot load the module %s: %s", path, why);
}

/* The bytes that the master keeps, or the file itself. */
static void *
open_module(const struct tine_server *server)
{
	char copy[64];
	const char *from = server->module;
	void *module;

	(void)snprintf(copy, sizeof(copy), "/proc/self/fd/%d",
	    server->module_fd);
	if (server->module_fd != -1 && access(copy, R_OK) == 0)
		from = copy;
	module = dlopen(from, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL)
		not_loadable(server->module, from);
	return module;
}

static int
load(struct tine_server *server)
{
	const struct tine_abi *abi;
	const struct kind *kind;
	const void *handler;
	void *module;

	module = open_module(server);
	if (module == NULL)
		return EX_CONFIG;
	kind = kind_loaded(module, &handler);
	abi = dlsym(module, "tine_abi");
	if (kind == NULL || abi == NULL) {
		(void)failure("the module %s has no symbol %s (it has to "
		    "define const struct tine_http_handler tine_http, "
		    "tine_stream or tine_datagram)", server->module, kind == NULL
		    ? "tine_http" : "tine_abi");
		return EX_CONFIG;
	}
	if (check_kind(server, kind) != EX_OK)
		return EX_CONFIG;
	if (kind->set(server, handler, abi) == -1)
		return EX_OSERR;
	return server->settings.directory != NULL ? files_open(server)
	    : EX_OK;
}

/* ------------------------------------------------------------- its bytes */

/* NULL if it cannot be looked at. */
static void *
map(int fd, size_t *length)
{
	struct stat there;
	void *data;

	if (fstat(fd, &there) == -1 || there.st_size <= 0)
		return NULL;
	*length = (size_t)there.st_size;
	data = mmap(NULL, *length, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return NULL;
	return data;
}

/* Its libraries may lie beside it, and a copy has no place. */
static bool
needs_its_place(int fd)
{
	size_t length;
	void *data = map(fd, &length);
	bool found;

	if (data == NULL)
		return true;
	found = memmem(data, length, "$ORIGIN", 7) != NULL;
	(void)munmap(data, length);
	return found;
}

/*
 * A copy in memory: so that a worker that dies after the file was changed is
 * replaced by what worked, and a file that is overwritten in place harms
 * nobody.  Returns -1 with the text of tine_error().
 */
static int
keep_bytes(struct tine_server *server)
{
	const int file = open(server->module, O_RDONLY | O_CLOEXEC);
	int copy;

	if (file == -1)
		return failure("%s: %s", server->module, strerror(errno));
	if (needs_its_place(file)) {
		server_log(server, TINE_LOG_INFO, "%s looks for libraries "
		    "beside itself ($ORIGIN), so it is loaded by its path: "
		    "replace the file by rename(2) only", server->module);
		copy = -1;
	} else {
		copy = descriptor_snapshot(file, "module");
	}
	(void)close(file);
	server->module_fd = copy;
	return 0;
}

/* ------------------------------------------------------------- the command */

/*
 * A path without a slash would be looked for in the library path.  Links are
 * not followed here: a reload has to find where they lead then.
 */
static int
find(struct tine_server *server, const char *path)
{
	server->module = server_text(server, path);
	return server->module == NULL ? failure("no memory")
	    : paths_absolute(server, &server->module);
}

/* Has the server speak what the module does, with no handler yet. */
static int
use_kind(struct tine_server *server)
{
	static const struct tine_abi none;
	const int fd = server->module_fd != -1 ? dup(server->module_fd)
	    : open(server->module, O_RDONLY | O_CLOEXEC);
	size_t length;
	void *data = map(fd, &length);

	descriptor_close(fd);
	if (data == NULL)
		return EX_OK;		/* loading it will say why */
	served = kind_of(data, length);
	(void)munmap(data, length);
	if (served == &kinds[0])
		return EX_OK;
	if (server->http_option != NULL) {
		(void)failure("--%s is for HTTP, which the module %s does "
		    "not speak", server->http_option, server->module);
		return EX_USAGE;
	}
	return served->set(server, &none, &none) == -1 ? EX_OSERR : EX_OK;
}

static int
prepare_module(struct tine_server *server, const char *path)
{
	int status;

	if (find(server, path) == -1 ||
	    (server->module_fd == -1 && keep_bytes(server) == -1))
		return EX_NOINPUT;
	status = use_kind(server);
	if (status != EX_OK)
		return status;
	if (server->settings.directory != NULL && files_prepare(server) == -1)
		return EX_NOINPUT;
	server->load = load;
	server->reopen_module = keep_bytes;
	return EX_OK;
}

static int
prepare_directory(struct tine_server *server, const char *path)
{
	server->directory = path;
	/* Its handler is ours, and needs no more than serving does. */
	server->is_confined = true;
	server->confine = sandbox_enter;
	if (paths_absolute(server, &server->directory) == -1)
		return EX_OSERR;
	if (http_server_set(server, &files_handler, sizeof(files_handler),
	    sizeof(struct tine_hooks)) == -1)
		return EX_OSERR;
	return files_use(server);
}

/* Without an operand it is the current directory, as Python has it. */
static int
prepare(struct tine_server *server, const char *operand)
{
	struct stat there;

	if (operand == NULL)
		return prepare_directory(server, NULL);
	/* What was in force is here after an upgrade that failed. */
	if (server->module_fd != -1)
		return prepare_module(server, operand);
	if (stat(operand, &there) == -1) {
		(void)failure("%s: %s (name a directory or a handler module)",
		    operand, strerror(errno));
		return EX_NOINPUT;
	}
	if (S_ISDIR(there.st_mode))
		return prepare_directory(server, operand);
	if (S_ISREG(there.st_mode))
		return prepare_module(server, operand);
	(void)failure("%s: neither a directory nor a handler module",
	    operand);
	return EX_NOINPUT;
}

TINE_PUBLIC int
tine_command(int argc, char *argv[])
{
	static const struct tine_http_handler nothing;
	struct tine_server *server = tine_http_server(&nothing);

	if (server != NULL)
		(void)tine_server_set(server, "workers", "auto");
	return main_run(server, argc, argv, "[DIRECTORY|MODULE]", prepare);
}
