/* SPDX-License-Identifier: ISC */
/*
 * Values of fields like Content-Disposition and Content-Type: a word, and
 * parameters after it.  Pure.
 *
 *	form-data; name="a"; filename="C:\dir\a \"quoted\" name"
 *
 * In a quoted value only \" and \\ are escapes.  Browsers escape no backslash
 * and write %22 for a quote, so that any other backslash is itself, and so is
 * one before the very last quote.
 */
#ifndef FORM_HEADER_PARAMETERS_H
#define FORM_HEADER_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

enum header_result { HEADER_PARAMETER, HEADER_END, HEADER_BAD };

/* As they lie in the field's value; a quoted value without its quotes. */
struct header_parameter {
	const char	*name;
	size_t		 name_length;
	const char	*value;
	size_t		 length;
	bool		 is_quoted;
};

/* A field's value, taken apart from front to back; it ends with a NUL. */
struct header_parameters {
	const char	*word;		/* before the first ';' */
	size_t		 word_length;
	const char	*next;
	const char	*last_quote;	/* sought once: values may be long */
};

void	header_parameters_init(struct header_parameters *all,
	    const char *value);

/*
 * Takes the next parameter.  One without '=' is skipped.  BAD: a quoted value
 * has no end, or something follows it.
 */
enum header_result header_parameters_next(struct header_parameters *all,
	    struct header_parameter *parameter);

/* Whether it has this name; names have no case. */
bool	header_parameter_is(const struct header_parameter *parameter,
	    const char *name);

/*
 * Each writes the value without its escapes and a NUL to out, which has room
 * for length + 1 bytes, and returns the length.
 *
 * form: %22, %0D and %0A are escapes too (the HTML Standard, "multipart/form-
 * data encoding algorithm").
 *
 * extended: charset'language'text with %XX (RFC 8187), in UTF-8 or, turned to
 * UTF-8, ISO-8859-1.  false where it is not that, or has control characters.
 */
size_t	header_parameter_text(const struct header_parameter *parameter,
	    char *out);
size_t	header_parameter_form(const struct header_parameter *parameter,
	    char *out);
bool	header_parameter_extended(const struct header_parameter *parameter,
	    char *out, size_t *out_length);

#endif
