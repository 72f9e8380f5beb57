/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the file of --auth-file, and the field Authorization: the same
 * bytes as either, the field with "Basic " before them, too.
 */
#include "../../lib/base/base64.h"
#include "../../lib/http/auth.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_users(const struct users *users)
{
	for (size_t i = 0; i < users->count; i++) {
		const struct user *user = &users->list[i];
		const size_t length = strlen(user->name);

		if (length == 0 || length > USER_MOST || *user->hash != '$' ||
		    strchr(user->name, ':') != NULL)
			abort();
		if (i > 0 && strcmp(user[-1].name, user->name) >= 0)
			abort();
		if (users_find(users, user->name, length) != user)
			abort();
		(void)users_find(users, user->name, length - 1);
	}
}

static void
read_file(const uint8_t *data, size_t size)
{
	struct users users = { .count = 0 };
	char *text = malloc(size + 1);
	unsigned line;
	const char *why = NULL;

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	if (users_parse(&users, text, size, &line, &why) == 0) {
		if (users.count == 0)
			abort();
		check_users(&users);
	} else if (why == NULL || line > size) {
		abort();
	}
	free(users.list);
	free(text);
}

/* What was decoded has no other form than the one it had. */
static void
check_form(const char *text, size_t length, const char *bytes, size_t count)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	if (length != (count + 2) / 3 * 4)
		abort();
	for (size_t i = 0; i < length; i++) {
		const size_t bit = i * 6;
		const size_t at = bit / 8;
		unsigned both = 0;

		if (bit >= count * 8) {
			if (text[i] != '=')
				abort();
			continue;
		}
		both = (unsigned)(uint8_t)bytes[at] << 8;
		if (at + 1 < count)
			both |= (uint8_t)bytes[at + 1];
		if (text[i] != digits[both >> (10 - bit % 8) & 63])
			abort();
	}
}

static void
decode(const char *text, size_t length)
{
	const size_t size = length / 4 * 3;
	char *out = malloc(size + 1);
	size_t made;

	if (out == NULL)
		abort();
	if (base64_decode(text, length, out, size, &made))
		check_form(text, length, out, made);
	free(out);
}

static void
read_field(const char *value, size_t length)
{
	struct credentials credentials;

	if (!auth_read(&credentials, value, length))
		return;
	if (credentials.name_length > USER_MOST ||
	    strlen(credentials.text) != credentials.name_length ||
	    credentials.password !=
	    credentials.text + credentials.name_length + 1 ||
	    strlen(credentials.password) > PASSWORD_MOST)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *value = malloc(size + 6);

	if (value == NULL)
		abort();
	read_file(data, size);
	memcpy(value, "Basic ", 6);
	memcpy(value + 6, data, size);
	read_field(value, size + 6);
	free(value);
	/* In memory that ends where it does. */
	value = malloc(size > 0 ? size : 1);
	if (value == NULL)
		abort();
	memcpy(value, data, size);
	read_field(value, size);
	decode(value, size);
	free(value);
	return 0;
}
