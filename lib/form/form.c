/* SPDX-License-Identifier: ISC */
/*
 * Python's cgi.FieldStorage: keeps the fields of a form as they come, and
 * finds them again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/failure.h"
#include "../base/public.h"
#include "form.h"
#include "form_limits.h"
#include "form_read.h"

/* ------------------------------------------------------------- a new form */

static int
no_memory(void)
{
	return failure_errno(ENOMEM, "there is no memory for the form");
}

/* Called at the request's end too; keeps errno. */
static void
form_free(void *argument)
{
	struct tine_form *form = argument;
	const int saved = errno;

	for (size_t i = 0; i < form->count; i++)
		form_contents_end(form->fields[i]);
	free(form->fields);
	free(form->by_name);
	free(form->value);
	arena_reset(&form->arena);
	free(form);
	errno = saved;
}

static struct tine_form *
form_new(const struct tine_request *req, const struct tine_form_limits *given,
    size_t size)
{
	struct tine_form *form = calloc(1, sizeof(*form));

	if (form == NULL)
		return NULL;
	arena_init(&form->arena, form->first, sizeof(form->first));
	form_limits_fill(&form->limits, req, given, size);
	form->limits.spool_dir = arena_strndup(&form->arena,
	    form->limits.spool_dir, strlen(form->limits.spool_dir));
	form->value = malloc(form->limits.value_memory);
	if (form->limits.spool_dir == NULL || form->value == NULL) {
		form_free(form);
		return NULL;
	}
	form_limits_space(&form->space, req, &form->limits, &form->spooled);
	return form;
}

/* -------------------------------------------------------- keeping a field */

static int
charge(struct tine_form *form, size_t length)
{
	if (length > form->limits.memory - form->memory)
		return failure_errno(EFBIG, "the fields of the form have more "
		    "than %zu bytes", form->limits.memory);
	form->memory += length;
	return 0;
}

static int
charge_names(struct tine_form *form, const struct tine_form_field *face)
{
	const struct tine_field *header = face->headers;

	if (header->name == NULL)
		return charge(form, face->name_length);
	for (; header->name != NULL; header++) {
		if (charge(form, strlen(header->name)) == -1 ||
		    charge(form, strlen(header->value)) == -1)
			return -1;
	}
	return 0;
}

static int
make_room(struct tine_form *form)
{
	const size_t room = form->room > 0 ? 2 * form->room : 16;
	struct form_field **fields;

	if (form->count < form->room)
		return 0;
	fields = reallocarray(form->fields, room, sizeof(*fields));
	if (fields == NULL)
		return no_memory();
	form->fields = fields;
	form->room = room;
	return 0;
}

static int
keep_begin(void *argument, const struct tine_form_field *face)
{
	struct tine_form *form = argument;
	struct form_field *field;

	if (charge_names(form, face) == -1 || make_room(form) == -1)
		return -1;
	field = arena_alloc(&form->arena, sizeof(*field));
	if (field == NULL)
		return no_memory();
	memset(field, 0, sizeof(*field));
	field->face = *face;
	field->form = form;
	field->index = form->count;
	spool_init(&field->spool, &form->space);
	form->value_length = 0;
	form->fields[form->count++] = field;
	return 0;
}

/* What has come of a value goes to a file, and the rest will follow it. */
static int
begin_file(struct tine_form *form, struct form_field *field)
{
	if (form->files == form->limits.files)
		return failure_errno(EFBIG, "the form has more than %zu files "
		    "and long values", form->limits.files);
	form->files++;
	return form_contents_append(field, form->value, form->value_length);
}

static int
keep_data(void *argument, const struct tine_form_field *face,
    const void *data, size_t length)
{
	struct tine_form *form = argument;
	struct form_field *field = form->fields[form->count - 1];

	if (field->spool.fd == -1 && face->filename == NULL &&
	    length <= form->limits.value_memory - form->value_length) {
		memcpy(form->value + form->value_length, data, length);
		form->value_length += length;
		return 0;
	}
	if (field->spool.fd == -1 && begin_file(form, field) == -1)
		return -1;
	return form_contents_append(field, data, length);
}

static int
keep_end(void *argument, const struct tine_form_field *face)
{
	struct tine_form *form = argument;
	struct form_field *field = form->fields[form->count - 1];

	field->face.length = face->length;
	if (field->spool.fd != -1) {
		if (face->filename != NULL)
			return 0;
		if (form_contents_map(field) == -1)
			return -1;
		field->face.value = field->map;
		return 0;
	}
	if (charge(form, form->value_length) == -1)
		return -1;
	field->face.value = arena_strndup(&form->arena, form->value,
	    form->value_length);
	return field->face.value != NULL ? 0 : no_memory();
}

static const struct tine_form_reader keep = {
	keep_begin, keep_data, keep_end
};

/* -------------------------------------------------------------- the index */

static int
compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}

static int
compare_names(const struct form_field *a, const struct form_field *b)
{
	return compare_text(a->face.name, a->face.name_length, b->face.name,
	    b->face.name_length);
}

static int
compare(const void *a_place, const void *b_place)
{
	const struct form_field *a = *(struct form_field *const *)a_place;
	const struct form_field *b = *(struct form_field *const *)b_place;
	const int names = compare_names(a, b);

	return names != 0 ? names : a->index < b->index ? -1 : 1;
}

static void
link_names(struct tine_form *form)
{
	struct form_field **by_name = form->by_name;

	for (size_t i = 1; i < form->count; i++) {
		if (compare_names(by_name[i - 1], by_name[i]) == 0)
			by_name[i - 1]->next = by_name[i];
		else
			by_name[i]->is_first = true;
	}
	by_name[0]->is_first = true;
	for (size_t i = 0; i < form->count; i++) {
		if (form->fields[i]->is_first)
			form->keys[form->key_count++] = form->fields[i];
	}
}

/*
 * Sorts the names: a hash of them would have to be keyed against a client
 * that makes all of them collide.
 */
static int
make_index(struct tine_form *form)
{
	if (form->count == 0)
		return 0;
	form->by_name = reallocarray(NULL, 2 * form->count,
	    sizeof(*form->by_name));
	if (form->by_name == NULL)
		return no_memory();
	form->keys = form->by_name + form->count;
	memcpy(form->by_name, form->fields,
	    form->count * sizeof(*form->by_name));
	qsort(form->by_name, form->count, sizeof(*form->by_name), compare);
	link_names(form);
	return 0;
}

static int
fill(struct tine_form *form, struct tine_request *req)
{
	const struct form_source source = {
		.req = req, .limits = &form->limits, .arena = &form->arena,
		.keeps = true
	};

	if (form_read(&source, &keep, form) == -1)
		return -1;
	free(form->value);
	form->value = NULL;
	return make_index(form);
}

/* --------------------------------------------------------- to the handler */

TINE_PUBLIC struct tine_form *
tine_form_parse_sized(struct tine_request *req,
    const struct tine_form_limits *limits, size_t size)
{
	struct tine_form *form = form_new(req, limits, size);

	if (form == NULL) {
		no_memory();
		return NULL;
	}
	if (fill(form, req) == -1)
		goto fail;
	if (tine_on_finish(req, form_free, form) == -1) {
		no_memory();
		goto fail;
	}
	return form;

fail:
	form_free(form);
	return NULL;
}

TINE_PUBLIC size_t
tine_form_count(const struct tine_form *form)
{
	return form->count;
}

TINE_PUBLIC const struct tine_form_field *
tine_form_field(const struct tine_form *form, size_t n)
{
	return n < form->count ? &form->fields[n]->face : NULL;
}

TINE_PUBLIC const struct tine_form_field *
tine_form_key(const struct tine_form *form, size_t n)
{
	return n < form->key_count ? &form->keys[n]->face : NULL;
}

TINE_PUBLIC const struct tine_form_field *
tine_form_first(const struct tine_form *form, const char *name)
{
	const size_t length = strlen(name);
	size_t low = 0, high = form->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct form_field *field = form->by_name[middle];

		if (compare_text(field->face.name, field->face.name_length,
		    name, length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == form->count || compare_text(form->by_name[low]->face.name,
	    form->by_name[low]->face.name_length, name, length) != 0)
		return NULL;
	return &form->by_name[low]->face;
}

TINE_PUBLIC const struct tine_form_field *
tine_form_next(const struct tine_form_field *face)
{
	const struct form_field *next = form_field(face)->next;

	return next != NULL ? &next->face : NULL;
}

TINE_PUBLIC const char *
tine_form_value(const struct tine_form *form, const char *name)
{
	const struct tine_form_field *field = tine_form_first(form, name);

	return field != NULL ? tine_form_data(field, NULL) : NULL;
}
