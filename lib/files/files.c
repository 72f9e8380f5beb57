/* SPDX-License-Identifier: ISC */
/*
 * SimpleHTTPRequestHandler: what is answered for a file and for a directory.
 * What a path means is decided in path.c; what is sent of a file, in send.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/descriptor.h"
#include "../base/public.h"
#include "../http/http.h"
#include "../server/loop.h"
#include "files.h"
#include "path.h"
#include "send.h"

static const struct tine_field no_fields[] = { { NULL, NULL } };

/* ------------------------------------------------------------------- errors */

/*
 * A file that may not be read is as good as none, as in Python: what is there
 * is nobody's business.
 */
static int
status_of(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		return 503;
	case EIO:
		return 500;
	default:
		return 404;
	}
}

static void
send_failure(struct tine_request *req, int error)
{
	static const struct tine_field later[] = {
		{ "Retry-After", "1" }, { NULL, NULL }
	};
	const int code = status_of(error);

	if (code != 404)
		tine_log(req, TINE_LOG_ERROR, "cannot open the file: %s",
		    strerror(error));
	(void)reply_send_error(http_of_request(req), code,
	    code == 404 ? "File not found" : NULL,
	    code == 503 ? later : no_fields);
}

/* ----------------------------------------------------------------- finding */

/*
 * In the cache "/a" and "/a/" are two: the key of a path that ends with a
 * slash has the NUL behind its name.
 */
static size_t
key_length(const struct path *path)
{
	return path->is_directory ? path->length + 1 : path->length;
}

/* Text is taken to be UTF-8; nothing else says so of a plain file. */
static const char *
type_of(struct tine_request *req, const struct files *files,
    const char *name)
{
	const char *type = types_find(&files->types, name);

	if (type == NULL)
		type = req->server->settings.default_type;
	if (strncmp(type, "text/", 5) == 0 && strchr(type, ';') == NULL)
		type = tine_asprintf(req, "%s; charset=utf-8", type);
	return type;
}

/*
 * Opens a file; out of descriptors those of the cache are given up first.  A
 * child of mode fork keeps none, since another one answers next, and passes a
 * longer one on by its descriptor.
 */
static struct file *
open_file(struct tine_request *req, struct files *files, const char *name,
    const struct path *path)
{
	const struct loop *loop = http_of_request(req)->exchange->loop;
	struct file_wanted wanted = {
		name, path->text, key_length(path),
		type_of(req, files, name),
		loop->is_child || files->most < SEND_COPIED ? SEND_COPIED
		    : files->most
	};
	struct file *file;

	if (wanted.type == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	file = file_open(&files->below, &wanted);
	if (file == NULL && (errno == EMFILE || errno == ENFILE)) {
		cache_shed(&files->cache);
		file = file_open(&files->below, &wanted);
	}
	if (file == NULL)
		return NULL;
	atomic_store_explicit(&file->checked, loop_turns(loop),
	    memory_order_relaxed);
	if (!loop->is_child && !file->is_fresh)
		cache_add(&files->cache, file);
	return file;
}

/* One that was looked at in this turn of the loop is what it was. */
static struct file *
find_cached(struct tine_request *req, struct files *files,
    const struct path *path)
{
	const struct loop *loop = http_of_request(req)->exchange->loop;
	const uint64_t turn = loop_turns(loop);
	struct file *file;

	if (loop->is_child)
		return NULL;
	file = cache_find(&files->cache, path->text, key_length(path));
	if (file == NULL || atomic_load_explicit(&file->checked,
	    memory_order_relaxed) == turn)
		return file;
	if (file_is_current(file, &files->below)) {
		atomic_store_explicit(&file->checked, turn,
		    memory_order_relaxed);
		return file;
	}
	cache_remove(&files->cache, file);
	file_release(file);
	return NULL;
}

/* -------------------------------------------------------------- directories */

/*
 * The same path with a slash, made anew: so it cannot begin with two, which
 * would be another host.
 */
static void
redirect(struct tine_request *req, const struct path *path)
{
	char *name = tine_alloc(req, path->length * 3 + 1);

	if (name == NULL) {
		send_failure(req, ENOMEM);
		return;
	}
	(void)path_encode(name, path->text, path->length, true);
	(void)tine_send_response(req, 301, NULL);
	(void)tine_send_headerf(req, "Location", "/%s/%s%s", name,
	    *req->query != '\0' ? "?" : "", req->query);
	(void)tine_send_header(req, "Content-Length", "0");
	(void)tine_end_headers(req);
}

static void
list(struct tine_request *req, struct files *files, const struct path *path)
{
	struct stat status;
	char *shown;
	int fd;

	fd = below_open(&files->below, path->text, &status);
	if (fd != -1 && !S_ISDIR(status.st_mode)) {
		descriptor_close(fd);
		fd = -1;
		errno = ENOTDIR;
	}
	if (fd == -1) {
		send_failure(req, errno);
		return;
	}
	shown = path->length == 0 ? tine_strdup(req, "/")
	    : tine_asprintf(req, "/%s/", path->text);
	if (!req->server->settings.listing || shown == NULL) {
		descriptor_close(fd);
		if (shown == NULL)
			send_failure(req, ENOMEM);
		else
			(void)reply_send_error(http_of_request(req), 404,
			    "No permission to list directory", no_fields);
		return;
	}
	files_list(req, files, fd, shown);
}

/* Whether there is no such index, so that something else may be sent. */
static bool
is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EISDIR ||
	    error == ENXIO;
}

/* A path that ends with a slash. */
static void
serve_directory(struct tine_request *req, struct files *files,
    struct path *path)
{
	static const char *const indexes[] = { "index.html", "index.htm" };
	const char *slash = path->length > 0 ? "/" : "";
	struct file *file = NULL;

	for (size_t i = 0; file == NULL && i < 2; i++) {
		const char *name = tine_asprintf(req, "%s%s%s", path->text,
		    slash, indexes[i]);

		if (name == NULL) {
			send_failure(req, ENOMEM);
			return;
		}
		file = open_file(req, files, name, path);
		if (file == NULL && !is_absent(errno)) {
			send_failure(req, errno);
			return;
		}
		/* That there is no better one would have to be looked at. */
		if (file != NULL && i > 0)
			cache_remove(&files->cache, file);
	}
	if (file != NULL)
		send_found(http_of_request(req), file);
	else
		list(req, files, path);
}

/* ------------------------------------------------------------- the handler */

static void
serve(struct tine_request *req, struct files *files, struct path *path)
{
	struct file *file = find_cached(req, files, path);

	if (file != NULL) {
		send_found(http_of_request(req), file);
		return;
	}
	if (path->is_directory) {
		serve_directory(req, files, path);
		return;
	}
	file = open_file(req, files, path->text, path);
	if (file != NULL)
		send_found(http_of_request(req), file);
	else if (errno == EISDIR)
		redirect(req, path);
	else
		send_failure(req, errno);
}

TINE_PUBLIC void
tine_files_get(struct tine_request *req)
{
	struct files *files = files_of(req->server);
	const size_t length = strlen(req->real_path);
	char *name = tine_alloc(req, length + 1);
	struct path path;

	if (files == NULL || name == NULL) {
		tine_log(req, TINE_LOG_ERROR, "%s", files == NULL
		    ? tine_error() : strerror(ENOMEM));
		(void)tine_send_error(req, files == NULL ? 500 : 503, NULL,
		    NULL);
		return;
	}
	if (!path_decode(req->real_path, length, name, &path)) {
		(void)tine_send_error(req, 400, "Bad path", NULL);
		return;
	}
	serve(req, files, &path);
}

#define METHODS	"GET, HEAD, OPTIONS"

/*
 * What may be asked of any file, there or not, and of the whole server: load
 * balancers ask it to see that somebody is there (RFC 9110, section 9.3.7).
 */
static void
tell_methods(struct tine_request *req)
{
	(void)tine_send_response(req, 200, NULL);
	(void)tine_send_header(req, "Allow", METHODS);
	(void)tine_send_header(req, "Content-Length", "0");
	(void)tine_end_headers(req);
}

/* A method that exists, but not for a file; see RFC 9110, section 15.5.6. */
static void
refuse(struct tine_request *req)
{
	static const char *const known[] = {
		"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"
	};
	static const struct tine_field allow[] = {
		{ "Allow", METHODS }, { NULL, NULL }
	};
	char message[80];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(req->command, known[i]) == 0) {
			(void)reply_send_error(http_of_request(req), 405,
			    NULL, allow);
			return;
		}
	}
	(void)snprintf(message, sizeof(message), "Unsupported method ('%.40s')",
	    req->command);
	(void)tine_send_error(req, 501, message, NULL);
}

#define CLASS	{ .do_GET = tine_files_get, .do_HEAD = tine_files_get, \
		    .do_OPTIONS = tell_methods, .do_method = refuse }

TINE_PUBLIC const struct tine_http_handler tine_files = CLASS;
const struct tine_http_handler files_handler = CLASS;
