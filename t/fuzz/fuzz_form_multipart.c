/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: multipart forms, and what the headers of a part say.  The first
 * line is the boundary; the rest is the body.
 */
#include "../../lib/form/form_part.h"
#include "../../lib/form/multipart.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS		200

struct run {
	struct multipart	parser;
	char			*headers;
	struct said		said;
	uint64_t		length;		/* of the part */
	bool			in_part;
};

static void
say_text(struct said *said, const char *text)
{
	if (text == NULL) {
		say_mark(said, '0', 0);
		return;
	}
	say(said, text, strlen(text));
	say_mark(said, 't', strlen(text));
}

/* A safe name is one, whatever the file name. */
static void
check_safe_name(const char *name)
{
	if (strlen(name) > FORM_SAFE_NAME || *name == '.' ||
	    strpbrk(name, "/\\\r\n") != NULL)
		abort();
}

static void
say_part(struct run *run, const struct tine_field *headers)
{
	struct tine_form_field field = { .headers = headers };
	_Alignas(ARENA_ALIGNMENT) char memory[64];
	struct arena arena;
	const char *why;

	arena_init(&arena, memory, sizeof(memory));
	if (form_part_describe(&field, &arena, &why) == FORM_PART_GOOD) {
		if (field.name_length != strlen(field.name))
			abort();
		if (field.safe_name != NULL)
			check_safe_name(field.safe_name);
		say_text(&run->said, field.name);
		say_text(&run->said, field.filename);
		say_text(&run->said, field.safe_name);
		say_text(&run->said, field.type);
		say_text(&run->said, field.charset);
	} else {
		say_text(&run->said, why);
	}
	arena_reset(&arena);
}

static bool
on_begin(void *argument, const struct tine_field *headers, size_t count)
{
	struct run *run = argument;

	if (run->in_part || headers[count].name != NULL)
		abort();
	run->in_part = true;
	for (size_t i = 0; i < count; i++) {
		say_text(&run->said, headers[i].name);
		say_text(&run->said, headers[i].value);
	}
	say_part(run, headers);
	return true;
}

static bool
on_data(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	if (!run->in_part || length == 0)
		abort();
	say(&run->said, data, length);
	run->length += length;
	return true;
}

static bool
on_end(void *argument)
{
	struct run *run = argument;

	if (!run->in_part)
		abort();
	run->in_part = false;
	say_mark(&run->said, 'd', run->length);
	run->length = 0;
	return true;
}

static const struct multipart_events events = { on_begin, on_data, on_end };

static void
feed(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	(void)multipart_feed(&run->parser, data, length);
}

static void
begin(struct run *run, const char *boundary, size_t length)
{
	memset(run, 0, sizeof(*run));
	run->headers = malloc(HEADERS + 2);
	if (run->headers == NULL)
		abort();
	multipart_init(&run->parser, boundary, length, run->headers,
	    HEADERS + 2);
	run->parser.events = &events;
	run->parser.argument = run;
}

static void
finish(struct run *run)
{
	const enum multipart_result result = multipart_finish(&run->parser);

	say_mark(&run->said, 'l', run->length);
	say_mark(&run->said, 'r', result);
	say_text(&run->said, run->parser.why);
	free(run->headers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *boundary = (const char *)data;
	const char *body = size > 0 ? memchr(boundary, '\n', size) : NULL;
	struct run whole, pieces;
	size_t length;

	if (body == NULL)
		return 0;
	length = (size_t)(body++ - boundary);
	if (length > MULTIPART_BOUNDARY ||
	    !multipart_boundary_is_valid(boundary, length))
		return 0;
	size -= length + 1;
	begin(&whole, boundary, length);
	feed(&whole, body, size);
	finish(&whole);
	begin(&pieces, boundary, length);
	feed_pieces(feed, &pieces, body, size);
	finish(&pieces);
	must_be_same(&whole.said, &pieces.said);
	return 0;
}
