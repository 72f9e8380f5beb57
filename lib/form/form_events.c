/* SPDX-License-Identifier: ISC */
/*
 * See form_events.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "../base/failure.h"
#include "form_events.h"
#include "form_part.h"

static const struct tine_field no_headers = { NULL, NULL };

int
form_no_memory(void)
{
	return failure_errno(ENOMEM, "there is no memory for the form");
}

/* ---------------------------------------------------- events of any form */

static bool
count_field(struct form_reading *reading)
{
	const size_t most = reading->limits->fields;

	if (reading->fields++ < most)
		return true;
	failure_errno(EFBIG, "the form has more than %zu fields", most);
	return false;
}

static bool
begin_field(struct form_reading *reading)
{
	const struct tine_form_reader *reader = reading->reader;

	reading->has_field = true;
	return reader->begin == NULL ||
	    reader->begin(reading->argument, &reading->field) == 0;
}

static bool
add_data(void *argument, const char *data, size_t length)
{
	struct form_reading *reading = argument;
	const struct tine_form_reader *reader = reading->reader;
	const off_t most = reading->limits->file;

	if ((off_t)length > most - reading->field.length) {
		failure_errno(EFBIG, "a file or value of the form has more "
		    "than %jd bytes", (intmax_t)most);
		return false;
	}
	reading->field.length += (off_t)length;
	return reader->data == NULL || reader->data(reading->argument,
	    &reading->field, data, length) == 0;
}

static bool
end_field(void *argument)
{
	struct form_reading *reading = argument;
	const struct tine_form_reader *reader = reading->reader;

	reading->has_field = false;
	if (reader->end != NULL &&
	    reader->end(reading->argument, &reading->field) == -1)
		return false;
	if (!reading->source->keeps)
		arena_reset(reading->source->arena);
	return true;
}

/* ------------------------------------------- events of an urlencoded form */

static bool
add_name(void *argument, const char *data, size_t length)
{
	struct form_reading *reading = argument;
	const size_t most = reading->limits->headers;

	if (length > most - reading->text_length) {
		failure_errno(EMSGSIZE, "a name in the form has more than "
		    "%zu bytes", most);
		return false;
	}
	memcpy(reading->text + reading->text_length, data, length);
	reading->text_length += length;
	return true;
}

static bool
begin_urlencoded(struct form_reading *reading)
{
	const size_t length = reading->text_length;

	if (!count_field(reading))
		return false;
	reading->text_length = 0;
	reading->field = (struct tine_form_field){
		.name = arena_strndup(reading->source->arena, reading->text,
		    length),
		.name_length = length,
		.charset = reading->charset,
		.headers = &no_headers
	};
	if (reading->field.name == NULL) {
		form_no_memory();
		return false;
	}
	return begin_field(reading);
}

/* The first byte of a value shows that the field is not to be dropped. */
static bool
add_value(void *argument, const char *data, size_t length)
{
	struct form_reading *reading = argument;

	if (!reading->has_field && !begin_urlencoded(reading))
		return false;
	return add_data(reading, data, length);
}

static bool
end_urlencoded(void *argument)
{
	struct form_reading *reading = argument;

	if (!reading->has_field &&
	    (reading->limits->flags & TINE_FORM_KEEP_BLANK) == 0) {
		reading->text_length = 0;
		return count_field(reading);
	}
	if (!reading->has_field && !begin_urlencoded(reading))
		return false;
	return end_field(reading);
}

const struct urlencoded_events form_urlencoded_events = {
	add_name, add_value, end_urlencoded
};

/* -------------------------------------------- events of a multipart form */

/* Copies the headers into the arena. */
static bool
set_headers(struct form_reading *reading, const struct tine_field *headers,
    size_t count)
{
	struct arena *arena = reading->source->arena;
	struct tine_field *copy;

	copy = arena_alloc(arena, (count + 1) * sizeof(*copy));
	if (copy == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		copy[i].name = arena_strndup(arena, headers[i].name,
		    strlen(headers[i].name));
		copy[i].value = arena_strndup(arena, headers[i].value,
		    strlen(headers[i].value));
		if (copy[i].name == NULL || copy[i].value == NULL)
			return false;
	}
	copy[count] = no_headers;
	reading->field = (struct tine_form_field){ .headers = copy };
	return true;
}

static bool
begin_multipart(void *argument, const struct tine_field *headers, size_t count)
{
	struct form_reading *reading = argument;
	const char *why;

	if (!count_field(reading))
		return false;
	if (!set_headers(reading, headers, count)) {
		form_no_memory();
		return false;
	}
	switch (form_part_describe(&reading->field, reading->source->arena,
	    &why)) {
	case FORM_PART_GOOD:
		return begin_field(reading);
	case FORM_PART_BAD:
		failure_errno(EBADMSG, "the form is malformed: %s", why);
		break;
	case FORM_PART_NO_MEMORY:
		form_no_memory();
		break;
	}
	return false;
}

const struct multipart_events form_multipart_events = {
	begin_multipart, add_data, end_field
};
