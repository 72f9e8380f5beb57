/* SPDX-License-Identifier: ISC */
/*
 * See auth.h.
 */
#include <string.h>

#include "../base/base64.h"
#include "../base/cold.h"
#include "../base/text.h"
#include "../server/loop.h"
#include "../server/server.h"
#include "auth.h"
#include "http.h"

#define VALUE_MOST	((size_t)2048)	/* what fits in base 64, and more */

static struct users *
users_of(const struct http *http)
{
	return http->exchange->loop->server->users;
}

/* --------------------------------------------------------------- the field */

static bool
take_apart(struct credentials *credentials, size_t length)
{
	char *text = credentials->text;
	char *colon = memchr(text, ':', length);

	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	if (colon == NULL || (size_t)(colon - text) > USER_MOST ||
	    (size_t)(text + length - (colon + 1)) > PASSWORD_MOST)
		return false;
	text[length] = *colon = '\0';
	credentials->name_length = (size_t)(colon - text);
	credentials->password = colon + 1;
	return true;
}

bool
auth_read(struct credentials *credentials, const char *value, size_t length)
{
	size_t at = 5, made;

	if (length < at || !text_equal_case(value, at, "Basic", at))
		return false;
	while (at < length && value[at] == ' ')
		at++;
	if (at == 5)
		return false;
	return base64_decode(value + at, length - at, credentials->text,
	    sizeof(credentials->text) - 1, &made) &&
	    take_apart(credentials, made);
}

/* The one field Authorization; more than one are none. */
static bool
find(const struct http *http, const char **value, size_t *length)
{
	const struct input *input = &http->exchange->input;
	const char *start = input->data + input->start;
	const struct head_field *found = NULL;

	for (uint32_t i = 0; i < http->head.count; i++) {
		const struct head_field *field = &http->head.fields[i];

		if (!text_equal_case(start + field->name.at,
		    field->name.length, "Authorization", 13))
			continue;
		if (found != NULL)
			return false;
		found = field;
	}
	if (found == NULL || found->value.length > VALUE_MOST)
		return false;
	*value = start + found->value.at;
	*length = found->value.length;
	return true;
}

bool
auth_is_tried(const struct http *http)
{
	const char *value;
	size_t length;

	return find(http, &value, &length);
}

/* ------------------------------------------------------------------ who is */

static void
log_refused(struct http *http, const struct credentials *credentials)
{
	char name[2 * USER_MOST];

	log_quote(name, sizeof(name), credentials->text,
	    credentials->name_length);
	tine_log(&http->request, TINE_LOG_WARNING,
	    "no such user and password: %s", name);
}

static const struct user *
check(struct http *http, const char *value, size_t length)
{
	const struct users *users = users_of(http);
	struct credentials credentials;
	const struct user *user = NULL;

	if (auth_read(&credentials, value, length)) {
		user = users_find(users, credentials.text,
		    credentials.name_length);
		if (!users_check(users, user, credentials.text,
		    credentials.password)) {
			log_refused(http, &credentials);
			user = NULL;
		}
	}
	explicit_bzero(&credentials, sizeof(credentials));
	return user;
}

static const struct user *
authenticate(struct http *http)
{
	struct users *users = users_of(http);
	unsigned char digest[USER_DIGEST];
	const struct user *user;
	const char *value;
	size_t length;

	if (!find(http, &value, &length))
		return NULL;
	users_digest(users, value, length, digest);
	user = users_known(users, digest);
	if (user != NULL)
		return user;
	user = check(http, value, length);
	if (user != NULL)
		users_remember(users, user, digest);
	return user;
}

static void
set_user(struct http *http, const struct user *user)
{
	http->user = user;
	http->request.remote_user = user != NULL ? user->name : NULL;
}

void
auth_refuse(struct http *http)
{
	const struct tine_field fields[] = {
		{ "WWW-Authenticate", users_of(http)->challenge },
		{ NULL, NULL }
	};

	(void)reply_send_error(http, 401, NULL, fields);
}

APART bool
auth_admit(struct http *http)
{
	/* In mode fork the worker may know already. */
	set_user(http, http->user != NULL ? http->user : authenticate(http));
	if (http->user != NULL)
		return true;
	auth_refuse(http);
	return false;
}

/* --------------------------------------------- a handler in another process */

void
auth_recall(struct http *http)
{
	struct users *users = users_of(http);
	unsigned char digest[USER_DIGEST];
	const char *value;
	size_t length;

	if (!find(http, &value, &length))
		return;
	users_digest(users, value, length, digest);
	http->user = users_known(users, digest);
}

void
auth_learn(struct http *http)
{
	struct users *users = users_of(http);
	struct credentials credentials;
	unsigned char digest[USER_DIGEST];
	const struct user *user = http->user;
	const char *value;
	size_t length;

	if (!find(http, &value, &length))
		return;
	if (user == NULL && auth_read(&credentials, value, length)) {
		user = users_find(users, credentials.text,
		    credentials.name_length);
		explicit_bzero(&credentials, sizeof(credentials));
		users_digest(users, value, length, digest);
		if (user != NULL)
			users_remember(users, user, digest);
	}
	set_user(http, user);
}
