/* SPDX-License-Identifier: ISC */
/*
 * See head.h.  The parser is a table of characters and a state, which says
 * where to go on when the bytes ran out.  As long as there are bytes each state
 * runs over those that belong to it in a loop of its own, and falls through to
 * the next: the common case is one table look-up a byte, or one for eight.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdint.h>
#include <string.h>

#include "../base/text.h"
#include "head.h"

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

enum {
	TOKEN	= 1 << 0,	/* RFC 9110, section 5.6.2 */
	TARGET	= 1 << 1,	/* visible ASCII but '#' */
	VALUE	= 1 << 2,	/* of a field: visible, obs-text */
	HOST	= 1 << 3,	/* unreserved and sub-delims, RFC 3986 */
	DIGIT	= 1 << 4,
	HEX	= 1 << 5,
	PLAIN	= 1 << 6,	/* of a target: neither query nor escape */
	BLANK	= 1 << 7	/* SP, HTAB */
};

#define T	(TOKEN | TARGET | VALUE | PLAIN)
#define TH	(T | HOST)
#define THX	(TH | HEX)
#define D	(TH | DIGIT | HEX)
#define G	(TARGET | VALUE | PLAIN)
#define GH	(G | HOST)
#define O	VALUE

static const unsigned char class[256] = {
	['\t'] = BLANK, [' '] = BLANK,
	['!'] = TH, ['"'] = G, ['#'] = TOKEN | VALUE, ['$'] = TH, ['%'] = T & ~PLAIN,
	['&'] = TH, ['\''] = TH, ['('] = GH, [')'] = GH, ['*'] = TH,
	['+'] = TH, [','] = GH, ['-'] = TH, ['.'] = TH, ['/'] = G,
	['0'] = D, ['1'] = D, ['2'] = D, ['3'] = D, ['4'] = D, ['5'] = D,
	['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D,
	[':'] = G, [';'] = GH, ['<'] = G, ['='] = GH, ['>'] = G, ['?'] = G & ~PLAIN,
	['@'] = G,
	['A'] = THX, ['B'] = THX, ['C'] = THX, ['D'] = THX, ['E'] = THX,
	['F'] = THX, ['G'] = TH, ['H'] = TH, ['I'] = TH, ['J'] = TH,
	['K'] = TH, ['L'] = TH, ['M'] = TH, ['N'] = TH, ['O'] = TH,
	['P'] = TH, ['Q'] = TH, ['R'] = TH, ['S'] = TH, ['T'] = TH,
	['U'] = TH, ['V'] = TH, ['W'] = TH, ['X'] = TH, ['Y'] = TH,
	['Z'] = TH,
	['['] = G, ['\\'] = G, [']'] = G, ['^'] = T, ['_'] = TH, ['`'] = T,
	['a'] = THX, ['b'] = THX, ['c'] = THX, ['d'] = THX, ['e'] = THX,
	['f'] = THX, ['g'] = TH, ['h'] = TH, ['i'] = TH, ['j'] = TH,
	['k'] = TH, ['l'] = TH, ['m'] = TH, ['n'] = TH, ['o'] = TH,
	['p'] = TH, ['q'] = TH, ['r'] = TH, ['s'] = TH, ['t'] = TH,
	['u'] = TH, ['v'] = TH, ['w'] = TH, ['x'] = TH, ['y'] = TH,
	['z'] = TH,
	['{'] = G, ['|'] = T, ['}'] = G, ['~'] = TH,
	[128] = O, [129] = O, [130] = O, [131] = O, [132] = O, [133] = O,
	[134] = O, [135] = O, [136] = O, [137] = O, [138] = O, [139] = O,
	[140] = O, [141] = O, [142] = O, [143] = O, [144] = O, [145] = O,
	[146] = O, [147] = O, [148] = O, [149] = O, [150] = O, [151] = O,
	[152] = O, [153] = O, [154] = O, [155] = O, [156] = O, [157] = O,
	[158] = O, [159] = O, [160] = O, [161] = O, [162] = O, [163] = O,
	[164] = O, [165] = O, [166] = O, [167] = O, [168] = O, [169] = O,
	[170] = O, [171] = O, [172] = O, [173] = O, [174] = O, [175] = O,
	[176] = O, [177] = O, [178] = O, [179] = O, [180] = O, [181] = O,
	[182] = O, [183] = O, [184] = O, [185] = O, [186] = O, [187] = O,
	[188] = O, [189] = O, [190] = O, [191] = O, [192] = O, [193] = O,
	[194] = O, [195] = O, [196] = O, [197] = O, [198] = O, [199] = O,
	[200] = O, [201] = O, [202] = O, [203] = O, [204] = O, [205] = O,
	[206] = O, [207] = O, [208] = O, [209] = O, [210] = O, [211] = O,
	[212] = O, [213] = O, [214] = O, [215] = O, [216] = O, [217] = O,
	[218] = O, [219] = O, [220] = O, [221] = O, [222] = O, [223] = O,
	[224] = O, [225] = O, [226] = O, [227] = O, [228] = O, [229] = O,
	[230] = O, [231] = O, [232] = O, [233] = O, [234] = O, [235] = O,
	[236] = O, [237] = O, [238] = O, [239] = O, [240] = O, [241] = O,
	[242] = O, [243] = O, [244] = O, [245] = O, [246] = O, [247] = O,
	[248] = O, [249] = O, [250] = O, [251] = O, [252] = O, [253] = O,
	[254] = O, [255] = O
};

#undef T
#undef TH
#undef THX
#undef D
#undef G
#undef GH
#undef O

static inline bool
is(char c, unsigned what)
{
	return (class[(unsigned char)c] & what) != 0;
}

/* Where, from at on, the run of such bytes ends. */
static inline size_t
skip(const char *data, size_t at, size_t length, unsigned what)
{
	while (at < length && is(data[at], what))
		at++;
	return at;
}

void
head_init(struct head *head, size_t max_head, size_t max_fields)
{
	/* Not the fields: count says how many of them are there. */
	memset(head, 0, offsetof(struct head, fields));
	head->max_head = max_head < UINT32_MAX ? max_head : UINT32_MAX;
	head->max_fields = max_fields < HEAD_FIELDS ? (uint32_t)max_fields
	    : HEAD_FIELDS;
}

static enum head_result
refuse(struct head *head, int status, const char *why)
{
	head->status = status;
	head->why = why;
	return HEAD_BAD;
}

static struct span
span(size_t from, size_t to)
{
	return (struct span){ (uint32_t)from, (uint32_t)(to - from) };
}

/* Whether text, of which length is known to be right, is word in any case. */
static bool
is_word(const char *text, const char *word, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((text[i] | 0x20) != word[i])
			return false;
	}
	return true;
}

bool
head_number(const char *text, size_t length, off_t *number)
{
	const int64_t most = INT64_MAX;
	int64_t sum = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		const int digit = text[i] - '0';

		if (!is(text[i], DIGIT))
			return false;
		sum = sum > (most - digit) / 10 ? most : sum * 10 + digit;
	}
	*number = (off_t)sum;
	return true;
}

/* ----------------------------------------------------------------- the Host */

static bool
port_is_valid(const char *text, size_t length)
{
	off_t port = 0;

	return length == 0 ||
	    (head_number(text, length, &port) && port <= 65535);
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool
future_is_valid(const char *text, size_t length)
{
	size_t at = 1;

	while (at < length && is(text[at], HEX))
		at++;
	if (at == 1 || at + 1 >= length || text[at] != '.')
		return false;
	for (at++; at < length; at++) {
		if (!is(text[at], HOST) && text[at] != ':')
			return false;
	}
	return true;
}

/* Between "[" and "]", RFC 3986, section 3.2.2. */
static bool
literal_is_valid(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (length > 0 && (text[0] | 0x20) == 'v')
		return future_is_valid(text, length);
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return memchr(text, '\0', length) == NULL &&
	    inet_pton(AF_INET6, address, &in6) == 1;
}

/* How much of text is a reg-name: RFC 3986, section 3.2.2. */
static size_t
name_length(const char *text, size_t length)
{
	size_t at = skip(text, 0, length, HOST);

	while (length - at >= 3 && text[at] == '%' &&
	    is(text[at + 1], HEX) && is(text[at + 2], HEX))
		at = skip(text, at + 3, length, HOST);
	return at;
}

bool
head_host_is_valid(const char *value, size_t length)
{
	size_t n;

	if (length > 0 && value[0] == '[') {
		const char *end = memchr(value, ']', length);

		if (end == NULL)
			return false;
		n = (size_t)(end - value) + 1;
		if (!literal_is_valid(value + 1, n - 2))
			return false;
		return n == length || (value[n] == ':' &&
		    port_is_valid(value + n + 1, length - n - 1));
	}
	n = name_length(value, length);
	if (n == length)
		return true;
	/* A port of no host: RFC 9110, section 4.2.1. */
	return n > 0 && value[n] == ':' &&
	    port_is_valid(value + n + 1, length - n - 1);
}

/* --------------------------------------------------------------- the target */

/*
 * Whether each '%' begins an escape.  Servers decode others in ways of their
 * own.  A query is no path, and its handler's alone.
 */
static bool
escapes_are_valid(const char *path, size_t length)
{
	const char *const end = path + length;

	while ((path = memchr(path, '%', (size_t)(end - path))) != NULL) {
		if (end - path < 3 || !is(path[1], HEX) || !is(path[2], HEX))
			return false;
		path += 3;
	}
	return true;
}

/* Returns false if the path is none. */
static bool
split_query(struct head *head, const char *data, size_t from, size_t to)
{
	const char *mark = memchr(data + from, '?', to - from);
	const size_t end = mark == NULL ? to : (size_t)(mark - data);

	head->path = span(from, end);
	head->query = mark == NULL ? span(to, to) : span(end + 1, to);
	return escapes_are_valid(data + from, end - from);
}

/* "http://host/path": RFC 9112, section 3.2.2. */
static bool
absolute_is_valid(struct head *head, const char *data)
{
	const size_t from = head->target.at, to = from + head->target.length;
	const size_t left = head->target.length;
	size_t host, end;

	if (left >= 7 && is_word(data + from, "http://", 7))
		host = from + 7;
	else if (left >= 8 && is_word(data + from, "https://", 8))
		host = from + 8;
	else
		return false;
	end = host;
	while (end < to && data[end] != '/' && data[end] != '?')
		end++;
	head->form = TARGET_ABSOLUTE;
	head->host = span(host, end);
	return end > host && head_host_is_valid(data + host, end - host) &&
	    split_query(head, data, end, to);
}

/* "host:port", for CONNECT alone: RFC 9112, section 3.2.3. */
static bool
authority_is_valid(struct head *head, const char *data)
{
	const char *text = data + head->target.at;
	const size_t length = head->target.length;

	head->form = TARGET_AUTHORITY;
	head->path = head->target;
	head->query = span(head->target.at + length, head->target.at + length);
	return is(text[length - 1], DIGIT) &&
	    memchr(text, ':', length) != NULL &&
	    head_host_is_valid(text, length);
}

static inline bool
method_is(const struct head *head, const char *data, const char *name)
{
	const size_t length = strlen(name);

	return head->method.length == length &&
	    memcmp(data + head->method.at, name, length) == 0;
}

/* is_plain: it has neither a query nor an escape. */
static bool
target_is_valid(struct head *head, const char *data, bool is_plain)
{
	const size_t from = head->target.at, to = from + head->target.length;

	if (method_is(head, data, "CONNECT"))
		return authority_is_valid(head, data);
	if (data[from] == '/') {
		head->form = TARGET_ORIGIN;
		if (!is_plain)
			return split_query(head, data, from, to);
		head->path = head->target;
		head->query = span(to, to);
		return true;
	}
	if (head->target.length == 1 && data[from] == '*') {
		head->form = TARGET_ASTERISK;
		(void)split_query(head, data, from, to);
		return method_is(head, data, "OPTIONS");
	}
	return absolute_is_valid(head, data);
}

/* -------------------------------------------------------------- the version */

/* HTTP-version, RFC 9112, section 2.3: one digit on either side. */
static enum head_result
version(struct head *head, const char *text, size_t length)
{
	if (length != 8 || memcmp(text, "HTTP/", 5) != 0 ||
	    !is(text[5], DIGIT) || text[6] != '.' || !is(text[7], DIGIT))
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
	if (head->has_host)
		return refuse(head, 400, "More than one Host");
	head->has_host = true;
	if (!head_host_is_valid(value, length))
		return refuse(head, 400, "Bad Host");
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

static enum head_result
note_coding(struct head *head, const char *value, size_t length)
{
	if (head->is_chunked)
		return refuse(head, 400, "More than one Transfer-Encoding");
	if (length == 0)
		return refuse(head, 400, "Bad Transfer-Encoding");
	if (length != 7 || !is_word(value, "chunked", 7))
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

static void
note_connection(struct head *head, const char *value, size_t length)
{
	struct span option;
	size_t at = 0;

	while (next_element(value, length, &at, &option)) {
		if (option.length == 5 &&
		    is_word(value + option.at, "close", 5))
			head->says_close = true;
		else if (option.length == 10 &&
		    is_word(value + option.at, "keep-alive", 10))
			head->says_keep = true;
	}
}

static enum head_result
note_expect(struct head *head, const char *value, size_t length)
{
	struct span expectation;
	size_t at = 0;

	/* An expectation of 1.0 is ignored: RFC 9110, section 10.1.1. */
	if (head->minor == 0)
		return HEAD_MORE;
	while (next_element(value, length, &at, &expectation)) {
		if (expectation.length != 12 ||
		    !is_word(value + expectation.at, "100-continue", 12))
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
		if (memcmp(name, "Host", 4) == 0 || is_word(name, "host", 4))
			return note_host(head, value, length);
		break;
	case 6:
		if (is_word(name, "expect", 6))
			return note_expect(head, value, length);
		break;
	case 10:
		if (is_word(name, "connection", 10))
			note_connection(head, value, length);
		break;
	case 14:
		if (is_word(name, "content-length", 14))
			return note_length(head, value, length);
		break;
	case 17:
		if (is_word(name, "transfer-encoding", 17))
			return note_coding(head, value, length);
		break;
	}
	return HEAD_MORE;
}

static enum head_result
end_field(struct head *head, const char *data, size_t end)
{
	struct head_field *field = &head->fields[head->count];

	while (end > head->mark && is(data[end - 1], BLANK))
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
		at = skip(data, at, length, TOKEN);
		if (at == length)
			return pause_at(head, STATE_METHOD, at);
		if (data[at] != ' ' || at == head->mark)
			return refuse(head, 400, "Bad request syntax");
		head->method = span(head->mark, at);
		head->mark = ++at;
		/* FALLTHROUGH */
	case STATE_TARGET:
		from = skip(data, head->mark, length, PLAIN);
		at = skip(data, from > at ? from : at, length, TARGET);
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
		if (at == head->mark && length - at > 8 &&
		    memcmp(data + at, "HTTP/1.1\r", 9) == 0)
			at += 8;
		at = skip(data, at, length, TARGET);
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
	return skip(data, at, length, VALUE | BLANK);
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
		at = skip(data, at, length, TOKEN);
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
		at = skip(data, at, length, BLANK);
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

static enum head_result
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
