/* SPDX-License-Identifier: ISC */
/*
 * See endpoint.h.
 */
#include <arpa/inet.h>

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint.h"
#include "failure.h"
#include "number.h"

static int
refuse(const char *text, const char *why)
{
	return failure_errno(EINVAL, "%s: %s (examples: localhost:8080, "
	    ":8080, [::1]:8080, unix:/run/tine.sock)", text, why);
}

static void
start(struct endpoint *endpoint)
{
	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->type = SOCK_STREAM;
	endpoint->inherited = -1;
}

static int
parse_unix(const char *text, const char *path, int type,
    struct endpoint *endpoint)
{
	struct sockaddr_un *un = &endpoint->address.un;
	const size_t length = strlen(path);

	start(endpoint);
	endpoint->type = type;
	if (length == 0)
		return refuse(text, "a path is missing");
	if (length >= sizeof(un->sun_path))
		return failure_errno(EINVAL, "%s: the path is too long (at "
		    "most %zu bytes)", text, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, length);
	endpoint->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    length + 1);
	if (path[0] == '@') {
		un->sun_path[0] = '\0';
		endpoint->length--;
	}
	return 0;
}

static int
parse_descriptor(const char *text, const char *digits,
    struct endpoint *endpoint)
{
	const char *why;
	long long fd;

	start(endpoint);
	if (number_integer(digits, 0, 65535, &fd, &why) == -1)
		return refuse(text, "the descriptor is no number");
	endpoint->inherited = (int)fd;
	return 0;
}

/* Every address: one socket for both families where there are both. */
static void
parse_any(unsigned port, struct endpoint *endpoint)
{
	const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	start(endpoint);
	if (fd != -1) {
		(void)close(fd);
		endpoint->address.in6.sin6_family = AF_INET6;
		endpoint->address.in6.sin6_port = htons((in_port_t)port);
		endpoint->length = sizeof(endpoint->address.in6);
	} else {
		endpoint->address.in.sin_family = AF_INET;
		endpoint->address.in.sin_port = htons((in_port_t)port);
		endpoint->length = sizeof(endpoint->address.in);
	}
}

static bool
is_known(const struct endpoint *list, size_t count,
    const struct addrinfo *info)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].length == info->ai_addrlen &&
		    memcmp(&list[i].address, info->ai_addr,
		    info->ai_addrlen) == 0)
			return true;
	}
	return false;
}

static int
resolve(const char *text, const char *host, const char *port,
    struct endpoint *list, size_t size, size_t *count)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV
	};
	struct addrinfo *first;
	const int error = getaddrinfo(host, port, &hints, &first);

	if (error != 0)
		return failure_errno(ENOENT, "%s: %s (is the name right?)",
		    text, gai_strerror(error));
	*count = 0;
	for (const struct addrinfo *info = first; info != NULL &&
	    *count < size; info = info->ai_next) {
		struct endpoint *endpoint = &list[*count];

		if (is_known(list, *count, info) ||
		    info->ai_addrlen > sizeof(endpoint->address))
			continue;
		start(endpoint);
		memcpy(&endpoint->address, info->ai_addr, info->ai_addrlen);
		endpoint->length = info->ai_addrlen;
		(*count)++;
	}
	freeaddrinfo(first);
	return 0;
}

/* Splits "host:port"; host has room for as much as text. */
static int
split(const char *text, char *host, const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t length = strlen(text);

	if (text[0] == '[' && length > 1 && text[length - 1] == ']')
		return refuse(text, "a port is missing");

	if (colon == NULL) {
		(void)strcpy(host, "localhost");
		*port = text;
		return 0;
	}
	*port = colon + 1;
	length = (size_t)(colon - text);
	if (text[0] == '[') {
		if (length < 2 || text[length - 1] != ']')
			return refuse(text, "a bracket is missing");
		text++;
		length -= 2;
	} else if (memchr(text, ':', length) != NULL) {
		return refuse(text, "an IPv6 address needs brackets");
	}
	memcpy(host, text, length);
	host[length] = '\0';
	return 0;
}

static int
parse_internet(const char *text, int type, struct endpoint *list,
    size_t size, size_t *count)
{
	char host[256];
	const char *digits = text, *why;
	long long port;

	if (strlen(text) >= 256)
		return refuse("the address", "is too long");
	if (split(text, host, &digits) == -1)
		return -1;
	if (number_integer(digits, 0, 65535, &port, &why) == -1)
		return refuse(text, *digits == '\0' || digits == text
		    ? "a port is missing"
		    : "the port is no number from 0 to 65535");
	if (host[0] == '\0' || strcmp(host, "*") == 0) {
		parse_any((unsigned)port, list);
		*count = 1;
	} else if (resolve(text, host, digits, list, size, count) == -1) {
		return -1;
	}
	for (size_t i = 0; i < *count; i++)
		list[i].type = type;
	return 0;
}

static const struct prefix {
	const char	*text;
	int		 type;
	bool		 is_unix;
} prefixes[] = {
	{ "tcp:", SOCK_STREAM, false }, { "unix:", SOCK_STREAM, true },
	{ "udp:", SOCK_DGRAM, false }, { "unixgram:", SOCK_DGRAM, true }
};

/* NULL if there is none. */
static const struct prefix *
prefix_of(const char *text)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(text, prefixes[i].text,
		    strlen(prefixes[i].text)) == 0)
			return &prefixes[i];
	}
	return NULL;
}

int
endpoint_says(const char *text)
{
	const struct prefix *prefix = prefix_of(text);

	return prefix != NULL ? prefix->type : 0;
}

int
endpoint_parse(const char *text, struct endpoint *list, size_t size,
    size_t *count)
{
	const struct prefix *prefix = prefix_of(text);
	const char *rest;

	*count = 1;
	if (strncmp(text, "fd:", 3) == 0)
		return parse_descriptor(text, text + 3, list);
	if (prefix == NULL)
		return parse_internet(text, SOCK_STREAM, list, size, count);
	rest = text + strlen(prefix->text);
	return prefix->is_unix ? parse_unix(text, rest, prefix->type, list)
	    : parse_internet(rest, prefix->type, list, size, count);
}

static void
format_unix(const struct sockaddr_un *un, socklen_t length, char *out,
    size_t size)
{
	const size_t before = offsetof(struct sockaddr_un, sun_path);
	const int n = length > before ? (int)(length - before) : 0;

	if (n > 0 && un->sun_path[0] == '\0')
		(void)snprintf(out, size, "unix:@%.*s", n - 1,
		    un->sun_path + 1);
	else
		(void)snprintf(out, size, "unix:%.*s", n, un->sun_path);
}

void
endpoint_format(const struct sockaddr *address, socklen_t length, char *out,
    size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	switch (address->sa_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		(void)snprintf(out, size, "%s:%u", host,
		    ntohs(in->sin_port));
		break;
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			(void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12],
			    host, sizeof(host));
			(void)snprintf(out, size, "%s:%u", host,
			    ntohs(in6->sin6_port));
			break;
		}
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		(void)snprintf(out, size, "[%s]:%u", host,
		    ntohs(in6->sin6_port));
		break;
	default:
		format_unix((const struct sockaddr_un *)address, length, out,
		    size);
		break;
	}
}

void
endpoint_name(const struct endpoint *endpoint, char *out, size_t size)
{
	const bool is_unix = endpoint->address.any.sa_family == AF_UNIX;
	const char *prefix = endpoint->type != SOCK_DGRAM ? ""
	    : is_unix ? "unixgram:" : "udp:";
	char text[128];

	endpoint_format(&endpoint->address.any, endpoint->length, text,
	    sizeof(text));
	(void)snprintf(out, size, "%s%s", prefix, *prefix != '\0' && is_unix
	    ? text + strlen("unix:") : text);
}

bool
endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->type == b->type && a->inherited == b->inherited &&
	    a->length == b->length &&
	    memcmp(&a->address, &b->address, a->length) == 0;
}

static in_port_t *
port_of(struct endpoint *endpoint)
{
	switch (endpoint->address.any.sa_family) {
	case AF_INET:
		return &endpoint->address.in.sin_port;
	case AF_INET6:
		return &endpoint->address.in6.sin6_port;
	default:
		return NULL;
	}
}

void
endpoint_copy_port(struct endpoint *to, const struct endpoint *from)
{
	struct endpoint copy = *from;
	const in_port_t *port = port_of(&copy);
	in_port_t *mine = port_of(to);

	if (port != NULL && mine != NULL && *mine == 0)
		*mine = *port;
}

int
endpoint_of_socket(struct endpoint *endpoint, int fd)
{
	socklen_t size = sizeof(endpoint->type);

	endpoint->length = sizeof(endpoint->address.storage);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &endpoint->type, &size) == -1)
		return -1;
	return getsockname(fd, &endpoint->address.any, &endpoint->length);
}
