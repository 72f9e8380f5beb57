/* SPDX-License-Identifier: ISC */
/*
 * The server: BaseServer and what a worker needs to serve.  It knows no
 * protocol by name, and not who forks it.
 *
 *   server.c		what it is made of, and what a program keeps in it
 *   server_bind.c	its addresses, and the listeners that are made of them
 *   server_prepare.c	what comes before serving, once for all workers
 *   server_serve.c	serving, in a worker or without a master
 *   server_forked.c	what a process that a handler forks lets go of
 *   server_log.c	the error log, and the title of the process
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdnoreturn.h>

#include "../base/arena.h"
#include "../base/journal.h"
#include "../tine.h"
#include "listener.h"
#include "loop.h"
#include "settings.h"

#define SERVER_JOURNAL	((size_t)32 * 1024)	/* of each log, a worker */

/* The processes that serve, by what they have to do when they are locked in. */
enum confined {
	CONFINED_NOT_YET,	/* what will be needed is opened */
	CONFINED_WORKER,
	CONFINED_FORKER,
	CONFINED_CHILD		/* of a forker that is confined */
};

struct tine_server {
	struct settings		 settings;
	const struct protocol	*protocol;
	void			*handler;	/* the class, a copy of it */
	void			(*free_handler)(void *);
	struct tine_hooks	 hooks;
	void			*data;		/* the user's */
	struct arena		 arena;		/* the options' texts */
	struct server_text	*texts;		/* in it */
	const char		*binds[16];	/* addresses asked for */
	size_t			 bind_count;
	bool			 binds_are_file;	/* of --config */
	/*
	 * Loads the handler in the process that runs it; NULL if it is here.
	 * Returns 0 or an exit status, with the text of tine_error().
	 */
	int			(*load)(struct tine_server *);
	const char		*module;	/* its path */
	const char		*http_option;	/* of HTTP, that was set; NULL */
	int			 module_fd;	/* its bytes; -1: by its path */
	int			 config_fd;	/* those of --config; -1 */
	/*
	 * What a reload calls in the master, and what opens a log: -1 with
	 * the text of tine_error(), and then nothing has changed.
	 */
	int			(*refresh)(struct tine_server *);
	int			(*open_log)(const char *path);
	int			(*reopen_module)(struct tine_server *);
	/* A listener that is there already for an address, or -1. */
	int			(*adopt)(const char *asked, bool *is_ours);
	struct settings		 base;		/* before the options */
	int			 argc;		/* the command line, a copy */
	char			**argv;
	const char		*start_dir;
	int			 pidfile_fd;	/* -1 */

	/* What lib/files serves, if it does. */
	const char		*directory;	/* the operand; NULL */
	_Atomic(void *)		 files;
	void			(*free_files)(void *);

	/* Who may ask, if not all; the protocol's to read.  NULL: all. */
	void			*users;
	void			(*free_users)(void *);
	int			 users_fd;	/* the bytes of their file; -1 */
	/* The settings that server_read_users() read them by. */
	const char		*users_file, *users_realm;

	struct listener		*listeners;
	size_t			 listener_count;

	int			 log_fds[2];	/* requests, errors; -1: none */
	struct journal		 requests;
	struct journal		 errors;
	struct scoreboard	*board;
	int			 board_fd;	/* its memory, in the master; -1 */
	unsigned		 index;		/* this process' line of it */
	int			 handover[2];	/* to and from others; -1 */
	bool			 is_program;	/* its signals are ours */
	bool			 has_title;	/* setproctitle(3) may be used */
	bool			 has_bound_itself; /* before tine_main() */
	bool			 use_syslog;	/* for the error log */
	/*
	 * Locks this process in for good, at the last moment before it meets
	 * a client; NULL: nobody asked for it.  -1 with the text of
	 * tine_error() ends the process.
	 */
	int			(*confine)(struct tine_server *,
				    enum confined);
	bool			 is_confined;	/* if no option says more */
	int			 served;	/* the directory that is; -1 */
	/*
	 * Called in each turn of a worker's loop, beside the hook, and when a
	 * handler that takes long has lost the loop to another thread.
	 */
	void			(*turned)(struct tine_server *);
	/* Called in a worker that crashes; async-signal-safe. */
	void			(*crashing)(struct tine_server *);
	int			 control;	/* to the master; -1: none */
	_Atomic(struct loop *)	 loop;		/* while it runs */
	atomic_int		 end_wanted;	/* before the loop was there */
};

/* A server with no handler yet, which free_handler frees.  NULL: ENOMEM. */
struct tine_server *server_new(const struct protocol *protocol,
	    void (*free_handler)(void *));

/* Takes handler, a class of that protocol, in the place of the one it has. */
void	server_use(struct tine_server *server,
	    const struct protocol *protocol, void *handler,
	    void (*free_handler)(void *));

/*
 * Copies the hooks of a class, whose program has a struct of that size: what
 * an older one does not have is NULL.  Without any, those there stay.
 */
void	server_hook(struct tine_server *server, const struct tine_hooks *hooks,
	    size_t size);

/* What comes before serving, once: limits, signals, the time zone. */
void	server_settle(struct tine_server *server);

/*
 * That, and a new scoreboard.  Returns -1 with errno and the text of
 * tine_error().
 */
int	server_prepare(struct tine_server *server, unsigned workers);

/*
 * Reads who may ask, if these settings have not been read; before privileges
 * go.
 * Returns -1 with errno and the text of tine_error().
 */
int	server_read_users(struct tine_server *server);

/* What the limit of descriptors makes of the settings. */
void	server_bound(struct settings *settings);

/* How many handlers a worker may have in hand, by its scoreboard. */
unsigned server_handlers(const struct settings *settings);

/*
 * A scoreboard for so many workers, and the descriptor of its memory, -1 if
 * it has none; NULL with the text of tine_error().
 */
struct scoreboard *server_board(const struct tine_server *server,
	    unsigned workers, int *fd);

/*
 * Whether the address is one for this server, which has either connections or
 * datagrams.  Returns 0, or -1 with errno EINVAL and the text of tine_error().
 */
int	server_check_bind(const struct tine_server *server, const char *text);

/*
 * Adds a listener that is there already, as it was asked for.  Returns -1
 * with errno and the text of tine_error().
 */
int	server_adopt(struct tine_server *server, int fd, const char *asked,
	    bool is_ours);

/*
 * Serves in this process as worker index.  prepare is called when the loop is
 * open, before the first request; -1 ends the worker.  Returns 0, or -1 with
 * errno and the text of tine_error().
 */
int	server_work(struct tine_server *server, unsigned index,
	    int (*prepare)(struct loop *, void *), void *argument);

/* Calls the hook worker_init.  Returns 0, or -1 with the text of tine_error(). */
int	server_begin(struct tine_server *server);

/* Locks this process in as far as that is wanted; -1 as confine. */
int	server_confine(struct tine_server *server, enum confined who);

/*
 * A copy of text that lives as long as the server: the same one if there is
 * one already, so that reloads do not add up.  NULL: ENOMEM.
 */
const char *server_text(struct tine_server *server, const char *text);

/* Removes what the environment says to the master alone. */
void	server_clean_environment(void);

/* Ends a worker one of whose threads will never end. */
noreturn void server_abandon(struct tine_server *server);

/* Asks the loop of this process to end; async-signal-safe. */
void	server_end(struct tine_server *server, enum loop_end how);

/*
 * Another file under a log's number: whoever writes meanwhile writes whole
 * lines, to the one or to the other.  Takes fd.
 */
void	server_change_log(struct tine_server *server, unsigned which, int fd);

/*
 * Makes nothing of a signal, in this process: unlike one that is ignored, it
 * has its default action in the programs that handlers execute.
 */
void	server_disregard(int sig);

/* A line in the error log. */
void	server_log(struct tine_server *server, enum tine_level level,
	    const char *format, ...) TINE_PRINTF(3, 4);

/* What each line of the error log begins with; returns its length.  64 is enough. */
size_t	server_log_prefix(char *line, size_t size, enum tine_level level);

/* What ps(1) shows of this process, where the arguments may be changed. */
void	server_title(const struct tine_server *server, const char *format, ...)
	    TINE_PRINTF(2, 3);
void	server_vlog(struct tine_server *server, enum tine_level level,
	    const char *format, va_list ap) TINE_PRINTF(3, 0);

#endif
