/* SPDX-License-Identifier: ISC */
/*
 * Where a server listens: text and socket addresses.
 */
#ifndef BASE_ENDPOINT_H
#define BASE_ENDPOINT_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>

struct endpoint {
	union {
		struct sockaddr		any;
		struct sockaddr_in	in;
		struct sockaddr_in6	in6;
		struct sockaddr_un	un;
		struct sockaddr_storage	storage;
	} address;
	socklen_t	length;
	int		type;		/* SOCK_STREAM or SOCK_DGRAM */
	int		inherited;	/* the N of fd:N, else -1 */
};

/*
 * Reads "localhost:8080", ":8080" and "*:8080" (every address), "8080"
 * (localhost), "[::1]:0", "unix:PATH", "unix:@NAME" (abstract) and "fd:N"; for
 * datagrams "udp:localhost:5353" and so on, and "unixgram:PATH".  A
 * name may have several addresses: *count of list are filled in.  Returns -1
 * with errno EINVAL or ENOENT and the text of tine_error().
 */
int	endpoint_parse(const char *text, struct endpoint *list, size_t size,
	    size_t *count);

/* The type of socket that the text asks for, or 0 if it leaves that open. */
int	endpoint_says(const char *text);

/* The address that a socket is bound to, and its type.  -1 with errno. */
int	endpoint_of_socket(struct endpoint *endpoint, int fd);

/* The same form back: "127.0.0.1:8080", "[::1]:8080", "unix:/run/x". */
void	endpoint_format(const struct sockaddr *address, socklen_t length,
	    char *out, size_t size);

/* The same with what tells datagrams: "udp:127.0.0.1:53", "unixgram:/run/x". */
void	endpoint_name(const struct endpoint *endpoint, char *out, size_t size);

bool	endpoint_same(const struct endpoint *a, const struct endpoint *b);

/* Gives to the port that from has, if to has port 0. */
void	endpoint_copy_port(struct endpoint *to, const struct endpoint *from);

#endif
