/* SPDX-License-Identifier: ISC */
/*
 * Lists of addresses and networks, as administrators write them: "10.0.0.0/8",
 * "2001:db8::1", "unix", "any".
 */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>

#define NETWORKS	64	/* in a list, at most */

struct network {
	sa_family_t	family;		/* AF_UNSPEC: any, of any family */
	unsigned char	bits;		/* of the address that count */
	union {
		unsigned char	bytes[16];
		struct in_addr	in;
		struct in6_addr	in6;
	} address;
};

struct network_list {
	unsigned	count;
	struct network	networks[NETWORKS];
};

/*
 * Reads a list with commas between its members.  Returns 0, or -1 with the
 * text of tine_error(), which names the member; list is then undefined.
 */
int	network_list_read(struct network_list *list, const char *text);

/*
 * Whether one of them has the address, which is a struct in_addr or in6_addr
 * as family says, and is not looked at for another family.
 */
bool	network_list_has(const struct network_list *list, sa_family_t family,
	    const void *address);

#endif
