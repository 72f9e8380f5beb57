/* SPDX-License-Identifier: ISC */
/*
 * Whom a request is for: its target, and the Host, as RFC 3986 and RFC 9112
 * have them.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string.h>

#include "../base/cold.h"
#include "head_parts.h"

/* ----------------------------------------------------------------- the Host */

static bool
port_is_valid(const char *text, size_t length)
{
	unsigned port = 0;

	for (size_t i = 0; i < length; i++) {
		port = port * 10 + (unsigned)(text[i] - '0');
		if (!head_is(text[i], DIGIT) || port > 65535)
			return false;
	}
	return true;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool
future_is_valid(const char *text, size_t length)
{
	size_t at = 1;

	while (at < length && head_is(text[at], HEX))
		at++;
	if (at == 1 || at + 1 >= length || text[at] != '.')
		return false;
	for (at++; at < length; at++) {
		if (!head_is(text[at], HOST) && text[at] != ':')
			return false;
	}
	return true;
}

/* Between "[" and "]", RFC 3986, section 3.2.2. */
static bool
literal_is_valid(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (length > 0 && (text[0] | 0x20) == 'v')
		return future_is_valid(text, length);
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return memchr(text, '\0', length) == NULL &&
	    inet_pton(AF_INET6, address, &in6) == 1;
}

/* How much of text is a reg-name: RFC 3986, section 3.2.2. */
static size_t
name_length(const char *text, size_t length)
{
	size_t at = head_skip(text, 0, length, HOST);

	while (length - at >= 3 && text[at] == '%' &&
	    head_is(text[at + 1], HEX) && head_is(text[at + 2], HEX))
		at = head_skip(text, at + 3, length, HOST);
	return at;
}

APART bool
head_host_is_valid(const char *value, size_t length)
{
	size_t n;

	if (length > 0 && value[0] == '[') {
		const char *end = memchr(value, ']', length);

		if (end == NULL)
			return false;
		n = (size_t)(end - value) + 1;
		if (!literal_is_valid(value + 1, n - 2))
			return false;
		return n == length || (value[n] == ':' &&
		    port_is_valid(value + n + 1, length - n - 1));
	}
	n = name_length(value, length);
	if (n == length)
		return true;
	/* A port of no host: RFC 9110, section 4.2.1. */
	return n > 0 && value[n] == ':' &&
	    port_is_valid(value + n + 1, length - n - 1);
}

/* --------------------------------------------------------------- the target */

/*
 * Whether each '%' begins an escape.  Servers decode others in ways of their
 * own.  A query is no path, and its handler's alone.
 */
static bool
escapes_are_valid(const char *path, size_t length)
{
	const char *const end = path + length;

	while ((path = memchr(path, '%', (size_t)(end - path))) != NULL) {
		if (end - path < 3 || !head_is(path[1], HEX) ||
		    !head_is(path[2], HEX))
			return false;
		path += 3;
	}
	return true;
}

/* Returns false if the path is none. */
static bool
split_query(struct head *head, const char *data, size_t from, size_t to)
{
	const char *mark = memchr(data + from, '?', to - from);
	const size_t end = mark == NULL ? to : (size_t)(mark - data);

	head->path = span(from, end);
	head->query = mark == NULL ? span(to, to) : span(end + 1, to);
	return escapes_are_valid(data + from, end - from);
}

/* "http://host/path": RFC 9112, section 3.2.2. */
static bool
absolute_is_valid(struct head *head, const char *data)
{
	const size_t from = head->target.at, to = from + head->target.length;
	const size_t left = head->target.length;
	size_t host, end;

	if (left >= 7 && head_is_word(data + from, "http://", 7))
		host = from + 7;
	else if (left >= 8 && head_is_word(data + from, "https://", 8))
		host = from + 8;
	else
		return false;
	end = host;
	while (end < to && data[end] != '/' && data[end] != '?')
		end++;
	head->form = TARGET_ABSOLUTE;
	head->host = span(host, end);
	return end > host && head_host_is_valid(data + host, end - host) &&
	    split_query(head, data, end, to);
}

/* "host:port", for CONNECT alone: RFC 9112, section 3.2.3. */
static bool
authority_is_valid(struct head *head, const char *data)
{
	const char *text = data + head->target.at;
	const size_t length = head->target.length;

	head->form = TARGET_AUTHORITY;
	head->path = head->target;
	head->query = span(head->target.at + length, head->target.at + length);
	return head_is(text[length - 1], DIGIT) &&
	    memchr(text, ':', length) != NULL &&
	    head_host_is_valid(text, length);
}

APART bool
head_target_is_valid(struct head *head, const char *data)
{
	const size_t from = head->target.at, to = from + head->target.length;

	if (head_method_is(head, data, "CONNECT"))
		return authority_is_valid(head, data);
	if (data[from] == '/') {
		head->form = TARGET_ORIGIN;
		return split_query(head, data, from, to);
	}
	if (head->target.length == 1 && data[from] == '*') {
		head->form = TARGET_ASTERISK;
		(void)split_query(head, data, from, to);
		return head_method_is(head, data, "OPTIONS");
	}
	return absolute_is_valid(head, data);
}
