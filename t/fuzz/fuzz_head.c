/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the head of a request.  The first byte is how many fields are
 * allowed, the second how much of the head there is when it is looked at
 * first; the bytes lie in memory that ends where they do.
 */
#include "../../lib/http/head.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_HEAD	1000

static enum head_result
parse(struct head *head, const char *data, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	enum head_result result;

	if (copy == NULL)
		abort();
	memcpy(copy, data, length);
	result = head_parse(head, copy, length);
	free(copy);
	return result;
}

static void
check_span(struct span span, size_t end)
{
	if (span.at > end || span.length > end - span.at)
		abort();
}

static void
check_head(const struct head *head)
{
	check_span(head->line, head->at);
	check_span(head->method, head->at);
	check_span(head->target, head->at);
	check_span(head->path, head->at);
	check_span(head->query, head->at);
	if (head->count > head->max_fields || head->length < 0 ||
	    (head->is_chunked && head->has_length))
		abort();
	for (uint32_t i = 0; i < head->count; i++) {
		check_span(head->fields[i].name, head->at);
		check_span(head->fields[i].value, head->at);
	}
}

static void
say_head(struct said *said, const struct head *head, enum head_result result)
{
	say_mark(said, 'r', result);
	if (result == HEAD_BAD) {
		if (head->status < 400 || head->why == NULL)
			abort();
		say_mark(said, 's', (uint64_t)head->status);
		say(said, head->why, strlen(head->why));
	}
	if (result != HEAD_DONE)
		return;
	check_head(head);
	/* Not where the parser is: a copy of it is where it began. */
	say_mark(said, 'a', head->at);
	say(said, &head->line, offsetof(struct head, form) -
	    offsetof(struct head, line));
	say_mark(said, 'f', head->form);
	say_mark(said, 'm', head->minor);
	say_mark(said, 'l', (uint64_t)head->length);
	say_mark(said, 'b', (uint64_t)(head->has_host | head->has_length << 1 |
	    head->is_chunked << 2 | head->has_expect << 3 |
	    head->says_close << 4 | head->says_keep << 5));
	say(said, head->fields, head->count * sizeof(head->fields[0]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 2;
	static struct head whole, pieces;
	struct said a = { NULL, 0, 0 }, b = { NULL, 0, 0 };
	enum head_result result = HEAD_MORE;
	size_t at;

	if (size < 2)
		return 0;
	size -= 2;
	head_init(&whole, MAX_HEAD, data[0]);
	head_init(&pieces, MAX_HEAD, data[0]);
	say_head(&a, &whole, parse(&whole, text, size));
	for (at = data[1]; result == HEAD_MORE && at < size; at += 1 + at / 8)
		result = parse(&pieces, text, at);
	if (result == HEAD_MORE)
		result = parse(&pieces, text, size);
	say_head(&b, &pieces, result);
	must_be_same(&a, &b);
	return 0;
}
