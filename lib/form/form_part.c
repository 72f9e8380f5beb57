/* SPDX-License-Identifier: ISC */
/*
 * See form_part.h.
 */
#include <stdbool.h>
#include <string.h>

#include "../base/text.h"
#include "form_part.h"
#include "header_parameters.h"

/* The text of a part's parameters: what is there is not NULL. */
struct disposition {
	char		*name;
	size_t		 name_length;
	char		*filename;
	char		*extended;	/* filename*; wins */
	const char	*why;
};

static const struct tine_field *
find(const struct tine_field *headers, const char *name)
{
	const size_t length = strlen(name);

	for (; headers->name != NULL; headers++) {
		if (text_equal_case(headers->name, strlen(headers->name),
		    name, length))
			return headers;
	}
	return NULL;
}

/* --------------------------------------------------------- the safe name */

static const char *
last_part(const char *filename)
{
	const char *last = filename;

	for (; *filename != '\0'; filename++) {
		if (*filename == '/' || *filename == '\\')
			last = filename + 1;
	}
	return last;
}

/* Cuts a UTF-8 sequence that was not finished by the byte next. */
static size_t
whole_characters(const char *text, size_t length, char next)
{
	if (((unsigned char)next & 0xc0) != 0x80)
		return length;
	while (length > 0 && ((unsigned char)text[length - 1] & 0xc0) == 0x80)
		length--;
	return length > 0 ? length - 1 : 0;
}

size_t
form_part_safe_name(char out[FORM_SAFE_NAME + 1], const char *filename)
{
	const char *at = last_part(filename);
	size_t used = 0;

	for (; *at != '\0' && used < FORM_SAFE_NAME; at++) {
		const unsigned char c = (unsigned char)*at;

		if (c < ' ' || c == 0x7f)
			continue;
		if (used == 0 && (c == '.' || c == ' '))
			continue;	/* hidden, or a directory */
		out[used++] = *at;
	}
	used = whole_characters(out, used, *at);
	out[used] = '\0';
	return used;
}

/* -------------------------------------------------------- the disposition */

static enum form_part_result
bad(struct disposition *disposition, const char *why)
{
	disposition->why = why;
	return FORM_PART_BAD;
}

static enum form_part_result
take_form(struct disposition *disposition, struct arena *arena,
    const struct header_parameter *parameter, char **text, size_t *length)
{
	if (*text != NULL)
		return bad(disposition, "a part has two names");
	*text = arena_alloc(arena, parameter->length + 1);
	if (*text == NULL)
		return FORM_PART_NO_MEMORY;
	*length = header_parameter_form(parameter, *text);
	return FORM_PART_GOOD;
}

/* One that cannot be read is as good as none: filename is there for that. */
static enum form_part_result
take_extended(struct disposition *disposition, struct arena *arena,
    const struct header_parameter *parameter)
{
	char *text = arena_alloc(arena, parameter->length + 1);
	size_t length;

	if (text == NULL)
		return FORM_PART_NO_MEMORY;
	if (!header_parameter_extended(parameter, text, &length))
		return FORM_PART_GOOD;
	if (disposition->extended != NULL)
		return bad(disposition, "a part has two names");
	disposition->extended = text;
	return FORM_PART_GOOD;
}

static enum form_part_result
take_parameter(struct disposition *disposition, struct arena *arena,
    const struct header_parameter *parameter)
{
	size_t length;

	if (header_parameter_is(parameter, "name"))
		return take_form(disposition, arena, parameter,
		    &disposition->name, &disposition->name_length);
	if (header_parameter_is(parameter, "filename"))
		return take_form(disposition, arena, parameter,
		    &disposition->filename, &length);
	if (header_parameter_is(parameter, "filename*"))
		return take_extended(disposition, arena, parameter);
	return FORM_PART_GOOD;
}

static enum form_part_result
read_disposition(struct disposition *disposition, struct arena *arena,
    const struct tine_field *headers)
{
	const struct tine_field *header = find(headers, "Content-Disposition");
	struct header_parameters all;
	struct header_parameter parameter;
	enum header_result next;

	if (header == NULL)
		return bad(disposition, "a part has no Content-Disposition");
	if (find(header + 1, "Content-Disposition") != NULL)
		return bad(disposition, "a part has two Content-Dispositions");
	header_parameters_init(&all, header->value);
	if (!text_equal_case(all.word, all.word_length, "form-data", 9))
		return bad(disposition, "a part is not form-data");
	while ((next = header_parameters_next(&all, &parameter)) ==
	    HEADER_PARAMETER) {
		const enum form_part_result result =
		    take_parameter(disposition, arena, &parameter);

		if (result != FORM_PART_GOOD)
			return result;
	}
	if (next == HEADER_BAD)
		return bad(disposition,
		    "the quotes of a Content-Disposition do not match");
	if (disposition->name == NULL)
		return bad(disposition, "a part has no name");
	return FORM_PART_GOOD;
}

static bool
set_names(struct tine_form_field *field, struct arena *arena,
    const struct disposition *disposition)
{
	char safe[FORM_SAFE_NAME + 1];

	field->name = disposition->name;
	field->name_length = disposition->name_length;
	field->filename = disposition->extended != NULL ?
	    disposition->extended : disposition->filename;
	field->safe_name = NULL;
	if (field->filename != NULL)
		field->safe_name = arena_strndup(arena, safe,
		    form_part_safe_name(safe, field->filename));
	return field->filename == NULL || field->safe_name != NULL;
}

/* --------------------------------------------------------------- the type */

static char *
lower_case(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_strndup(arena, text, length);

	for (size_t i = 0; copy != NULL && i < length; i++) {
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] + 32);
	}
	return copy;
}

/* A charset that cannot be read is not told. */
static bool
set_type(struct tine_form_field *field, struct arena *arena)
{
	const struct tine_field *header = find(field->headers, "Content-Type");
	struct header_parameters all;
	struct header_parameter parameter;
	char *charset;

	field->type = "text/plain";
	field->charset = NULL;
	if (header == NULL)
		return true;
	header_parameters_init(&all, header->value);
	if (all.word_length > 0)
		field->type = lower_case(arena, all.word, all.word_length);
	do {
		if (header_parameters_next(&all, &parameter) !=
		    HEADER_PARAMETER)
			return field->type != NULL;
	} while (!header_parameter_is(&parameter, "charset"));
	field->charset = charset = arena_alloc(arena, parameter.length + 1);
	if (charset != NULL)
		(void)header_parameter_text(&parameter, charset);
	return field->type != NULL && charset != NULL;
}

enum form_part_result
form_part_describe(struct tine_form_field *field, struct arena *arena,
    const char **why)
{
	struct disposition disposition = { .why = NULL };
	const enum form_part_result result =
	    read_disposition(&disposition, arena, field->headers);

	*why = disposition.why;
	if (result != FORM_PART_GOOD)
		return result;
	if (!set_names(field, arena, &disposition) || !set_type(field, arena))
		return FORM_PART_NO_MEMORY;
	return FORM_PART_GOOD;
}
