/* SPDX-License-Identifier: ISC */
/*
 * See users.h.  A line that could let nobody in, or the wrong one, is no
 * reason to leave somebody out without a word: the file is refused.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "../base/descriptor.h"
#include "../base/failure.h"
#include "../server/server.h"
#include "password.h"
#include "users.h"

#define FILE_MOST	((off_t)16 * 1024 * 1024)

/* --------------------------------------------------------------- the hashes */

/* How many characters of crypt(5)'s alphabet text begins with. */
static size_t
span(const char *text)
{
	return strspn(text, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz");
}

/* "05$", then 22 characters of salt and 31 of hash. */
static bool
is_bcrypt(const char *text)
{
	const bool has_cost = text[0] >= '0' && text[0] <= '3' &&
	    text[1] >= '0' && text[1] <= '9' && text[2] == '$';

	return has_cost && strncmp(text, "04", 2) >= 0 &&
	    strncmp(text, "31", 2) <= 0 && span(text + 3) == 53 &&
	    text[3 + 53] == '\0';
}

/* "rounds=5000$" or nothing, a salt, "$", and so many characters of hash. */
static bool
is_sha(const char *text, size_t hash)
{
	size_t salt;

	if (strncmp(text, "rounds=", 7) == 0) {
		const size_t digits = strspn(text + 7, "0123456789");

		if (digits < 4 || digits > 9 || text[7] == '0' ||
		    text[7 + digits] != '$')
			return false;
		text += 7 + digits + 1;
	}
	salt = strcspn(text, "$");
	return salt <= 16 && text[salt] == '$' &&
	    span(text + salt + 1) == hash && text[salt + 1 + hash] == '\0';
}

/* Parameters, a salt and the hash. */
static bool
is_yescrypt(const char *text)
{
	for (int i = 0; i < 2; i++) {
		const size_t n = span(text);

		if (n == 0 || n > 86 || text[n] != '$')
			return false;
		text += n + 1;
	}
	return span(text) == 43 && text[43] == '\0';
}

static bool
is_hash(const char *text)
{
	if (text[0] != '$' || text[1] == '\0')
		return false;
	if (text[1] == '2' && text[2] != '\0' && text[3] == '$')
		return strchr("aby", text[2]) != NULL && is_bcrypt(text + 4);
	if (text[2] != '$')
		return false;
	switch (text[1]) {
	case '5':
		return is_sha(text + 3, 43);
	case '6':
		return is_sha(text + 3, 86);
	case 'y':
		return is_yescrypt(text + 3);
	default:
		return false;
	}
}

/* --------------------------------------------------------------- the lines */

static const char *
judge_hash(const char *hash)
{
	if (*hash == '\0')
		return "has no hash of a password (set one with htpasswd -B)";
	if (is_hash(hash))
		return NULL;
	if (*hash == '{' || strncmp(hash, "$apr1$", 6) == 0 ||
	    strncmp(hash, "$1$", 3) == 0)
		return "has a hash that is broken in no time, of MD5 or SHA-1 "
		    "(make a new one with htpasswd -B)";
	return "has no hash of bcrypt, SHA-256, SHA-512 or yescrypt (make one "
	    "with htpasswd -B)";
}

static bool
has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

/* Where the line's number is that of the last user there. */
static int
add(struct users *users, const struct user *user)
{
	struct user *more;

	if ((users->count & (users->count - 1)) == 0) {
		more = reallocarray(users->list, users->count == 0 ? 1
		    : 2 * users->count, sizeof(*more));
		if (more == NULL)
			return -1;
		users->list = more;
	}
	users->list[users->count++] = *user;
	return 0;
}

/* A line behind whose end is NUL.  NULL, or what is said about it. */
static const char *
parse_line(struct users *users, char *text, size_t length, unsigned number)
{
	struct user user = { .name = text, .line = number };
	char *colon;
	const char *why;

	if (strspn(text, " \t") == length || *text == '#')
		return NULL;
	if (has_control(text, length))
		return "has a control character (lines end with LF alone)";
	colon = strchr(text, ':');
	if (colon == NULL || colon == text)
		return "has no name and colon before the hash";
	if ((size_t)(colon - text) > USER_MOST)
		return "has a name of more than 255 bytes";
	*colon = '\0';
	user.hash = colon + 1;
	/* What may follow a further colon is a comment. */
	colon[1 + strcspn(colon + 1, ":")] = '\0';
	why = judge_hash(user.hash);
	if (why == NULL && add(users, &user) == -1)
		why = "is one too many: there is no memory";
	return why;
}

static int
by_name(const void *a, const void *b)
{
	const struct user *one = a, *other = b;
	const int order = strcmp(one->name, other->name);

	return order != 0 ? order : one->line < other->line ? -1 : 1;
}

static int
sort(struct users *users, unsigned *line, const char **why)
{
	qsort(users->list, users->count, sizeof(*users->list), by_name);
	for (size_t i = 1; i < users->count; i++) {
		const struct user *user = &users->list[i];

		if (strcmp(user[-1].name, user->name) == 0) {
			*line = user->line;
			*why = "names a user a second time";
			return -1;
		}
	}
	return 0;
}

int
users_parse(struct users *users, char *text, size_t length, unsigned *line,
    const char **why)
{
	size_t at = 0;

	*line = 0;
	text[length] = '\0';
	while (at < length) {
		char *end = memchr(text + at, '\n', length - at);
		const size_t n = end != NULL ? (size_t)(end - text) - at
		    : length - at;

		text[at + n] = '\0';
		++*line;
		*why = parse_line(users, text + at, n, *line);
		if (*why != NULL)
			return -1;
		at += n + 1;
	}
	if (users->count > 0)
		return sort(users, line, why);
	*line = 0;
	*why = "names no user";
	return -1;
}

const struct user *
users_find(const struct users *users, const char *name, size_t length)
{
	size_t low = 0, high = users->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct user *user = &users->list[middle];
		const int order = strncmp(user->name, name, length);

		if (order == 0 && user->name[length] == '\0')
			return user;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---------------------------------------------------------------- the file */

static int
read_all(int fd, char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		const ssize_t n = pread(fd, text + at, size - at, (off_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;	/* it was shortened meanwhile */
		if (n <= 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

/* Returns the file's length, or -1 with errno and the text of tine_error(). */
static ssize_t
read_text(struct users *users, const char *path, int fd)
{
	struct stat there;

	if (fstat(fd, &there) == -1)
		return failure("--auth-file=%s: %s", path, strerror(errno));
	if (!S_ISREG(there.st_mode) || there.st_size > FILE_MOST)
		return failure_errno(EINVAL, "--auth-file=%s: it is no file "
		    "of at most 16M", path);
	users->text = malloc((size_t)there.st_size + 1);
	if (users->text == NULL ||
	    read_all(fd, users->text, (size_t)there.st_size) == -1)
		return failure("--auth-file=%s: %s", path, strerror(errno));
	return (ssize_t)there.st_size;
}

static int
load(struct users *users, const char *path, int fd)
{
	const ssize_t length = read_text(users, path, fd);
	unsigned line;
	const char *why;

	if (length == -1)
		return -1;
	if (users_parse(users, users->text, (size_t)length, &line, &why) == 0)
		return 0;
	if (line == 0)
		return failure_errno(EINVAL, "--auth-file=%s: it %s", path,
		    why);
	return failure_errno(EINVAL, "--auth-file=%s: line %u %s", path, line,
	    why);
}

/* Basic realm="...", charset="UTF-8": RFC 7617, section 2. */
static int
make_challenge(struct users *users, const char *realm)
{
	char *quoted = malloc(2 * strlen(realm) + 1);
	size_t n = 0;
	int result;

	if (quoted == NULL)
		return failure("no memory for --auth-realm");
	for (; *realm != '\0'; realm++) {
		if (*realm == '"' || *realm == '\\')
			quoted[n++] = '\\';
		quoted[n++] = *realm;
	}
	quoted[n] = '\0';
	result = asprintf(&users->challenge,
	    "Basic realm=\"%s\", charset=\"UTF-8\"", quoted);
	free(quoted);
	if (result != -1)
		return 0;
	users->challenge = NULL;
	return failure("no memory for --auth-realm");
}

struct users *
users_new(const char *path, int fd, const char *realm)
{
	struct users *users = calloc(1, sizeof(*users));

	if (users == NULL) {
		(void)failure("no memory for the users");
		return NULL;
	}
	(void)pthread_mutex_init(&users->lock, NULL);
	arc4random_buf(users->key, sizeof(users->key));
	if (load(users, path, fd) == 0 && make_challenge(users, realm) == 0 &&
	    password_open() == 0)
		return users;
	users_free(users);
	return NULL;
}

void
users_free(void *memory)
{
	struct users *users = memory;
	const int saved = errno;

	if (users == NULL)
		return;
	(void)pthread_mutex_destroy(&users->lock);
	free(users->list);
	free(users->text);
	free(users->challenge);
	explicit_bzero(users, sizeof(*users));
	free(users);
	errno = saved;
}

static void
warn_exposed(struct tine_server *server, const struct stat *there)
{
	if ((there->st_mode & S_IROTH) != 0)
		server_log(server, TINE_LOG_WARNING, "--auth-file=%s can be "
		    "read by everybody on this machine (chmod o-r)",
		    server->settings.auth_file);
}

/*
 * A copy of the file's bytes, for an upgrade that has to go back to what was
 * in force; or the file itself.  -1 with errno.
 */
static int
open_file(struct tine_server *server)
{
	/* A pipe of that name must not hold the start up. */
	const int file = open(server->settings.auth_file, O_RDONLY |
	    O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat there;
	int copy;

	if (file == -1)
		return failure("--auth-file=%s: %s",
		    server->settings.auth_file, strerror(errno));
	/* What is no file is refused where it is read. */
	if (fstat(file, &there) == -1 || !S_ISREG(there.st_mode) ||
	    there.st_size > FILE_MOST)
		return file;
	warn_exposed(server, &there);
	copy = descriptor_snapshot(file, "users");
	if (copy == -1)
		return file;
	descriptor_close(file);
	return copy;
}

static int
take_users(struct tine_server *server, int fd)
{
	const struct settings *settings = &server->settings;
	const char *realm = settings->auth_realm;
	struct users *users = users_new(settings->auth_file, fd,
	    realm != NULL ? realm : "tine");

	if (users == NULL)
		return -1;
	server->users = users;
	server->users_fd = fd;
	server->free_users = users_free;
	return 0;
}

int
users_prepare(struct tine_server *server)
{
	const struct settings *settings = &server->settings;
	int fd;

	if (settings->auth_file == NULL && settings->auth_realm != NULL)
		return failure_errno(EINVAL, "--auth-realm=%s protects "
		    "nothing without --auth-file", settings->auth_realm);
	if (settings->auth_file == NULL) {
		server->users = NULL;
		server->users_fd = -1;
		return 0;
	}
	/* What was in force is here after an upgrade that failed. */
	if (server->users == NULL && server->users_fd != -1)
		return take_users(server, server->users_fd);
	fd = open_file(server);
	if (fd == -1)
		return -1;
	if (take_users(server, fd) == 0)
		return 0;
	descriptor_close(fd);
	return -1;
}
