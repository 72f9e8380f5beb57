/* SPDX-License-Identifier: ISC */
/*
 * Basic authentication (RFC 7617): who may ask at all.
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "users.h"

#define PASSWORD_MOST	((size_t)1024)	/* bytes */

struct http;

/* A name and a password, to be wiped. */
struct credentials {
	char		 text[USER_MOST + 1 + PASSWORD_MOST + 1];
	size_t		 name_length;	/* of the name, which text begins with */
	const char	*password;	/* behind it, in text */
};

/*
 * Reads the value of a field Authorization.  Both parts end with NUL, and
 * have no control character.  False: it has no such credentials.
 */
bool	auth_read(struct credentials *credentials, const char *value,
	    size_t length);

/* Whether the request has credentials that may be good; quick. */
bool	auth_is_tried(const struct http *http);

/*
 * Whether the handler may see the request; if not, 401 has been sent.  Takes
 * as long as a hash may take, and so is a handler's work.
 */
bool	auth_admit(struct http *http);

/* Sends 401 with the challenge. */
void	auth_refuse(struct http *http);

/*
 * For a handler in another process: what this one remembers of the request's
 * credentials, and what the other one has found.  The second believes no more
 * than that they are good.
 */
void	auth_recall(struct http *http);
void	auth_learn(struct http *http);

#endif
