/* SPDX-License-Identifier: ISC */
/*
 * See types.h.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types.h"

#define LONGEST	32	/* an extension; what is longer is none */

struct types_entry {
	struct types_entry	*next;
	const char		*type;
	char			 extension[];	/* lower case */
};

struct fixed {
	const char	*extension, *type;
};

/*
 * Before all else, as in Python: browsers would decompress, and show or save
 * another file than the one asked for, were these told by Content-Encoding.
 */
static const struct fixed overrides[] = {
	{ "gz", "application/gzip" },
	{ "tgz", "application/gzip" },
	{ "z", "application/octet-stream" },
	{ "bz2", "application/x-bzip2" },
	{ "xz", "application/x-xz" }
};

/* What a page consists of, and what is often offered for download. */
static const struct fixed built_in[] = {
	{ "avif", "image/avif" },
	{ "bmp", "image/bmp" },
	{ "c", "text/plain" },
	{ "css", "text/css" },
	{ "csv", "text/csv" },
	{ "gif", "image/gif" },
	{ "h", "text/plain" },
	{ "htm", "text/html" },
	{ "html", "text/html" },
	{ "ico", "image/vnd.microsoft.icon" },
	{ "jpeg", "image/jpeg" },
	{ "jpg", "image/jpeg" },
	{ "js", "text/javascript" },
	{ "json", "application/json" },
	{ "log", "text/plain" },
	{ "md", "text/markdown" },
	{ "mjs", "text/javascript" },
	{ "mp3", "audio/mpeg" },
	{ "mp4", "video/mp4" },
	{ "ogg", "audio/ogg" },
	{ "otf", "font/otf" },
	{ "pdf", "application/pdf" },
	{ "png", "image/png" },
	{ "svg", "image/svg+xml" },
	{ "tar", "application/x-tar" },
	{ "ttf", "font/ttf" },
	{ "txt", "text/plain" },
	{ "wasm", "application/wasm" },
	{ "wav", "audio/x-wav" },
	{ "webm", "video/webm" },
	{ "webp", "image/webp" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "xhtml", "application/xhtml+xml" },
	{ "xml", "text/xml" },
	{ "zip", "application/zip" }
};

#define COUNT(table)	(sizeof(table) / sizeof((table)[0]))

void
types_init(struct types *types)
{
	memset(types, 0, sizeof(*types));
	arena_init(&types->arena, NULL, 0);
}

void
types_free(struct types *types)
{
	free(types->slots);
	arena_reset(&types->arena);
	types_init(types);
}

static char
lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c + 32);
	return c;
}

static size_t
hash(const char *text)
{
	uint32_t sum = 2166136261U;	/* FNV-1a */

	for (; *text != '\0'; text++)
		sum = (sum ^ (unsigned char)*text) * 16777619U;
	return sum;
}

static const struct types_entry *
find(const struct types *types, const char *extension)
{
	const struct types_entry *entry;

	if (types->size == 0)
		return NULL;
	entry = types->slots[hash(extension) & (types->size - 1)];
	while (entry != NULL && strcmp(entry->extension, extension) != 0)
		entry = entry->next;
	return entry;
}

/* Makes room for one more entry. */
static int
grow(struct types *types)
{
	const size_t size = types->size > 0 ? types->size * 2 : 256;
	struct types_entry **slots;

	if (types->count < types->size)
		return 0;
	slots = calloc(size, sizeof(struct types_entry *));
	if (slots == NULL)
		return -1;
	for (size_t i = 0; i < types->size; i++) {
		struct types_entry *entry, *next;

		for (entry = types->slots[i]; entry != NULL; entry = next) {
			const size_t at = hash(entry->extension) & (size - 1);

			next = entry->next;
			entry->next = slots[at];
			slots[at] = entry;
		}
	}
	free(types->slots);
	types->slots = slots;
	types->size = size;
	return 0;
}

static int
add(struct types *types, const char *type, const char *word, size_t length)
{
	char extension[LONGEST + 1];
	struct types_entry *entry, **slot;

	if (length == 0 || length > LONGEST)
		return 0;
	for (size_t i = 0; i < length; i++)
		extension[i] = lower(word[i]);
	extension[length] = '\0';
	if (find(types, extension) != NULL)
		return 0;
	entry = arena_alloc(&types->arena, sizeof(*entry) + length + 1);
	if (entry == NULL || grow(types) == -1)
		return -1;
	entry->type = type;
	memcpy(entry->extension, extension, length + 1);
	slot = &types->slots[hash(extension) & (types->size - 1)];
	entry->next = *slot;
	*slot = entry;
	types->count++;
	return 0;
}

/* ----------------------------------------------------------------- reading */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The next word of a line that ends at end; its length is 0 at the end. */
static const char *
next_word(const char **at, const char *end, size_t *length)
{
	const char *word;

	while (*at < end && is_blank(**at))
		(*at)++;
	word = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	*length = (size_t)(*at - word);
	return word;
}

/* Printable ASCII with a slash inside. */
bool
types_is_type(const char *text, size_t length)
{
	const char *slash = memchr(text, '/', length);

	if (slash == NULL || slash == text || slash == text + length - 1)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] <= 0x20 || text[i] > 0x7e)
			return false;
	}
	return true;
}

static int
read_line(struct types *types, const char *at, const char *end)
{
	const char *word, *type = NULL;
	size_t length;

	word = next_word(&at, end, &length);
	if (length == 0 || !types_is_type(word, length))
		return 0;
	for (;;) {
		size_t n;
		const char *extension = next_word(&at, end, &n);

		if (n == 0)
			return 0;
		if (type == NULL)
			type = arena_strndup(&types->arena, word, length);
		if (type == NULL || add(types, type, extension, n) == -1)
			return -1;
	}
}

int
types_read(struct types *types, const char *text, size_t length)
{
	const char *const end = text + length;

	while (text < end) {
		const char *line = memchr(text, '\n', (size_t)(end - text));
		const char *stop = line != NULL ? line : end;
		const char *comment = memchr(text, '#',
		    (size_t)(stop - text));

		if (read_line(types, text, comment != NULL ? comment : stop) ==
		    -1)
			return -1;
		text = line != NULL ? line + 1 : end;
	}
	return 0;
}

int
types_load(struct types *types, const char *path)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int result = 0;

	if (in == NULL)
		return -1;
	while (result == 0 && (n = getline(&line, &size, in)) != -1)
		result = types_read(types, line, (size_t)n);
	if (ferror(in))
		result = -1;
	free(line);
	(void)fclose(in);
	return result;
}

/* ----------------------------------------------------------------- finding */

static const char *
find_fixed(const struct fixed *table, size_t count, const char *extension)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].extension, extension) == 0)
			return table[i].type;
	}
	return NULL;
}

const char *
types_find(const struct types *types, const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *dot = strrchr(slash != NULL ? slash : name, '.');
	const struct types_entry *entry;
	char extension[LONGEST + 1];
	const char *type;
	size_t length;

	if (dot == NULL || dot[1] == '\0')
		return NULL;
	/* ".profile" is a name, not an extension. */
	if (dot == name || dot[-1] == '/')
		return NULL;
	length = strlen(++dot);
	if (length > LONGEST)
		return NULL;
	for (size_t i = 0; i <= length; i++)
		extension[i] = lower(dot[i]);
	type = find_fixed(overrides, COUNT(overrides), extension);
	if (type == NULL && (entry = find(types, extension)) != NULL)
		type = entry->type;
	if (type == NULL)
		type = find_fixed(built_in, COUNT(built_in), extension);
	return type;
}
