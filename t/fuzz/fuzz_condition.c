/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: conditional requests, and the table of media types.  The input
 * is a mime.types if it begins with '#', else lines: each is a field's letter
 * (m: If-Match, n: If-None-Match, s: If-Modified-Since, u:
 * If-Unmodified-Since, i: If-Range, r: Range) and its value.
 */
#include "../../lib/files/condition.h"
#include "../../lib/files/types.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS	8

static const char *
name_of(char letter)
{
	switch (letter) {
	case 'm':
		return "If-Match";
	case 'n':
		return "if-none-match";
	case 's':
		return "If-Modified-Since";
	case 'u':
		return "IF-UNMODIFIED-SINCE";
	case 'i':
		return "If-Range";
	case 'r':
		return "Range";
	default:
		return "If-Other";
	}
}

static void
judge(const struct tine_field *fields)
{
	static const struct validators what[] = {
		{ "\"tag\"", 784111777, 784112000 },
		{ "W/\"tag\"", 784111777, 784111777 }
	};
	struct conditions conditions;

	conditions_read(&conditions, fields);
	for (size_t i = 0; i < 2; i++) {
		const enum condition is = conditions_judge(&conditions,
		    &what[i]);

		if (!conditions.is_any && is != CONDITION_TRUE)
			abort();
		if (conditions_want_range(&conditions, &what[i]) &&
		    conditions.range == NULL)
			abort();
	}
}

static void
read_fields(char *text)
{
	struct tine_field fields[FIELDS + 1] = { { NULL, NULL } };
	char *line;

	for (size_t i = 0; i < FIELDS && (line = strsep(&text, "\n")) != NULL;
	    i++) {
		fields[i].name = name_of(*line);
		fields[i].value = *line != '\0' ? line + 1 : line;
	}
	judge(fields);
}

static void
read_types(const char *text, size_t length)
{
	struct types types;

	types_init(&types);
	if (types_read(&types, text, length) == -1)
		abort();
	(void)types_find(&types, "a.html");
	(void)types_find(&types, "a.x");
	types_free(&types);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (size > 0 && *text == '#')
		read_types(text, size);
	else
		read_fields(text);
	free(text);
	return 0;
}
