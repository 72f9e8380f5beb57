/* SPDX-License-Identifier: ISC */
/*
 * A form that is being read: what its parser found becomes what a reader of
 * forms is told, within the bounds that need no memory of earlier fields.
 */
#ifndef FORM_EVENTS_H
#define FORM_EVENTS_H

#include "../tine.h"
#include "form_read.h"
#include "multipart.h"
#include "urlencoded.h"

/* A form that is being read. */
struct form_reading {
	const struct form_source	*source;
	const struct tine_form_limits	*limits;
	const struct tine_form_reader	*reader;
	void				*argument;

	struct tine_form_field		 field;		/* the one in hand */
	bool				 has_field;
	size_t				 fields;	/* so far */
	const char			*charset;	/* of the body */

	/* A part's headers, or the name of an urlencoded field. */
	char				*text;
	size_t				 text_length;

	union {
		struct urlencoded	 urlencoded;
		struct multipart	 multipart;
	} parser;
};

/* The argument of both is a struct form_reading. */
extern const struct urlencoded_events form_urlencoded_events;
extern const struct multipart_events form_multipart_events;

/* Returns -1 with errno and the sentence. */
int	form_no_memory(void);

#endif
