/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: urlencoded forms.  The first byte says whether the parser is
 * strict; the rest is the form.
 */
#include "../../lib/form/urlencoded.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct urlencoded	parser;
	struct said		said;
	size_t			whole;		/* said of whole fields */
	size_t			name_length;
	size_t			value_length;
};

static bool
on_name(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	if (length == 0 || run->value_length > 0)
		abort();
	run->name_length += length;
	say(&run->said, data, length);
	return true;
}

static bool
on_value(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	if (length == 0)
		abort();
	run->value_length += length;
	say(&run->said, data, length);
	return true;
}

static bool
on_end(void *argument)
{
	struct run *run = argument;

	say_mark(&run->said, 'n', run->name_length);
	say_mark(&run->said, 'v', run->value_length);
	run->name_length = run->value_length = 0;
	run->whole = run->said.length;
	return true;
}

static const struct urlencoded_events events = { on_name, on_value, on_end };

static void
feed(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	(void)urlencoded_feed(&run->parser, data, length);
}

static void
begin(struct run *run, bool is_strict)
{
	memset(run, 0, sizeof(*run));
	urlencoded_init(&run->parser, is_strict);
	run->parser.events = &events;
	run->parser.argument = run;
}

/* Of a field that is bad more or less may have come. */
static void
finish(struct run *run)
{
	const enum urlencoded_result result = urlencoded_finish(&run->parser);

	if (result == URLENCODED_BAD)
		run->said.length = run->whole;
	say_mark(&run->said, 'r', result);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct run whole, pieces;

	if (size == 0)
		return 0;
	begin(&whole, (data[0] & 1) != 0);
	feed(&whole, text, size - 1);
	finish(&whole);
	begin(&pieces, (data[0] & 1) != 0);
	feed_pieces(feed, &pieces, text, size - 1);
	finish(&pieces);
	must_be_same(&whole.said, &pieces.said);
	return 0;
}
