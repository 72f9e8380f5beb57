/* SPDX-License-Identifier: ISC */
/*
 * See header_parameters.h.
 */
#include <string.h>

#include "../base/text.h"
#include "header_parameters.h"
#include "../base/hexadecimal.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *
skip_blanks(const char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

/* The length of the text from at to end without the blanks at its end. */
static size_t
trimmed(const char *at, const char *end)
{
	while (end > at && is_blank(end[-1]))
		end--;
	return (size_t)(end - at);
}

void
header_parameters_init(struct header_parameters *all, const char *value)
{
	all->word = value;
	all->next = value + strcspn(value, ";");
	all->word_length = trimmed(value, all->next);
	all->last_quote = strrchr(value, '"');
}

/* Whether a backslash and the byte after it stand for that byte. */
static bool
is_escape(const char *at)
{
	return at[0] == '\\' && (at[1] == '"' || at[1] == '\\');
}

/* at is behind the first quote. */
static enum header_result
take_quoted(struct header_parameters *all, const char *at,
    struct header_parameter *parameter)
{
	const char *last = all->last_quote;

	if (at > last)
		return HEADER_BAD;
	parameter->value = at;
	parameter->is_quoted = true;
	while (*at != '"')
		at += is_escape(at) && at + 1 < last ? 2 : 1;
	parameter->length = (size_t)(at - parameter->value);
	at = all->next = skip_blanks(at + 1);
	return *at == '\0' || *at == ';' ? HEADER_PARAMETER : HEADER_BAD;
}

static enum header_result
take_plain(struct header_parameters *all, const char *at,
    struct header_parameter *parameter)
{
	parameter->value = at;
	parameter->is_quoted = false;
	all->next = at + strcspn(at, ";");
	parameter->length = trimmed(at, all->next);
	return HEADER_PARAMETER;
}

enum header_result
header_parameters_next(struct header_parameters *all,
    struct header_parameter *parameter)
{
	const char *at = all->next;

	while (*at == ';') {
		const char *equals;

		at = skip_blanks(at + 1);
		equals = at + strcspn(at, "=;");
		if (*equals == '=') {
			parameter->name = at;
			parameter->name_length = trimmed(at, equals);
			at = skip_blanks(equals + 1);
			return *at == '"' ?
			    take_quoted(all, at + 1, parameter) :
			    take_plain(all, at, parameter);
		}
		at = equals;
	}
	all->next = at;
	return HEADER_END;
}

bool
header_parameter_is(const struct header_parameter *parameter,
    const char *name)
{
	return text_equal_case(parameter->name, parameter->name_length, name,
	    strlen(name));
}

size_t
header_parameter_text(const struct header_parameter *parameter, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < parameter->length; i++) {
		const char *at = parameter->value + i;

		if (parameter->is_quoted && i + 1 < parameter->length &&
		    is_escape(at))
			i++;
		out[used++] = parameter->value[i];
	}
	out[used] = '\0';
	return used;
}

/* The byte of %XX at at, or -1; the text ends with a NUL. */
static int
percent(const char *at)
{
	int high, low;

	if (at[0] != '%')
		return -1;
	high = hexadecimal_digit(at[1]);
	low = high != -1 ? hexadecimal_digit(at[2]) : -1;
	return low != -1 ? high << 4 | low : -1;
}

size_t
header_parameter_form(const struct header_parameter *parameter, char *out)
{
	const size_t length = header_parameter_text(parameter, out);
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		const int byte = percent(out + i);

		if (byte == '"' || byte == '\r' || byte == '\n') {
			out[used++] = (char)byte;
			i += 2;
		} else {
			out[used++] = out[i];
		}
	}
	out[used] = '\0';
	return used;
}

/* What follows charset'language', or NULL. */
static const char *
extended_text(const struct header_parameter *parameter, bool *is_latin1)
{
	const char *at = parameter->value;
	const char *end = at + parameter->length;
	const char *quote = memchr(at, '\'', parameter->length);
	size_t length;

	if (quote == NULL)
		return NULL;
	length = (size_t)(quote - at);
	*is_latin1 = text_equal_case(at, length, "ISO-8859-1", 10);
	if (!*is_latin1 && !text_equal_case(at, length, "UTF-8", 5))
		return NULL;
	quote = memchr(quote + 1, '\'', (size_t)(end - quote - 1));
	return quote != NULL ? quote + 1 : NULL;
}

static bool
is_control(unsigned char c)
{
	return c < ' ' || c == 0x7f;
}

/* The byte if it may stand for itself, or -1. */
static int
ascii(char c)
{
	return c != '%' && (unsigned char)c < 0x80 ? c : -1;
}

bool
header_parameter_extended(const struct header_parameter *parameter, char *out,
    size_t *out_length)
{
	bool is_latin1;
	const char *end = parameter->value + parameter->length;
	const char *at = extended_text(parameter, &is_latin1);
	size_t used = 0;

	if (at == NULL || parameter->is_quoted)
		return false;
	while (at < end) {
		const bool is_escaped = *at == '%' && end - at >= 3;
		int byte = is_escaped ? percent(at) : ascii(*at);

		at += is_escaped ? 3 : 1;
		if (byte == -1 || is_control((unsigned char)byte))
			return false;
		/* There is room: what becomes two bytes came as three. */
		if (is_latin1 && byte >= 0x80) {
			out[used++] = (char)(0xc0 | byte >> 6);
			byte = 0x80 | (byte & 0x3f);
		}
		out[used++] = (char)byte;
	}
	out[used] = '\0';
	*out_length = used;
	return true;
}
