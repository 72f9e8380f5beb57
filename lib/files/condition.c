/* SPDX-License-Identifier: ISC */
/*
 * See condition.h.
 */
#include <string.h>

#include "../base/date.h"
#include "../base/text.h"
#include "condition.h"

/* ------------------------------------------------------------------ finding */

static bool
is_named(const struct tine_field *field, const char *name, size_t length)
{
	return text_equal_case(field->name, strlen(field->name), name, length);
}

#define IS(field, name)	is_named((field), (name), sizeof(name) - 1)

/*
 * Where a field may be there only once, two of them are none: as a list, which
 * they are together, they are no date, no tag and no ranges (RFC 9110, sections
 * 5.3 and 13.1.3).
 */
static void
keep(const char **place, const char *value)
{
	*place = *place == NULL ? value : "";
}

static void
read_conditional(struct conditions *conditions,
    const struct tine_field *field)
{
	if (IS(field, "If-None-Match") && conditions->none_match == NULL)
		conditions->none_match = field;
	else if (IS(field, "If-Match") && conditions->match == NULL)
		conditions->match = field;
	else if (IS(field, "If-Modified-Since"))
		keep(&conditions->modified_since, field->value);
	else if (IS(field, "If-Unmodified-Since"))
		keep(&conditions->unmodified_since, field->value);
	else if (IS(field, "If-Range"))
		keep(&conditions->if_range, field->value);
	else
		return;
	conditions->is_any = true;
}

void
conditions_read(struct conditions *conditions,
    const struct tine_field *fields)
{
	memset(conditions, 0, sizeof(*conditions));
	for (; fields->name != NULL; fields++) {
		const char *name = fields->name;

		/* Nearly all fields are neither. */
		if ((name[0] | 0x20) == 'i' && (name[1] | 0x20) == 'f' &&
		    name[2] == '-') {
			read_conditional(conditions, fields);
		} else if ((name[0] | 0x20) == 'r' && IS(fields, "Range")) {
			keep(&conditions->range, fields->value);
			conditions->is_any = true;
		}
	}
}

/* -------------------------------------------------------------- entity tags */

/* An entity tag at text: its length with W/ and quotes, or 0. */
static size_t
tag_length(const char *text)
{
	size_t n = 0;

	if (text[0] == 'W' && text[1] == '/')
		n = 2;
	if (text[n++] != '"')
		return 0;
	while (text[n] != '"') {
		const unsigned char c = (unsigned char)text[n];

		if (c <= 0x20 || c == 0x7f)	/* NUL too */
			return 0;
		n++;
	}
	return n + 1;
}

static bool
is_weak(const char *tag)
{
	return tag[0] == 'W';
}

/* Weak comparison, section 8.8.3.2; strong if both must be so. */
static bool
same_tag(const char *tag, size_t length, const char *etag, bool strong)
{
	size_t etag_length = strlen(etag);

	if (strong && (is_weak(tag) || is_weak(etag)))
		return false;
	if (is_weak(tag)) {
		tag += 2;
		length -= 2;
	}
	if (is_weak(etag)) {
		etag += 2;
		etag_length -= 2;
	}
	return length == etag_length && memcmp(tag, etag, length) == 0;
}

static bool
is_in_list(const char *list, const char *etag, bool strong)
{
	while (*list != '\0') {
		size_t n;

		list += strspn(list, " \t,");
		n = tag_length(list);
		if (n == 0)
			return false;
		if (same_tag(list, n, etag, strong))
			return true;
		list += n;
		list += strspn(list, " \t");
		if (*list != ',')
			return false;	/* this is no list of tags */
	}
	return false;
}

/* Whether a field, or one of its name that follows, has etag or is "*". */
static bool
lists(const struct tine_field *field, const char *etag, bool strong)
{
	const char *name = field->name;

	for (; field->name != NULL; field++) {
		if (!is_named(field, name, strlen(name)))
			continue;
		if (strcmp(field->value, "*") == 0 ||
		    is_in_list(field->value, etag, strong))
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- deciding */

static bool
read_date(const char *value, const struct validators *validators,
    time_t *when)
{
	return value != NULL && date_parse_http(value, strlen(value),
	    validators->now, when);
}

static bool
may_go_on(const struct conditions *conditions,
    const struct validators *validators)
{
	time_t when;

	if (conditions->match != NULL)
		return lists(conditions->match, validators->etag, true);
	if (read_date(conditions->unmodified_since, validators, &when))
		return validators->modified <= when;
	return true;
}

enum condition
conditions_judge(const struct conditions *conditions,
    const struct validators *validators)
{
	time_t when;

	if (!may_go_on(conditions, validators))
		return CONDITION_FAILED;
	if (conditions->none_match != NULL)
		return lists(conditions->none_match, validators->etag, false)
		    ? CONDITION_NOT_MODIFIED : CONDITION_TRUE;
	if (read_date(conditions->modified_since, validators, &when) &&
	    validators->modified <= when)
		return CONDITION_NOT_MODIFIED;
	return CONDITION_TRUE;
}

/*
 * Parts of two versions must never be put together: so a weak tag does not
 * do, nor a date within the second of which the file may have changed again
 * (section 8.8.2.2).
 */
static bool
is_same_version(const char *value, const struct validators *validators)
{
	const size_t length = strlen(value);
	time_t when;

	if (tag_length(value) == length && length > 0)
		return same_tag(value, length, validators->etag, true);
	return read_date(value, validators, &when) &&
	    when == validators->modified && when < validators->now;
}

bool
conditions_want_range(const struct conditions *conditions,
    const struct validators *validators)
{
	if (conditions->range == NULL)
		return false;
	return conditions->if_range == NULL ||
	    is_same_version(conditions->if_range, validators);
}
