/* SPDX-License-Identifier: ISC */
/*
 * Whether a password is a user's, and the memory of those that were: a hash
 * is made to take long, and a browser sends its password with each request.
 */
#include <assert.h>
#include <crypt.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sha2.h>

#include "../base/failure.h"
#include "password.h"
#include "users.h"

static_assert(USER_DIGEST == SHA256_DIGEST_LENGTH, "a digest fits");

typedef char *crypt_function(const char *, const char *, struct crypt_data *);

static crypt_function *hash_password;	/* set before there are threads */

/*
 * Loaded where it is wanted, not linked: in mode fork each mapping of the
 * process costs each request something, also where nobody has to log in.
 */
int
password_open(void)
{
	static void *library;	/* for as long as the process lives */

	if (hash_password != NULL)
		return 0;
	library = dlopen(*CRYPT_LIBRARY != '\0' ? CRYPT_LIBRARY : NULL,
	    RTLD_NOW | RTLD_LOCAL);
	if (library != NULL)
		*(void **)&hash_password = dlsym(library, "crypt_r");
	return hash_password != NULL ? 0 : failure_errno(ENOSYS,
	    "--auth-file: the library that makes hashes of passwords cannot "
	    "be loaded: %s", dlerror());
}

/* How far both are the same must not show in how long it takes. */
static bool
is_same(const void *a, const void *b, size_t length)
{
	const volatile unsigned char *one = a, *other = b;
	unsigned char difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= one[i] ^ other[i];
	return difference == 0;
}

/* ----------------------------------------------------------------- digests */

/* Keyed, so that what is remembered tells nothing about a password. */
void
users_digest(const struct users *users, const void *data, size_t length,
    unsigned char digest[USER_DIGEST])
{
	SHA2_CTX context;

	SHA256Init(&context);
	SHA256Update(&context, users->key, sizeof(users->key));
	SHA256Update(&context, data, length);
	SHA256Final(digest, &context);
	explicit_bzero(&context, sizeof(context));
}

const struct user *
users_known(struct users *users, const unsigned char digest[USER_DIGEST])
{
	const struct known *known = &users->known[digest[0]];
	const struct user *user;

	static_assert(USERS_KNOWN == 256, "a byte is an index");
	(void)pthread_mutex_lock(&users->lock);
	user = is_same(known->digest, digest, USER_DIGEST)
	    ? known->user : NULL;
	(void)pthread_mutex_unlock(&users->lock);
	return user;
}

void
users_remember(struct users *users, const struct user *user,
    const unsigned char digest[USER_DIGEST])
{
	struct known *known = &users->known[digest[0]];

	(void)pthread_mutex_lock(&users->lock);
	memcpy(known->digest, digest, USER_DIGEST);
	known->user = user;
	(void)pthread_mutex_unlock(&users->lock);
}

/* ---------------------------------------------------------------- checking */

/*
 * A name that is none has somebody's hash, always the same one's: so it takes
 * as long as a wrong password, however different the hashes are.
 */
static const char *
decoy(const struct users *users, const char *name)
{
	unsigned char digest[USER_DIGEST];
	uint64_t number;

	users_digest(users, name, strlen(name), digest);
	memcpy(&number, digest, sizeof(number));
	return users->list[number % users->count].hash;
}

bool
users_check(const struct users *users, const struct user *user,
    const char *name, const char *password)
{
	const char *hash = user != NULL ? user->hash : decoy(users, name);
	struct crypt_data *data = calloc(1, sizeof(*data));
	const size_t length = strlen(hash);
	const char *made;
	bool is_right;

	if (data == NULL)
		return false;
	made = hash_password(password, hash, data);
	is_right = made != NULL && strlen(made) == length &&
	    is_same(made, hash, length);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return is_right && user != NULL;
}
