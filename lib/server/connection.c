/* SPDX-License-Identifier: ISC */
/*
 * The table of connections, and their peers' addresses.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "../base/cold.h"
#include "../base/text.h"
#include "connection.h"

/*
 * The table is no memory of malloc's, so LeakSanitizer would not see what it
 * points to when a handler ends the process in the middle of everything.
 */
#ifdef __SANITIZE_ADDRESS__
#define KNOWN(memory, size)	__lsan_register_root_region(memory, size)
#define FORGOTTEN(memory, size)	__lsan_unregister_root_region(memory, size)
#else
#define KNOWN(memory, size)
#define FORGOTTEN(memory, size)
#endif

int
connection_table_open(struct connection_table *table, uint32_t size)
{
	void *memory;

	/* Pages are only taken when an entry is used for the first time. */
	memory = mmap(NULL, size * sizeof(struct connection),
	    PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	memset(table, 0, sizeof(*table));
	table->entries = memory;
	table->size = size;
	TAILQ_INIT(&table->free);
	KNOWN(table->entries, size * sizeof(struct connection));
	return 0;
}

void
connection_table_close(struct connection_table *table)
{
	if (table->entries != NULL) {
		FORGOTTEN(table->entries,
		    table->size * sizeof(struct connection));
		(void)munmap(table->entries,
		    table->size * sizeof(struct connection));
	}
	table->entries = NULL;
}

struct connection *
connection_new(struct connection_table *table, int fd)
{
	struct connection *conn = TAILQ_FIRST(&table->free);
	uint32_t generation;

	if (conn != NULL)
		TAILQ_REMOVE(&table->free, conn, entry);
	else if (table->used < table->size)
		conn = &table->entries[table->used++];
	else
		return NULL;
	generation = conn->generation;
	memset(conn, 0, sizeof(*conn));
	conn->generation = generation;
	conn->fd = fd;
	conn->state = CONNECTION_IDLE;
	atomic_init(&conn->ready, CONNECTION_OWNED);
	table->count++;
	return conn;
}

void
connection_free(struct connection_table *table, struct connection *conn)
{
	conn->state = CONNECTION_FREE;
	conn->generation++;
	conn->fd = -1;
	conn->is_admitted = false;
	atomic_store_explicit(&conn->ready, 0, memory_order_relaxed);
	table->count--;
	/* The last one used comes first: its lines are in the cache. */
	TAILQ_INSERT_HEAD(&table->free, conn, entry);
}

/* What the kernel still has of what was sent; 0 if it does not say. */
static uint64_t
untaken(const struct connection *conn)
{
	int bytes = 0;

	if (ioctl(conn->fd, TIOCOUTQ, &bytes) == -1 || bytes < 0)
		return 0;
	return (uint64_t)bytes;
}

APART void
connection_note_untaken(struct connection *conn)
{
	conn->bytes = untaken(conn);
}

bool
connection_has_taken(struct connection *conn)
{
	const uint64_t before = conn->bytes;

	conn->bytes = untaken(conn);
	return conn->bytes < before;
}

/*
 * The lowest bit tells connections from the loop's other sources, whose tags
 * are pointers.
 */
uint64_t
connection_tag(const struct connection_table *table,
    const struct connection *conn)
{
	const uint64_t index = (uint64_t)(conn - table->entries);

	return (uint64_t)conn->generation << 32 | index << 1 | 1;
}

struct connection *
connection_of_tag(const struct connection_table *table, uint64_t tag)
{
	const uint64_t index = (tag & UINT32_MAX) >> 1;
	struct connection *conn;

	if (index >= table->used)
		return NULL;
	conn = &table->entries[index];
	if (conn->generation != (uint32_t)(tag >> 32))
		return NULL;		/* it ended in this turn */
	return conn;
}

static void
peer_set_unix(struct peer *peer, int socket)
{
	struct ucred credentials = { 0, (uid_t)-1, (gid_t)-1 };
	socklen_t length = sizeof(credentials);

	(void)getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials,
	    &length);
	peer->host.unix_.uid = credentials.uid;
	peer->host.unix_.pid = credentials.pid;
}

void
peer_set(struct peer *peer, const struct sockaddr *address, int socket)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	memset(peer, 0, sizeof(*peer));
	peer->family = address->sa_family;
	if (address->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		/* A client of a dual-stack listener is shown as it is. */
		peer->family = AF_INET;
		peer->port = in6->sin6_port;
		memcpy(&peer->host.in, &in6->sin6_addr.s6_addr[12], 4);
	} else if (address->sa_family == AF_INET6) {
		peer->port = in6->sin6_port;
		peer->host.in6 = in6->sin6_addr;
	} else if (address->sa_family == AF_INET) {
		peer->port = in->sin_port;
		peer->host.in = in->sin_addr;
	} else {
		peer->family = AF_UNIX;
		peer_set_unix(peer, socket);
	}
}

/* inet_ntop(3) goes through printf, which costs more than a parsed head. */
static void
format_in(const struct in_addr *in, char *out)
{
	const unsigned char *byte = (const unsigned char *)in;

	for (int i = 0; i < 4; i++) {
		const unsigned n = byte[i];

		if (n >= 100)
			*out++ = (char)('0' + n / 100);
		if (n >= 10)
			*out++ = (char)('0' + n / 10 % 10);
		*out++ = (char)('0' + n % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

APART void
peer_format(const struct peer *peer, char *out, size_t size)
{
	switch (peer->family) {
	case AF_INET:
		format_in(&peer->host.in, out);
		break;
	case AF_INET6:
		if (inet_ntop(AF_INET6, &peer->host.in6, out,
		    (socklen_t)size) == NULL)
			*out = '\0';
		break;
	default:
		(void)snprintf(out, size, "unix:%ld",
		    (long)(int)peer->host.unix_.uid);
		break;
	}
}

unsigned
peer_port(const struct peer *peer)
{
	if (peer->family == AF_UNIX)
		return (unsigned)peer->host.unix_.pid;
	return ntohs(peer->port);
}
