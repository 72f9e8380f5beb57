/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: a client's bytes on their way to a log and to a page.  The first
 * byte is how much room there is.
 */
#include "../../lib/base/text.h"
#include "../../lib/http/http.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef size_t escape(char *, size_t, const char *, size_t);

/* What fits is the beginning of the whole, and its length is told. */
static char *
escaped(escape *function, const char *in, size_t length, size_t room)
{
	const size_t whole = function(NULL, 0, in, length);
	char *all = malloc(whole + 1), *part = malloc(room + 1);

	if (all == NULL || part == NULL)
		abort();
	if (function(all, whole + 1, in, length) != whole ||
	    strlen(all) != whole ||
	    function(part, room + 1, in, length) != whole ||
	    strlen(part) != (whole < room ? whole : room) ||
	    memcmp(all, part, strlen(part)) != 0)
		abort();
	free(part);
	return all;
}

static unsigned
hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* No byte is lost on the way: the line can be read back. */
static void
check_line(const char *line, const char *in, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)*line++;

		if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			abort();
		if (c == '\\' && *line == 'x') {
			c = (unsigned char)(hex(line[1]) << 4 | hex(line[2]));
			line += 3;
		} else if (c == '\\') {
			c = (unsigned char)*line++;
		}
		if (c != (unsigned char)in[i])
			abort();
	}
	if (*line != '\0')
		abort();
}

static void
check_quoted(const char *in, size_t length, size_t room)
{
	char *out = malloc(room);
	size_t n;

	if (out == NULL)
		abort();
	log_quote(out, room, in, length);
	n = strlen(out);
	if (n + 1 > room || n < 2 || (out[0] != '\'' && out[0] != '"') ||
	    out[n - 1] != out[0])
		abort();
	for (size_t i = 0; i < n; i++) {
		if (out[i] < 0x20 || out[i] == 0x7f)
			abort();
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	char *line, *page;

	if (size == 0)
		return 0;
	line = escaped(text_escape_log, text, size - 1, data[0]);
	check_line(line, text, size - 1);
	free(line);
	check_quoted(text, size - 1, 16U + data[0]);
	if (memchr(text, '\0', size - 1) != NULL)
		return 0;		/* a page's text is a string */
	page = escaped(text_escape_html, text, size - 1, data[0]);
	if (strpbrk(page, "<>\"'") != NULL)
		abort();
	free(page);
	return 0;
}
