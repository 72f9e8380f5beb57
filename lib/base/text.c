/* SPDX-License-Identifier: ISC */
/*
 * See text.h.
 */
#include <string.h>

#include "text.h"

/* Output that may be too short: what does not fit is only counted. */
struct sink {
	char	*out;
	size_t	 size;
	size_t	 length;
};

static void
put(struct sink *sink, const char *text, size_t length)
{
	if (sink->length < sink->size) {
		const size_t room = sink->size - sink->length;

		memcpy(sink->out + sink->length, text,
		    length < room ? length : room);
	}
	sink->length += length;
}

static size_t
end(struct sink *sink)
{
	if (sink->size > 0)
		sink->out[sink->length < sink->size ? sink->length
		    : sink->size - 1] = '\0';
	return sink->length;
}

static const char *
entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#x27;";
	default:
		return NULL;
	}
}

size_t
text_escape_html(char *out, size_t size, const char *in, size_t length)
{
	struct sink sink = { out, size, 0 };

	for (size_t i = 0; i < length; i++) {
		const char *escaped = entity(in[i]);

		if (escaped != NULL)
			put(&sink, escaped, strlen(escaped));
		else
			put(&sink, &in[i], 1);
	}
	return end(&sink);
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && (c < 0x7f || c > 0x9f) && c != '\\';
}

size_t
text_escape_log(char *out, size_t size, const char *in, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	struct sink sink = { out, size, 0 };
	size_t i = 0;

	while (i < length) {
		const size_t from = i;
		unsigned char c;
		char escaped[4] = { '\\', 'x' };

		while (i < length && is_plain((unsigned char)in[i]))
			i++;
		put(&sink, in + from, i - from);
		if (i == length)
			break;
		c = (unsigned char)in[i++];
		escaped[2] = digits[c >> 4];
		escaped[3] = digits[c & 15];
		if (c == '\\')
			put(&sink, "\\\\", 2);
		else
			put(&sink, escaped, 4);
	}
	return end(&sink);
}

/* A token's bytes: RFC 9110, section 5.6.2. */
static const bool token_bytes[256] = {
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
	['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
	['`'] = true, ['a' ... 'z'] = true, ['|'] = true, ['~'] = true
};

bool
text_is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!token_bytes[(unsigned char)text[i]])
			return false;
	}
	return length > 0;
}

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool
text_equal_case(const char *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return false;
	if (memcmp(a, b, a_length) == 0)	/* as nearly always */
		return true;
	for (size_t i = 0; i < a_length; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

size_t
text_unsigned(char out[20], uint64_t number)
{
	uint64_t most = 9;
	size_t n = 1;

	while (number > most && ++n < 20)
		most = most * 10 + 9;
	for (size_t i = n - 1; i > 0; number /= 10)
		out[i--] = (char)('0' + number % 10);
	out[0] = (char)('0' + number);
	return n;
}
