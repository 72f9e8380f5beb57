/* SPDX-License-Identifier: ISC */
/*
 * What the headers of a part say of its field: name, file name, type (RFC
 * 7578, section 4).  Pure, but for the memory of an arena.
 */
#ifndef FORM_PART_H
#define FORM_PART_H

#include "../base/arena.h"
#include "../tine.h"

#define FORM_SAFE_NAME	255	/* NAME_MAX of most file systems */

enum form_part_result { FORM_PART_GOOD, FORM_PART_BAD, FORM_PART_NO_MEMORY };

/*
 * Fills field from field->headers.  Where it is bad, *why is a phrase.  A
 * part must be form-data and have a name; a parameter may be there once.
 */
enum form_part_result form_part_describe(struct tine_form_field *field,
	    struct arena *arena, const char **why);

/* Writes the safe name of a file name and a NUL; returns the length. */
size_t	form_part_safe_name(char out[FORM_SAFE_NAME + 1],
	    const char *filename);

#endif
