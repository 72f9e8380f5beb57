/* SPDX-License-Identifier: ISC */
/*
 * BaseServer: what it is made of, and what a program keeps in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../base/public.h"
#include "server.h"

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
