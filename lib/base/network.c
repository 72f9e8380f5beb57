/* SPDX-License-Identifier: ISC */
/*
 * See network.h.
 */
#include <arpa/inet.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"
#include "network.h"
#include "number.h"

/* ----------------------------------------------------------------- reading */

static unsigned
bits_of(sa_family_t family)
{
	return family == AF_INET ? 32 : 128;
}

/* What of byte number at does not count. */
static unsigned char
rest_of(unsigned bits, unsigned at)
{
	if (bits >= 8 * (at + 1))
		return 0;
	return (unsigned char)(bits <= 8 * at ? 0xff : 0xff >> (bits - 8 * at));
}

static bool
has_rest(const struct network *network)
{
	unsigned rest = 0;

	for (unsigned i = 0; i < bits_of(network->family) / 8; i++)
		rest |= network->address.bytes[i] & rest_of(network->bits, i);
	return rest != 0;
}

static bool
read_address(struct network *network, const char *text)
{
	network->family = AF_INET;
	if (inet_pton(AF_INET, text, &network->address) == 1)
		return true;
	network->family = AF_INET6;
	return inet_pton(AF_INET6, text, &network->address) == 1;
}

/* Returns NULL, or the end of a sentence that begins with the member. */
static const char *
read_network(struct network *network, char *text)
{
	char *slash = strchr(text, '/');
	long long bits;
	const char *why;

	if (slash != NULL)
		*slash++ = '\0';
	if (!read_address(network, text))
		return "is no address or network (as 10.0.0.0/8, ::1, unix, "
		    "any)";
	network->bits = (unsigned char)bits_of(network->family);
	if (slash != NULL) {
		if (number_integer(slash, 0, network->bits, &bits, &why) == -1)
			return "has no length of a prefix (to 32 for IPv4, to "
			    "128 for IPv6)";
		network->bits = (unsigned char)bits;
	}
	/* Peers that come so are known by what they stand for. */
	if (network->family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&network->address.in6))
		return "is an IPv4 address (write it as one)";
	if (has_rest(network))
		return "has bits behind its prefix (is it a network?)";
	return NULL;
}

static const char *
read_member(struct network *network, char *text)
{
	memset(network, 0, sizeof(*network));
	if (strcmp(text, "any") == 0)
		return NULL;		/* family AF_UNSPEC */
	if (strcmp(text, "unix") == 0) {
		network->family = AF_UNIX;
		return NULL;
	}
	return read_network(network, text);
}

int
network_list_read(struct network_list *list, const char *text)
{
	list->count = 0;
	for (;;) {
		const size_t length = strcspn(text, ",");
		const char *why;
		char member[64];

		if (list->count == NETWORKS)
			return failure_errno(EINVAL, "there are more than %d "
			    "networks", NETWORKS);
		(void)snprintf(member, sizeof(member), "%.*s",
		    length < sizeof(member) ? (int)length : 0, text);
		why = read_member(&list->networks[list->count++], member);
		if (why != NULL)
			return failure_errno(EINVAL, "\"%.*s\" %s",
			    length < 128 ? (int)length : 128, text, why);
		if (text[length] == '\0')
			return 0;
		text += length + 1;
	}
}

/* ----------------------------------------------------------------- looking */

static bool
is_in(const struct network *network, const unsigned char *address)
{
	unsigned other = 0;

	for (unsigned i = 0; i < bits_of(network->family) / 8; i++) {
		const unsigned mask = 0xffU ^ rest_of(network->bits, i);

		other |= (network->address.bytes[i] ^ address[i]) & mask;
	}
	return other == 0;
}

bool
network_list_has(const struct network_list *list, sa_family_t family,
    const void *address)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct network *network = &list->networks[i];

		if (network->family == AF_UNSPEC)
			return true;
		if (network->family != family)
			continue;
		if (family == AF_UNIX || is_in(network, address))
			return true;
	}
	return false;
}
