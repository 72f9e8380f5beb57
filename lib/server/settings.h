/* SPDX-License-Identifier: ISC */
/*
 * What the options decide: filled in once before serving, read by all.  It
 * must not know where the values came from.
 */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/network.h"

enum mode { MODE_SINGLE, MODE_THREAD, MODE_FORK };

/* Where nothing was said, it depends on what is served. */
enum sandbox { SANDBOX_DEFAULT, SANDBOX_OFF, SANDBOX_ON };

/* What a handler may use beside what serving needs. */
struct sandbox_path {
	const char	*path;
	bool		 is_writable;
};

#define SANDBOX_PATHS	16

/* Times are milliseconds, 0 for no limit; sizes are bytes. */
struct settings {
	enum mode	 mode;
	unsigned	 backlog;
	unsigned	 workers;		/* 0: no master */
	unsigned	 workers_most;		/* elastic up to it; 0: fixed */
	bool		 workers_are_auto;	/* nobody said how many */
	unsigned	 spare_least, spare_most;	/* idle workers, elastic */
	unsigned	 max_requests;		/* a worker; 0: any number */
	unsigned	 max_requests_most;	/* 0: a tenth more */
	size_t		 max_memory;		/* resident, of a worker; 0 */
	unsigned	 max_threads;		/* handlers at once, a worker */
	unsigned	 stack_size;		/* of a handler's thread, bytes */
	unsigned	 max_children;		/* at once, a worker */
	unsigned	 spare_children;
	unsigned	 spare_timeout;		/* ms: of one that waits; 0 */
	unsigned	 child_requests;	/* a child */

	unsigned	 timeout;		/* of a handler */
	unsigned	 start_timeout;
	unsigned	 graceful_timeout;
	unsigned	 drain_idle;
	unsigned	 crash_grace;		/* for the other handlers */

	unsigned	 keep_alive;		/* an idle connection */
	unsigned	 header_timeout;	/* a whole head, at first */
	unsigned	 body_timeout;		/* without progress */
	unsigned	 send_timeout;		/* without progress */
	unsigned	 minimum_rate;		/* of a head or body, bytes/s */
	unsigned	 linger_read;		/* between two reads */
	unsigned	 linger_limit;		/* in all */

	size_t		 max_head;
	unsigned	 max_fields;
	off_t		 max_body;
	size_t		 max_extensions;	/* of the chunks of a body */
	size_t		 body_memory;
	size_t		 reply_memory;
	size_t		 memory;		/* of clients, a worker; 0 */
	off_t		 reply_spool;		/* of one reply */
	off_t		 spool_space;		/* of the whole server */
	/* Of a form, where its handler says nothing; see tine_form_limits. */
	unsigned	 form_fields, form_files, form_boundary;
	size_t		 form_memory, form_value_memory, form_headers;
	off_t		 form_file;		/* 0: as the body */
	/* Of files that are served. */
	const char	*directory;		/* NULL: the current one */
	const char	*default_type;
	bool		 follow_symlinks;	/* out of it */
	bool		 listing;
	size_t		 file_cache;		/* bytes, a worker */
	unsigned	 max_connections;	/* a worker; 0: by descriptors */
	unsigned	 max_per_client;	/* a worker; 0: any number */
	const char	*auth_file;		/* NULL: all may ask */
	const char	*auth_realm;		/* NULL: "tine" */
	struct network_list proxies;		/* who sends PROXY headers */

	const char	*spool_dir;		/* NULL: $TMPDIR or /tmp */
	bool		 use_poll;		/* poll(2), not epoll(7) */

	/* What the master does; paths are NULL where nothing was said. */
	const char	*log;			/* "-": standard error */
	const char	*error_log;
	const char	*pidfile;
	const char	*user, *group;
	const char	*chroot, *chdir;
	const char	*config;
	int		 umask;			/* -1: as it is */
	bool		 is_daemon;
	bool		 is_test;		/* of the configuration */
	bool		 has_core;		/* core files are wanted */
	bool		 no_new_privs;

	enum sandbox	 sandbox;
	bool		 sandbox_connect;	/* to anything */
	unsigned	 sandbox_path_count;
	struct sandbox_path sandbox_paths[SANDBOX_PATHS];
};

void	settings_default(struct settings *settings);

/* How many handlers a worker may run at once. */
int	settings_room(const struct settings *settings);

/* The directory for spool files, never NULL. */
const char *settings_spool_dir(const struct settings *settings);

#endif
