/* SPDX-License-Identifier: ISC */
/*
 * See path.h.
 */
#include <string.h>

#include "../base/hexadecimal.h"
#include "path.h"

/* What has been made of a path so far. */
struct walk {
	char	*out;
	size_t	 length;	/* of the segments before the one in hand */
	size_t	 at;		/* where the next byte goes */
	bool	 is_directory;
};

/* Removes the last segment that is there, and the slash before it. */
static void
go_up(struct walk *walk)
{
	while (walk->length > 0 && walk->out[walk->length - 1] != '/')
		walk->length--;
	if (walk->length > 0)
		walk->length--;
}

/*
 * A segment is complete: it stays, or does what it stands for.  Its bytes
 * begin after the slash that will separate it from what is before.
 */
static void
end_segment(struct walk *walk)
{
	const size_t from = walk->length > 0 ? walk->length + 1 : 0;
	const size_t length = walk->at - from;
	const char *segment = walk->out + from;

	walk->is_directory = true;
	if (length == 2 && memcmp(segment, "..", 2) == 0) {
		go_up(walk);
	} else if (length > 0 && !(length == 1 && *segment == '.')) {
		if (from > 0)
			walk->out[walk->length] = '/';
		walk->length = walk->at;
		walk->is_directory = false;
	}
	walk->at = walk->length > 0 ? walk->length + 1 : 0;
}

/* The next byte of the path, decoded; -1 if it is none. */
static int
next_byte(const char *path, size_t length, size_t *i)
{
	const char c = path[(*i)++];
	int high, low;

	if (c != '%')
		return (unsigned char)c;
	if (length - *i < 2)
		return -1;
	high = hexadecimal_digit(path[*i]);
	low = hexadecimal_digit(path[*i + 1]);
	if (high == -1 || low == -1)
		return -1;
	*i += 2;
	return high * 16 + low;
}

bool
path_decode(const char *path, size_t length, char *out, struct path *result)
{
	struct walk walk = { .out = out };

	if (length == 0 || path[0] != '/')
		return false;
	for (size_t i = 1; i < length;) {
		const int c = next_byte(path, length, &i);

		if (c <= 0)
			return false;
		if (c == '/')
			end_segment(&walk);
		else
			out[walk.at++] = (char)c;
	}
	end_segment(&walk);
	out[walk.length] = '\0';
	result->text = out;
	result->length = walk.length;
	result->is_directory = walk.is_directory;
	return true;
}

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

size_t
path_encode(char *out, const char *name, size_t length, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)name[i];

		if (is_unreserved(name[i]) || (c == '/' && keep_slash)) {
			out[n++] = name[i];
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	out[n] = '\0';
	return n;
}
