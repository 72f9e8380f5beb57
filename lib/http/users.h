/* SPDX-License-Identifier: ISC */
/*
 * The users of --auth-file: a file as htpasswd(1) writes it, read once, and
 * what a process remembers of passwords that were right.
 */
#ifndef HTTP_USERS_H
#define HTTP_USERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define USER_MOST	((size_t)255)	/* bytes of a name */
#define USER_DIGEST	32
#define USERS_KNOWN	256		/* right passwords, at most */

struct tine_server;

struct user {
	const char	*name;		/* both in users->text */
	const char	*hash;		/* crypt(5)'s */
	unsigned	 line;
};

/* The credentials of one request that were found right. */
struct known {
	unsigned char		 digest[USER_DIGEST];
	const struct user	*user;	/* NULL: none */
};

/* Constant but for what is under the lock. */
struct users {
	struct user	*list;		/* by name */
	size_t		 count;
	char		*text;		/* the file; NUL behind each part */
	char		*challenge;	/* the value of WWW-Authenticate */
	unsigned char	 key[USER_DIGEST];	/* of the digests */
	pthread_mutex_t	 lock;
	struct known	 known[USERS_KNOWN];
};

/*
 * Takes a file's text apart, in place: text[length] is its, too, and users
 * are empty before.  Returns 0, or -1 with the line and the end of a sentence
 * about it; no memory is an error of line 0.
 */
int	users_parse(struct users *users, char *text, size_t length,
	    unsigned *line, const char **why);

const struct user *users_find(const struct users *users, const char *name,
	    size_t length);

/*
 * Reads the bytes of --auth-file, which path names, from fd.  NULL with errno
 * and the text of tine_error().
 */
struct users *users_new(const char *path, int fd, const char *realm);
void	users_free(void *users);

/*
 * The same for a server, as its options say: NULL where they say nothing.
 * What was there before is its owner's still, but for bytes that were there
 * and not read.  Returns 0, or -1 with the text of tine_error(), and then
 * nothing has changed.
 */
int	users_prepare(struct tine_server *server);

/*
 * Whether the password has the hash of user, which may be NULL: that takes as
 * long, and is never so.
 */
bool	users_check(const struct users *users, const struct user *user,
	    const char *name, const char *password);

/* What is remembered by a digest of credentials; NULL: nothing. */
void	users_digest(const struct users *users, const void *data,
	    size_t length, unsigned char digest[USER_DIGEST]);
const struct user *users_known(struct users *users,
	    const unsigned char digest[USER_DIGEST]);
void	users_remember(struct users *users, const struct user *user,
	    const unsigned char digest[USER_DIGEST]);

#endif
