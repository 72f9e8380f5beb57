/* SPDX-License-Identifier: ISC */
/*
 * SimpleHTTPRequestHandler: a directory as a handler class; see tine.h.
 */
#ifndef FILES_FILES_H
#define FILES_FILES_H

#include "../server/server.h"
#include "file.h"
#include "types.h"

/* What one server serves: server->files. */
struct files {
	char		*directory;
	atomic_bool	 is_open;
	struct below	 below;
	struct types	 types;
	struct cache	 cache;
	size_t		 most;		/* bytes of a file in memory */
};

/* The class itself, whatever a program's copy of tine_files is. */
extern const struct tine_http_handler files_handler;

/*
 * Reads what all processes share: the types.  Called in the master before it
 * forks, and again for a reload.  Returns -1 with the text of tine_error():
 * the directory is not there.
 *
 * The directory is kept by its name, and each generation of workers opens it
 * anew: so a link that was turned to another release is
 * followed at a reload.
 */
int	files_prepare(struct tine_server *server);

/*
 * Opens the directory, in the process that runs the handlers, before it takes
 * another root or user.  Returns 0, or EX_NOINPUT with the text of
 * tine_error().
 */
int	files_open(struct tine_server *server);

/*
 * Has the directory found now, opened where the handlers run, and looked for
 * at each reload.  Returns 0, or EX_NOINPUT with the text of tine_error().
 */
int	files_use(struct tine_server *server);

/* What server serves, opened now if it was not; NULL with tine_error(). */
struct files *files_of(struct tine_server *server);

/*
 * Answers with the listing of the directory that is open as fd, which is
 * taken; path is "/" or "/a/b/".
 */
void	files_list(struct tine_request *req, const struct files *files, int fd,
	    const char *path);

#endif
