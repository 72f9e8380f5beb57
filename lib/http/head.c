/* SPDX-License-Identifier: ISC */
/*
 * See head.h.  The parser is a table of characters and a state, which says
 * where to go on when the bytes ran out.  As long as there are bytes each state
 * runs over those that belong to it in a loop of its own, and falls through to
 * the next: the common case is one table look-up a byte, or one for eight.
 */
#include <stdint.h>
#include <string.h>

#include "../base/cold.h"
#include "../base/text.h"
#include "head_parts.h"

enum state {
	STATE_START,		/* empty lines may come before */
	STATE_START_LF,
	STATE_METHOD,
	STATE_TARGET,
	STATE_VERSION,
	STATE_LINE_LF,
	STATE_FIELD,		/* a field begins, or the head ends */
	STATE_NAME,
	STATE_SPACE,		/* before a value */
	STATE_VALUE,
	STATE_VALUE_LF,
	STATE_END_LF
};

void
head_init(struct head *head, size_t max_head, size_t max_fields)
{
	/* Not the fields: count says how many of them are there. */
	memset(head, 0, offsetof(struct head, good_host));
	head->max_head = max_head < UINT32_MAX ? max_head : UINT32_MAX;
	head->max_fields = max_fields < HEAD_FIELDS ? (uint32_t)max_fields
	    : HEAD_FIELDS;
}

static COLD enum head_result
refuse(struct head *head, int status, const char *why)
{
	head->status = status;
	head->why = why;
	return HEAD_BAD;
}

APART bool
head_number(const char *text, size_t length, off_t *number)
{
	const int64_t most = INT64_MAX;
	int64_t sum = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		const int digit = text[i] - '0';

		if (!head_is(text[i], DIGIT))
			return false;
		sum = sum > (most - digit) / 10 ? most : sum * 10 + digit;
	}
	*number = (off_t)sum;
	return true;
}

/* --------------------------------------------------------- the request line */

/*
 * is_plain: it has neither a query nor an escape.  A path of that kind, the
 * usual case, needs no further look.
 */
static bool
target_is_valid(struct head *head, const char *data, bool is_plain)
{
	if (!is_plain || data[head->target.at] != '/' ||
	    head_method_is(head, data, "CONNECT"))
		return head_target_is_valid(head, data);
	head->form = TARGET_ORIGIN;
	head->path = head->target;
	head->query = span(head->target.at + head->target.length,
	    head->target.at + head->target.length);
	return true;
}

/* HTTP-version, RFC 9112, section 2.3: one digit on either side. */
static enum head_result
version(struct head *head, const char *text, size_t length)
{
	if (length != 8 || memcmp(text, "HTTP/", 5) != 0 ||
	    !head_is(text[5], DIGIT) || text[6] != '.' ||
	    !head_is(text[7], DIGIT))
		return refuse(head, 400, "Bad request version");
	if (text[5] != '1')
		return refuse(head, 505, "Invalid HTTP version");
	head->minor = (unsigned)(text[7] - '0');
	return HEAD_MORE;
}

/* --------------------------------------- the fields that framing depends on */

static enum head_result
note_host(struct head *head, const char *value, size_t length)
{
	struct head_host *good = &head->good_host;

	if (head->has_host)
		return refuse(head, 400, "More than one Host");
	head->has_host = true;
	if (length == good->length && memcmp(value, good->text, length) == 0)
		return HEAD_MORE;
	if (!head_host_is_valid(value, length))
		return refuse(head, 400, "Bad Host");
	if (length <= sizeof(good->text)) {
		memcpy(good->text, value, length);
		good->length = length;
	}
	return HEAD_MORE;
}

static enum head_result
note_length(struct head *head, const char *value, size_t length)
{
	if (head->has_length)
		return refuse(head, 400, "More than one Content-Length");
	head->has_length = true;
	if (!head_number(value, length, &head->length))
		return refuse(head, 400, "Bad Content-Length");
	return HEAD_MORE;
}

static APART enum head_result
note_coding(struct head *head, const char *value, size_t length)
{
	if (head->is_chunked)
		return refuse(head, 400, "More than one Transfer-Encoding");
	if (length == 0)
		return refuse(head, 400, "Bad Transfer-Encoding");
	if (length != 7 || !head_is_word(value, "chunked", 7))
		return refuse(head, 501, "Unsupported Transfer-Encoding");
	head->is_chunked = true;
	return HEAD_MORE;
}

/*
 * Takes the next element of a list, white space cut, from *at on: RFC 9110,
 * section 5.6.1.  Empty ones are passed over.  False at the end.
 */
static bool
next_element(const char *value, size_t length, size_t *at, struct span *element)
{
	size_t from = *at, end;

	while (from < length && (value[from] == ',' || value[from] == ' ' ||
	    value[from] == '\t'))
		from++;
	if (from == length)
		return false;
	end = from;
	for (*at = from; *at < length && value[*at] != ','; ++*at) {
		if (value[*at] != ' ' && value[*at] != '\t')
			end = *at + 1;
	}
	*element = span(from, end);
	return true;
}

static APART void
note_connection(struct head *head, const char *value, size_t length)
{
	struct span option;
	size_t at = 0;

	while (next_element(value, length, &at, &option)) {
		if (option.length == 5 &&
		    head_is_word(value + option.at, "close", 5))
			head->says_close = true;
		else if (option.length == 10 &&
		    head_is_word(value + option.at, "keep-alive", 10))
			head->says_keep = true;
	}
}

static APART enum head_result
note_expect(struct head *head, const char *value, size_t length)
{
	struct span expectation;
	size_t at = 0;

	/* An expectation of 1.0 is ignored: RFC 9110, section 10.1.1. */
	if (head->minor == 0)
		return HEAD_MORE;
	while (next_element(value, length, &at, &expectation)) {
		if (expectation.length != 12 ||
		    !head_is_word(value + expectation.at, "100-continue", 12))
			return refuse(head, 417, "Unknown expectation");
		head->has_expect = true;
	}
	return HEAD_MORE;
}

static enum head_result
note_field(struct head *head, const char *data, const struct head_field *field)
{
	const char *name = data + field->name.at;
	const char *value = data + field->value.at;
	const size_t length = field->value.length;

	switch (field->name.length) {
	case 4:
		if (memcmp(name, "Host", 4) == 0 ||
		    head_is_word(name, "host", 4))
			return note_host(head, value, length);
		break;
	case 6:
		if (head_is_word(name, "expect", 6))
			return note_expect(head, value, length);
		break;
	case 10:
		if (head_is_word(name, "connection", 10))
			note_connection(head, value, length);
		break;
	case 14:
		if (head_is_word(name, "content-length", 14))
			return note_length(head, value, length);
		break;
	case 17:
		if (head_is_word(name, "transfer-encoding", 17))
			return note_coding(head, value, length);
		break;
	}
	return HEAD_MORE;
}

static enum head_result
end_field(struct head *head, const char *data, size_t end)
{
	struct head_field *field = &head->fields[head->count];

	while (end > head->mark && head_is(data[end - 1], BLANK))
		end--;
	field->value = span(head->mark, end);
	head->count++;
	return note_field(head, data, field);
}

/* What no single field can tell: RFC 9112, sections 3.2 and 6.1. */
static enum head_result
finish(struct head *head)
{
	if (head->minor > 0 && !head->has_host)
		return refuse(head, 400, "Missing Host");
	if (head->is_chunked && head->has_length)
		return refuse(head, 400,
		    "Both Content-Length and Transfer-Encoding");
	if (head->is_chunked && head->minor == 0)
		return refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
	return HEAD_DONE;
}

/* ---------------------------------------------------------------- the lines */

/* Goes on at that byte, in that state: now, or when more has come. */
static inline enum head_result
pause_at(struct head *head, enum state state, size_t at)
{
	head->state = state;
	head->at = at;
	return HEAD_MORE;
}

/* Passes over empty lines before the request. */
static enum head_result
pass_empty(struct head *head, const char *data, size_t length)
{
	size_t at = head->at;

	for (; at < length; at++) {
		if (head->state == STATE_START_LF && data[at] != '\n')
			return refuse(head, 400, "Bad request syntax");
		if (head->state == STATE_START && data[at] != '\r') {
			head->mark = at;
			head->state = STATE_METHOD;
			break;
		}
		head->state = head->state == STATE_START ? STATE_START_LF
		    : STATE_START;
	}
	head->at = at;
	return HEAD_MORE;
}

/* The request line, as far as it is there. */
static enum head_result
parse_line(struct head *head, const char *data, size_t length)
{
	enum head_result result;
	size_t at = head->at, from;

	switch (head->state) {
	case STATE_METHOD:
		if (at == head->mark && length - at > 4 &&
		    memcmp(data + at, "GET ", 4) == 0)
			at += 3;
		at = head_skip(data, at, length, TOKEN);
		if (at == length)
			return pause_at(head, STATE_METHOD, at);
		if (data[at] != ' ' || at == head->mark)
			return refuse(head, 400, "Bad request syntax");
		head->method = span(head->mark, at);
		head->mark = ++at;
		/* FALLTHROUGH */
	case STATE_TARGET:
		from = head_skip(data, head->mark, length, PLAIN);
		at = head_skip(data, from > at ? from : at, length, TARGET);
		if (at == length)
			return pause_at(head, STATE_TARGET, at);
		if (data[at] != ' ')
			return refuse(head, 400, "Bad request syntax");
		head->target = span(head->mark, at);
		if (head->target.length == 0 ||
		    !target_is_valid(head, data, from == at))
			return refuse(head, 400, "Bad request target");
		head->mark = ++at;
		/* FALLTHROUGH */
	case STATE_VERSION:
		if (at == head->mark && length - at >= 10 &&
		    memcmp(data + at, "HTTP/1.1\r\n", 10) == 0) {
			head->line = span(head->method.at, at + 8);
			head->minor = 1;
			return pause_at(head, STATE_FIELD, at + 10);
		}
		at = head_skip(data, at, length, TARGET);
		if (at == length)
			return pause_at(head, STATE_VERSION, at);
		if (data[at] != '\r')
			return refuse(head, 400, "Bad request syntax");
		head->line = span(head->method.at, at);
		result = version(head, data + head->mark, at - head->mark);
		if (result != HEAD_MORE)
			return result;
		at++;
		/* FALLTHROUGH */
	default:		/* STATE_LINE_LF */
		if (at == length)
			return pause_at(head, STATE_LINE_LF, at);
		if (data[at] != '\n')
			return refuse(head, 400, "Bad line end");
		return pause_at(head, STATE_FIELD, at + 1);
	}
}

/* Where a value ends, blanks in it and behind it passed over. */
static size_t
skip_value(const char *data, size_t at, size_t length)
{
	at += text_printable(data + at, length - at);
	return head_skip(data, at, length, VALUE | BLANK);
}

static enum head_result
parse_end(struct head *head, char c)
{
	if (c != '\n')
		return refuse(head, 400, "Bad line end");
	head->at++;
	return finish(head);
}

/* A field, as far as it is there, or the empty line that ends the head. */
static enum head_result
parse_field(struct head *head, const char *data, size_t length)
{
	enum head_result result;
	size_t at = head->at;

	switch (head->state) {
	case STATE_END_LF:
		return parse_end(head, data[at]);
	case STATE_FIELD:
		if (data[at] == '\r')
			return pause_at(head, STATE_END_LF, at + 1);
		head->mark = at;
		/* FALLTHROUGH */
	case STATE_NAME:
		at = head_skip(data, at, length, TOKEN);
		if (at == length)
			return pause_at(head, STATE_NAME, at);
		if (data[at] != ':' || at == head->mark)
			return refuse(head, 400, "Bad header name");
		if (head->count == head->max_fields)
			return refuse(head, 431, "Too many headers");
		head->fields[head->count].name = span(head->mark, at);
		at++;
		/* FALLTHROUGH */
	case STATE_SPACE:
		at = head_skip(data, at, length, BLANK);
		if (at == length)
			return pause_at(head, STATE_SPACE, at);
		head->mark = at;
		/* FALLTHROUGH */
	case STATE_VALUE:
		at = skip_value(data, at, length);
		if (at == length)
			return pause_at(head, STATE_VALUE, at);
		if (data[at] != '\r')
			return refuse(head, 400, "Bad header value");
		result = end_field(head, data, at);
		if (result != HEAD_MORE)
			return result;
		at++;
		/* FALLTHROUGH */
	default:		/* STATE_VALUE_LF */
		if (at == length)
			return pause_at(head, STATE_VALUE_LF, at);
		if (data[at] != '\n')
			return refuse(head, 400, "Bad line end");
		return pause_at(head, STATE_FIELD, at + 1);
	}
}

static COLD enum head_result
too_long(struct head *head)
{
	if (head->state < STATE_LINE_LF)
		return refuse(head, 414, "Request line too long");
	return refuse(head, 431, "Header fields too large");
}

enum head_result
head_parse(struct head *head, const char *data, size_t length)
{
	const bool is_over = length > head->max_head;
	enum head_result result = HEAD_MORE;

	if (is_over)
		length = head->max_head;
	if (head->state < STATE_METHOD)
		result = pass_empty(head, data, length);
	if (result == HEAD_MORE && head->state < STATE_FIELD &&
	    head->at < length)
		result = parse_line(head, data, length);
	while (result == HEAD_MORE && head->at < length)
		result = parse_field(head, data, length);
	if (result == HEAD_MORE && is_over)
		return too_long(head);
	return result;
}
