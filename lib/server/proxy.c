/* SPDX-License-Identifier: ISC */
/*
 * See proxy.h.
 */
#include <arpa/inet.h>

#include <stdint.h>
#include <string.h>

#include "proxy.h"

static enum proxy_result
bad(struct proxy_header *header, const char *why)
{
	header->why = why;
	return PROXY_BAD;
}

/* Whether all that is there of so many bytes is the same. */
static bool
begins(const char *data, size_t length, const char *with, size_t most)
{
	return memcmp(data, with, length < most ? length : most) == 0;
}

/* --------------------------------------------------- version 1: a line */

/*
 * The next word of a line, which ends at a space: exactly one stands between
 * two words.  False if there is none, or one that would not fit.
 */
static bool
next_word(const char **at, const char *end, char *word, size_t size)
{
	const char *space = memchr(*at, ' ', (size_t)(end - *at));
	const size_t length = (size_t)((space != NULL ? space : end) - *at);

	if (length == 0 || length >= size || memchr(*at, '\0', length) != NULL)
		return false;
	memcpy(word, *at, length);
	word[length] = '\0';
	*at += length + (space != NULL);
	return true;
}

/* 0 to 65535 in digits, with no zero before another one. */
static bool
read_port(const char *word, in_port_t *port)
{
	unsigned number = 0;
	size_t n = 0;

	for (; word[n] >= '0' && word[n] <= '9' && n < 5; n++)
		number = number * 10 + (unsigned)(word[n] - '0');
	if (n == 0 || word[n] != '\0' || number > 65535 ||
	    (n > 1 && word[0] == '0'))
		return false;
	*port = htons((uint16_t)number);
	return true;
}

/* The words behind the protocol: two addresses, two ports. */
static enum proxy_result
read_words(struct proxy_header *header, sa_family_t family, const char *at,
    const char *end)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	char from_port[6], to_port[6];
	struct in6_addr here;
	in_port_t port, here_port;
	void *there = family == AF_INET
	    ? (void *)&header->address.in.sin_addr
	    : (void *)&header->address.in6.sin6_addr;

	if (!next_word(&at, end, from, sizeof(from)) ||
	    !next_word(&at, end, to, sizeof(to)) ||
	    !next_word(&at, end, from_port, sizeof(from_port)) ||
	    !next_word(&at, end, to_port, sizeof(to_port)) ||
	    at != end || end[-1] == ' ')
		return bad(header, "is no line of two addresses and two ports");
	if (inet_pton(family, from, there) != 1 ||
	    inet_pton(family, to, &here) != 1)
		return bad(header, "has an address that is none");
	if (!read_port(from_port, &port) || !read_port(to_port, &here_port))
		return bad(header, "has a port that is none");
	header->address.any.sa_family = family;
	/* The port has the same place in both. */
	header->address.in.sin_port = port;
	return PROXY_DONE;
}

/* What stands between "PROXY " and CRLF. */
static enum proxy_result
read_line(struct proxy_header *header, const char *line, const char *end)
{
	const size_t length = (size_t)(end - line);

	if (length > 5 && memcmp(line, "TCP4 ", 5) == 0)
		return read_words(header, AF_INET, line + 5, end);
	if (length > 5 && memcmp(line, "TCP6 ", 5) == 0)
		return read_words(header, AF_INET6, line + 5, end);
	/* Whatever follows this has to be ignored (section 2.1). */
	if (length >= 7 && memcmp(line, "UNKNOWN", 7) == 0 &&
	    (length == 7 || line[7] == ' '))
		return PROXY_DONE;
	return bad(header, "is neither of TCP4, of TCP6 nor UNKNOWN");
}

static enum proxy_result
parse_line(struct proxy_header *header, const char *data, size_t length)
{
	const size_t n = length < PROXY_LINE ? length : PROXY_LINE;
	const char *lf = memchr(data, '\n', n);
	const char *cr = memchr(data, '\r', n);

	if (lf == NULL && (cr == NULL || cr == data + n - 1))
		return n < PROXY_LINE ? PROXY_MORE
		    : bad(header, "is a line of more than 107 bytes");
	if (lf == NULL || cr != lf - 1)
		return bad(header, "has a line that does not end with CR LF");
	header->length = (size_t)(lf + 1 - data);
	return read_line(header, data + 6, cr);
}

/* ----------------------------------------------------- version 2: binary */

static const char signature[12] = {
	'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'
};

/* How long the addresses are of a family and a transport; -1: no such. */
static int
addresses_length(unsigned char family)
{
	switch (family) {
	case 0x00:		/* neither is said */
		return 0;
	case 0x11: case 0x12:	/* IPv4; TCP, UDP */
		return 12;
	case 0x21: case 0x22:	/* IPv6 */
		return 36;
	case 0x31: case 0x32:	/* Unix: stream, datagram */
		return (int)PROXY_UNIX;
	default:
		return -1;
	}
}

static void
take_addresses(struct proxy_header *header, unsigned char family,
    const char *from)
{
	if (family >> 4 == 1) {
		header->address.in.sin_family = AF_INET;
		memcpy(&header->address.in.sin_addr, from, 4);
		memcpy(&header->address.in.sin_port, from + 8, 2);
	} else if (family >> 4 == 2) {
		header->address.in6.sin6_family = AF_INET6;
		memcpy(&header->address.in6.sin6_addr, from, 16);
		memcpy(&header->address.in6.sin6_port, from + 32, 2);
	}
}

static enum proxy_result
parse_binary(struct proxy_header *header, const char *data, size_t length)
{
	const unsigned char *byte = (const unsigned char *)data;
	size_t rest;
	int needed;

	/* Each is judged as soon as it is there. */
	if (length > 12 && byte[12] != 0x20 && byte[12] != 0x21)
		return bad(header, "has another version than 2, or a command "
		    "that is neither LOCAL nor PROXY");
	if (length < PROXY_HEADER)
		return PROXY_MORE;
	rest = (size_t)byte[14] << 8 | byte[15];
	/* LOCAL: what follows says nothing, whatever it is (section 2.2). */
	needed = byte[12] == 0x20 ? 0 : addresses_length(byte[13]);
	if (needed == -1)
		return bad(header, "has an unknown family or transport");
	if (rest < (size_t)needed)
		return bad(header, "is too short for its addresses");
	if (rest > PROXY_UNIX + PROXY_EXTRA)
		return bad(header, "is longer than 4328 bytes");
	if (length < PROXY_HEADER + rest)
		return PROXY_MORE;
	header->length = PROXY_HEADER + rest;
	if (needed > 0)
		take_addresses(header, byte[13], data + PROXY_HEADER);
	return PROXY_DONE;
}

enum proxy_result
proxy_parse(struct proxy_header *header, const void *data, size_t length)
{
	memset(header, 0, sizeof(*header));
	header->address.any.sa_family = AF_UNSPEC;
	if (length == 0)
		return PROXY_MORE;
	if (begins(data, length, "PROXY ", 6))
		return length < 6 ? PROXY_MORE
		    : parse_line(header, data, length);
	if (begins(data, length, signature, sizeof(signature)))
		return length < sizeof(signature) ? PROXY_MORE
		    : parse_binary(header, data, length);
	return bad(header, "is missing");
}
