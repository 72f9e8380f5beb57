/* SPDX-License-Identifier: ISC */
/*
 * BaseServer: what a program calls to bind and to serve.
 */
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "../base/clock.h"
#include "../base/date.h"
#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../base/public.h"
#include "../base/system_log.h"
#include "../base/text.h"
#include "crash.h"
#include "handover.h"
#include "server.h"

#define CONNECTIONS_MOST	65536
#define LINE_SIZE		4096

/* --------------------------------------------------------- making, freeing */

struct tine_server *
server_new(const struct protocol *protocol, void (*free_handler)(void *))
{
	struct tine_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	settings_default(&server->settings);
	arena_init(&server->arena, NULL, 0);
	server->protocol = protocol;
	server->free_handler = free_handler;
	server->control = server->module_fd = server->pidfile_fd = -1;
	server->served = -1;
	server->config_fd = server->board_fd = server->users_fd = -1;
	server->handover[0] = server->handover[1] = -1;
	server->log_fds[0] = server->log_fds[1] = STDERR_FILENO;
	return server;
}

void
server_use(struct tine_server *server, const struct protocol *protocol,
    void *handler, void (*free_handler)(void *))
{
	if (server->handler != NULL)
		server->free_handler(server->handler);
	server->protocol = protocol;
	server->handler = handler;
	server->free_handler = free_handler;
}

void
server_hook(struct tine_server *server, const struct tine_hooks *hooks,
    size_t size)
{
	if (hooks == NULL)
		return;
	memset(&server->hooks, 0, sizeof(server->hooks));
	memcpy(&server->hooks, hooks, size < sizeof(server->hooks) ? size
	    : sizeof(server->hooks));
}

TINE_PUBLIC void
tine_server_free(struct tine_server *server)
{
	const int saved = errno;

	if (server == NULL)
		return;
	for (size_t i = 0; i < server->listener_count; i++)
		listener_close(&server->listeners[i], true);
	free(server->listeners);
	arena_reset(&server->arena);
	scoreboard_free(server->board);
	descriptor_close(server->board_fd);
	descriptor_close(server->handover[0]);
	descriptor_close(server->handover[1]);
	if (server->handler != NULL)
		server->free_handler(server->handler);
	if (server->files != NULL)
		server->free_files(server->files);
	if (server->users != NULL)
		server->free_users(server->users);
	descriptor_close(server->users_fd);
	free(server);
	errno = saved;
}

/* ----------------------------------------------------------------- binding */

/* What its sockets are. */
static int
server_type(const struct tine_server *server)
{
	return server->protocol->receive != NULL ? SOCK_DGRAM : SOCK_STREAM;
}

int
server_check_bind(const struct tine_server *server, const char *text)
{
	const int type = endpoint_says(text);

	if (type == 0 || type == server_type(server))
		return 0;
	return failure_errno(EINVAL, "%s: %s", text, type == SOCK_DGRAM
	    ? "this server does not serve datagrams"
	    : "this server serves datagrams (examples: udp:localhost:5353, "
	    "unixgram:/run/tine.sock)");
}

static int
open_or_adopt(struct tine_server *server, struct listener *listener,
    const struct endpoint *endpoint)
{
	char asked[128];
	bool is_ours = false;
	int fd = -1;

	if (endpoint->inherited != -1)
		(void)snprintf(asked, sizeof(asked), "fd:%d",
		    endpoint->inherited);
	else
		endpoint_name(endpoint, asked, sizeof(asked));
	if (server->adopt != NULL)
		fd = server->adopt(asked, &is_ours);
	if (fd != -1 ? listener_adopt(listener, fd, is_ours) == -1
	    : listener_open(listener, endpoint, server->settings.backlog) ==
	    -1)
		return -1;
	(void)snprintf(listener->asked, sizeof(listener->asked), "%s", asked);
	listener->is_adopted = fd != -1;
	return 0;
}

/* A descriptor that was passed can be of either kind. */
static int
check_type(const struct tine_server *server, struct listener *listener)
{
	if (listener->endpoint.type == server_type(server))
		return 0;
	(void)failure_errno(ENOTSOCK, "descriptor %d is a socket %s",
	    listener->source.fd, server_type(server) == SOCK_DGRAM
	    ? "of connections, and this server serves datagrams"
	    : "of datagrams, which this server does not serve");
	return -1;
}

static int
add_listener(struct tine_server *server, const struct endpoint *endpoint)
{
	struct listener *listeners;

	listeners = reallocarray(server->listeners, server->listener_count + 1,
	    sizeof(*listeners));
	if (listeners == NULL)
		return failure("no memory for a listener");
	server->listeners = listeners;
	if (open_or_adopt(server, &listeners[server->listener_count],
	    endpoint) == -1 ||
	    check_type(server, &listeners[server->listener_count]) == -1)
		return -1;
	server->listener_count++;
	return 0;
}

int
server_adopt(struct tine_server *server, int fd, const char *asked,
    bool is_ours)
{
	struct listener *listeners, *listener;

	listeners = reallocarray(server->listeners, server->listener_count + 1,
	    sizeof(*listeners));
	if (listeners == NULL)
		return failure("no memory for a listener");
	server->listeners = listeners;
	listener = &listeners[server->listener_count];
	if (listener_adopt(listener, fd, is_ours) == -1)
		return -1;
	(void)snprintf(listener->asked, sizeof(listener->asked), "%s", asked);
	listener->is_adopted = true;
	server->listener_count++;
	return 0;
}

/* The machine does not have this address, or none of its family. */
static bool
is_absent(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/*
 * A name such as localhost may have several addresses.  With port 0 all of
 * them get the port that the first one got.  Those that the machine does not
 * have (::1 in many a container) are left out, if there is another.
 */
TINE_PUBLIC int
tine_server_bind(struct tine_server *server, const char *text)
{
	struct endpoint endpoints[8];
	const size_t before = server->listener_count;
	size_t count, absent = 0;

	if (server_check_bind(server, text) == -1 ||
	    endpoint_parse(text, endpoints, 8, &count) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		endpoints[i].type = server_type(server);
		if (server->listener_count > before)
			endpoint_copy_port(&endpoints[i],
			    &server->listeners[before].endpoint);
		if (add_listener(server, &endpoints[i]) == 0)
			continue;
		if (!is_absent(errno) || ++absent == count)
			goto fail;
	}
	return 0;

fail:
	while (server->listener_count > before) {
		struct listener *listener =
		    &server->listeners[--server->listener_count];

		/* One that was there before is still its owner's. */
		if (!listener->is_adopted)
			listener_close(listener, true);
	}
	return -1;
}

TINE_PUBLIC const char *
tine_server_address(struct tine_server *server, size_t n)
{
	return n < server->listener_count ? server->listeners[n].text : NULL;
}

TINE_PUBLIC int
tine_server_fileno(const struct tine_server *server)
{
	return server->listener_count > 0 ? server->listeners[0].source.fd
	    : -1;
}

TINE_PUBLIC void
tine_server_set_data(struct tine_server *server, void *data)
{
	server->data = data;
}

TINE_PUBLIC void *
tine_server_data(const struct tine_server *server)
{
	return server->data;
}

/* ----------------------------------------------------------------- the log */

static const char *
level_name(enum tine_level level)
{
	switch (level) {
	case TINE_LOG_DEBUG:
		return "DEBUG";
	case TINE_LOG_INFO:
		return "INFO";
	case TINE_LOG_WARNING:
		return "WARNING";
	case TINE_LOG_ERROR:
		break;
	}
	return "ERROR";
}

static int
syslog_level(enum tine_level level)
{
	static const int levels[] = {
		[TINE_LOG_DEBUG] = LOG_DEBUG, [TINE_LOG_INFO] = LOG_INFO,
		[TINE_LOG_WARNING] = LOG_WARNING, [TINE_LOG_ERROR] = LOG_ERR
	};

	return levels[level];
}

size_t
server_log_prefix(char *line, size_t size, enum tine_level level)
{
	char date[21];

	date_log(date, time(NULL));
	return (size_t)snprintf(line, size, "[%s] [%ld] %s ", date,
	    (long)getpid(), level_name(level));
}

void
server_vlog(struct tine_server *server, enum tine_level level,
    const char *format, va_list ap)
{
	char text[LINE_SIZE / 4], line[LINE_SIZE];
	const int saved = errno;
	int length;
	size_t n, start;

	length = vsnprintf(text, sizeof(text), format, ap);
	if (length < 0)
		return;
	n = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
	if (server->use_syslog) {
		(void)system_log_send(syslog_level(level), text, n);
		errno = saved;
		return;
	}
	start = server_log_prefix(line, sizeof(line), level);
	n = start + text_escape_log(line + start, sizeof(line) - start, text,
	    n);
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	if (server->errors.data != NULL) {
		journal_line(&server->errors, clock_ms(), line, n);
		journal_flush(&server->errors);
	} else if (server->log_fds[1] != -1) {
		line[n] = '\n';
		(void)!write(server->log_fds[1], line, n + 1);
	}
	errno = saved;
}

void
server_log(struct tine_server *server, enum tine_level level,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	server_vlog(server, level, format, ap);
	va_end(ap);
}

void
server_title(const struct tine_server *server, const char *format, ...)
{
	char title[512];
	va_list ap;

	if (!server->has_title)
		return;
	va_start(ap, format);
	(void)vsnprintf(title, sizeof(title), format, ap);
	va_end(ap);
	setproctitle("%s", title);
}

void
server_change_log(struct tine_server *server, unsigned which, int fd)
{
	const int log = server->log_fds[which];

	if (fd == -1)
		return;
	journal_flush(which == 0 ? &server->requests : &server->errors);
	if (log != -1 && fd != log)
		(void)dup3(fd, log, O_CLOEXEC);
	descriptor_close(fd);
}

/* ----------------------------------------------------------------- serving */

static void
nothing(int sig)
{
	(void)sig;
}

void
server_disregard(int sig)
{
	const struct sigaction action = {
		.sa_handler = nothing, .sa_flags = SA_RESTART
	};

	(void)sigaction(sig, &action, NULL);
}

/*
 * As many connections as there may be descriptors, less some for the
 * handlers' own files and for spools.
 */
void
server_bound(struct settings *settings)
{
	struct rlimit limit;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		limit.rlim_cur = limit.rlim_max = 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
			(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	room = limit.rlim_cur - limit.rlim_cur / 8;
	room = room > 32 ? room - 24 : 8;
	/* A child has a socket, and a descriptor of its process. */
	if (settings->mode == MODE_FORK) {
		if (settings->max_children > room / 4)
			settings->max_children = (unsigned)(room / 4);
		room -= (rlim_t)settings->max_children * 2;
	}
	if (room > CONNECTIONS_MOST)
		room = CONNECTIONS_MOST;
	if (settings->max_connections == 0 ||
	    settings->max_connections > room)
		settings->max_connections = (unsigned)room;
}

unsigned
server_handlers(const struct settings *settings)
{
	switch (settings->mode) {
	case MODE_THREAD:
		return settings->max_threads + 2;
	case MODE_FORK:
		return settings->max_children + 1;
	case MODE_SINGLE:
		break;
	}
	return 2;
}

struct scoreboard *
server_board(const struct tine_server *server, unsigned workers, int *fd)
{
	struct scoreboard *board = scoreboard_new(workers,
	    server_handlers(&server->settings), SERVER_JOURNAL, fd);

	if (board == NULL)
		(void)failure("no memory for the scoreboard");
	return board;
}

/*
 * A process that a handler forks is none of ours: what it held open would keep
 * clients waiting for their end, and the port from being free.
 */
static struct loop *guarded;

/* Whether it is the client that the handler speaks to, which forks. */
static bool
is_spoken_to(const struct loop *loop, const struct connection *conn)
{
	return loop->protocol->is_conversation && thread_self != NULL &&
	    thread_self->exchange != NULL &&
	    thread_self->exchange->conn == conn;
}

static void
forked_by_handler(void)
{
	const struct loop *loop = guarded;

	if (loop == NULL)
		return;
	guarded = NULL;
	for (size_t i = 0; i < loop->listener_count; i++)
		descriptor_close(loop->listeners[i].source.fd);
	for (uint32_t i = 0; i < loop->table.used; i++) {
		const struct connection *conn = &loop->table.entries[i];

		if (conn->state != CONNECTION_FREE && !is_spoken_to(loop, conn))
			descriptor_close(conn->fd);
	}
	descriptor_close(loop->server->control);
	descriptor_close(loop->server->handover[0]);
	descriptor_close(loop->server->handover[1]);
}

/* For the protocol, which a module may change; else nothing is written. */
static void
prepare_listeners(struct tine_server *server)
{
	const struct protocol *protocol = server->protocol;
	void (*ready)(struct loop *, struct source *, unsigned) =
	    protocol->receive != NULL ? packets_ready : accept_ready;

	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];

		if (listener->source.ready != ready)
			listener->source.ready = ready;
		listener_defer(listener, !protocol->speaks_first);
	}
}

/*
 * What is the same in each worker is done once, before they are forked: then
 * they share the memory of it.
 */
void
server_settle(struct tine_server *server)
{
	static bool is_guarded;

	if (!is_guarded)
		is_guarded = pthread_atfork(NULL, NULL,
		    forked_by_handler) == 0;
	tzset();		/* once, not in each child */
	prepare_listeners(server);
	server_bound(&server->settings);
	server_disregard(SIGPIPE);	/* sendfile(2) has no MSG_NOSIGNAL */
	server_disregard(SIGXFSZ);	/* a file's limit is an error as any */
}

/* A program may set another file when it has served a request. */
int
server_read_users(struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	void *users = server->users;
	const int fd = server->users_fd;

	if (server->protocol->prepare == NULL || (users != NULL &&
	    server->users_file == settings->auth_file &&
	    server->users_realm == settings->auth_realm))
		return 0;
	if (server->protocol->prepare(server) == -1)
		return -1;
	server->users_file = settings->auth_file;
	server->users_realm = settings->auth_realm;
	if (users != NULL) {
		server->free_users(users);
		descriptor_close(fd);
	}
	return 0;
}

int
server_prepare(struct tine_server *server, unsigned workers)
{
	server_settle(server);
	if (server_read_users(server) == -1)
		return -1;
	scoreboard_free(server->board);
	descriptor_close(server->board_fd);
	server->board = server_board(server, workers, &server->board_fd);
	return server->board == NULL ? -1 : 0;
}

static const struct strategy *
strategy_of(const struct settings *settings)
{
	switch (settings->mode) {
	case MODE_THREAD:
		return &strategy_thread;
	case MODE_FORK:
		return &strategy_fork;
	case MODE_SINGLE:
		break;
	}
	return &strategy_single;
}

static bool
verify(struct tine_server *server, const struct peer *peer)
{
	char address[64];
	struct tine_peer shown;

	peer_format(peer, address, sizeof(address));
	shown.address = address;
	shown.port = peer_port(peer);
	return server->hooks.verify_request(server, &shown);
}

static void
open_journals(struct tine_server *server, unsigned index)
{
	struct worker_line *line = &server->board->lines[index];

	journal_open(&server->requests, server->log_fds[0],
	    scoreboard_journal(server->board, index, 0), SERVER_JOURNAL,
	    &line->log_used[0]);
	journal_open(&server->errors, server->log_fds[1],
	    scoreboard_journal(server->board, index, 1), SERVER_JOURNAL,
	    &line->log_used[1]);
}

static void
turned(struct tine_server *server)
{
	if (server->turned != NULL)
		server->turned(server);
	if (server->hooks.service_actions != NULL)
		server->hooks.service_actions(server);
}

static void
fill_loop(struct tine_server *server, struct loop *loop, unsigned index)
{
	struct scoreboard *board = server->board;

	loop->settings = &server->settings;
	loop->protocol = server->protocol;
	loop->strategy = strategy_of(&server->settings);
	loop->server = server;
	loop->index = index;
	loop->line = &board->lines[index];
	loop->space.used = board->spooled;
	loop->space.limit = server->settings.spool_space;
	loop->space.dir = settings_spool_dir(&server->settings);
	loop->requests = &server->requests;
	loop->errors = &server->errors;
	loop->is_threaded = true;
	loop->verify = server->hooks.verify_request != NULL ? verify : NULL;
	loop->turned = server->hooks.service_actions != NULL ? turned
	    : server->turned;
	loop->listeners = server->listeners;
	loop->listener_count = server->listener_count;
	loop->accept_limit = UINT32_MAX;
	loop->turn_within = -1;
	handover_open(loop, server->handover);
	prepare_listeners(server);
	atomic_store(&loop->line->pid, getpid());
}

static void
serve(struct tine_server *server, struct loop *loop)
{
	worker_line_state(loop->line, WORKER_IDLE, clock_ms());
	if (server->is_program) {
		crash_open(loop);
		guarded = loop;
	}
	/* What ends serve_forever() does not concern a single request. */
	if (!loop_is_single_shot(loop)) {
		atomic_store(&server->loop, loop);
		if (atomic_load(&server->end_wanted) != LOOP_RUNS)
			loop_end(loop, (enum loop_end)atomic_load(
			    &server->end_wanted));
	}
	loop_run(loop);
	guarded = NULL;
	crash_close(loop);
	if (!loop_is_single_shot(loop)) {
		atomic_store(&server->loop, NULL);
		atomic_store(&server->end_wanted, LOOP_RUNS);
	}
}

noreturn void
server_abandon(struct tine_server *server)
{
	if (server->hooks.worker_exit != NULL)
		server->hooks.worker_exit(server);
	journal_flush(&server->requests);
	journal_flush(&server->errors);
	_exit(0);
}

int
server_begin(struct tine_server *server)
{
	if (server->hooks.worker_init == NULL)
		return 0;
	(void)failure("%s", "");
	if (server->hooks.worker_init(server) == 0)
		return 0;
	return failure("the hook worker_init failed%s%s",
	    *tine_error() != '\0' ? ": " : "", tine_error());
}

int
server_confine(struct tine_server *server, enum confined who)
{
	return server->confine == NULL ? 0 : server->confine(server, who);
}

/*
 * Locks the process in when its handlers have been made ready, and while it
 * has one thread: what is done about one does not reach the others.
 */
static int
begin(struct tine_server *server, struct loop *loop)
{
	return server_confine(server, CONFINED_WORKER) == 0
	    ? loop_start(loop) : -1;
}

int
server_work(struct tine_server *server, unsigned index,
    int (*prepare)(struct loop *, void *), void *argument)
{
	struct loop *loop;
	int result = -1;

	if (server_confine(server, CONFINED_NOT_YET) == -1)
		return -1;
	loop = loop_new(server->board);
	if (loop == NULL)
		return failure("no memory for the loop");
	server->index = index;
	open_journals(server, index);
	fill_loop(server, loop, index);
	if (loop_open(loop) == 0 &&
	    (server->settings.mode == MODE_FORK ||
	    server_begin(server) == 0) &&
	    begin(server, loop) == 0 &&
	    (prepare == NULL || prepare(loop, argument) == 0)) {
		serve(server, loop);
		if (server->hooks.worker_exit != NULL)
			server->hooks.worker_exit(server);
		result = 0;
	}
	loop_close(loop);
	free(loop);
	return result;
}

void
server_end(struct tine_server *server, enum loop_end how)
{
	struct loop *loop;
	int before = atomic_load(&server->end_wanted);

	while (before < (int)how && !atomic_compare_exchange_weak(
	    &server->end_wanted, &before, (int)how))
		;
	loop = atomic_load(&server->loop);
	if (loop != NULL)
		loop_end(loop, how);
}

struct server_text {
	struct server_text	*next;
	char			 text[];
};

const char *
server_text(struct tine_server *server, const char *text)
{
	const size_t size = strlen(text) + 1;
	struct server_text *found = server->texts;

	while (found != NULL && strcmp(found->text, text) != 0)
		found = found->next;
	if (found != NULL)
		return found->text;
	found = arena_alloc(&server->arena, sizeof(*found) + size);
	if (found == NULL)
		return NULL;
	memcpy(found->text, text, size);
	found->next = server->texts;
	server->texts = found;
	return found->text;
}

void
server_clean_environment(void)
{
	static const char *const names[] = {
		"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"TINE_STATE"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unsetenv(names[i]);
}

static int
need_listener(const struct tine_server *server)
{
	if (server->listener_count > 0)
		return 0;
	return failure_errno(EDESTADDRREQ,
	    "the server is not bound (call tine_server_bind first)");
}

static int
serve_forever(struct tine_server *server, int unused)
{
	(void)unused;
	return server_work(server, 0, NULL, NULL);
}

static int
handle_request(struct tine_server *server, int timeout)
{
	struct loop *loop;
	int result = -1;

	if (server_confine(server, CONFINED_NOT_YET) == -1)
		return -1;
	loop = loop_new(server->board);
	if (loop == NULL)
		return failure("no memory for the loop");
	open_journals(server, 0);
	fill_loop(server, loop, 0);
	loop->turned = NULL;		/* as Python's: only serve_forever */
	loop->accept_limit = 1;
	if (timeout >= 0)
		loop->accept_until = clock_ms() + (uint64_t)timeout;
	if (loop_open(loop) == 0 && begin(server, loop) == 0) {
		serve(server, loop);
		result = loop->accept_limit == 0;
	}
	loop_close(loop);
	free(loop);
	if (result == 0 && server->hooks.handle_timeout != NULL)
		server->hooks.handle_timeout(server);
	return result;
}

/* Here is no master, whatever --workers says; it is for a later one. */
static int
without_master(struct tine_server *server,
    int (*run)(struct tine_server *, int), int timeout)
{
	const unsigned workers = server->settings.workers;
	int result;

	if (need_listener(server) == -1 || server_prepare(server, 1) == -1)
		return -1;
	server->settings.workers = 0;
	result = run(server, timeout);
	server->settings.workers = workers;
	return result;
}

TINE_PUBLIC int
tine_serve_forever(struct tine_server *server)
{
	return without_master(server, serve_forever, -1);
}

TINE_PUBLIC int
tine_handle_request(struct tine_server *server, int timeout)
{
	return without_master(server, handle_request, timeout);
}

TINE_PUBLIC void
tine_shutdown(struct tine_server *server)
{
	server_end(server, LOOP_SHUTS);
}
