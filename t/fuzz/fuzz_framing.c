/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: what HTTP makes of a stream of bytes.  The stream is framed
 * whole, then in pieces and with no memory to spare, then in pieces with a
 * hand-over to another worker after some of them.  All three must give the
 * same requests with the same bodies and ends, and the same error after them.
 */
#include <unistd.h>

#include "../../lib/base/text.h"
#include "../../lib/http/http.h"
#include "pieces.h"
#include "serving.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct connection	 conn;
	struct said		 said;
	uint64_t		 fed;
	uint64_t		 moves;		/* 0: none; else what chooses */
	bool			 is_over;
};

static struct loop *loop;

static void
say_text(struct said *said, const char *text)
{
	say_mark(said, 't', strlen(text));
	say(said, text, strlen(text));
}

/* What no request may have, however it came. */
static void
check_field(const struct tine_field *field)
{
	const size_t length = strlen(field->value);

	if (!text_is_token(field->name, strlen(field->name)))
		abort();
	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)field->value[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			abort();
	}
	if (length > 0 && (strchr(" \t", field->value[0]) != NULL ||
	    strchr(" \t", field->value[length - 1]) != NULL))
		abort();
}

static void
check_request(const struct tine_request *req)
{
	if (!text_is_token(req->command, strlen(req->command)) ||
	    *req->path == '\0' || *req->real_path == '\0' ||
	    req->header_count > SERVING_FIELDS ||
	    req->content_length > SERVING_BODY)
		abort();
	for (const char *at = req->path; *at != '\0'; at++) {
		if (*at <= 0x20 || *at >= 0x7f || *at == '#')
			abort();
	}
	for (size_t i = 0; i < req->header_count; i++)
		check_field(&req->headers[i]);
}

static void
say_body(struct run *run, const struct http *http)
{
	const struct exchange *exchange = http->exchange;
	const char *start = exchange->input.data + exchange->input.start;
	const size_t in_memory = http->body_end - http->head.at;
	char text[SERVING_BODY];
	ssize_t n = 0;

	say_mark(&run->said, 'b', (uint64_t)http->body_length);
	if (exchange->body.fd != -1)
		n = pread(exchange->body.fd, text, sizeof(text), 0);
	if (n < 0 || n + (ssize_t)in_memory != (ssize_t)http->body_length)
		abort();
	say(&run->said, text, (size_t)n);
	say(&run->said, start + http->head.at, in_memory);
}

/* Also where in the stream the next request begins. */
static void
say_request(struct run *run, struct http *http)
{
	const struct input *input = &http->exchange->input;
	struct tine_request *req = &http->request;

	say_body(run, http);
	request_build(http);
	check_request(req);
	say_text(&run->said, req->requestline);
	say_text(&run->said, req->command);
	say_text(&run->said, req->real_path);
	say_text(&run->said, req->query);
	for (size_t i = 0; i < req->header_count; i++) {
		say_text(&run->said, req->headers[i].name);
		say_text(&run->said, req->headers[i].value);
	}
	say_mark(&run->said, 'c', req->close_connection);
	say_mark(&run->said, 'e', run->fed - (input->end - input->start -
	    http->request_end));
	run->is_over = req->close_connection;
}

/*
 * The size of a chunk can be too large and the line that it stands in wrong:
 * which of the two is seen first depends on the pieces.
 */
static void
say_refusal(struct run *run, int code)
{
	say_mark(&run->said, 'r', (uint64_t)(code == 413 ? 400 : code));
	run->is_over = true;
}

static void
next_request(struct exchange *exchange)
{
	loop->protocol->done(exchange, OUTCOME_SENT);
	exchange_reset(exchange);
	input_compact(&exchange->input);
	loop->protocol->begin(exchange);
}

/* As a worker that gives the connection away, and the one that takes it. */
static void
move(struct run *run)
{
	struct exchange *from = run->conn.exchange, *to;
	const struct input *input = &from->input;
	const size_t length = input->end - input->start;
	const bool is_head = http_of(from)->phase == PHASE_HEAD;
	char state[256];
	size_t state_length = 0;

	run->moves = run->moves * 6364136223846793005u + 1442695040888963407u;
	if (run->moves >> 62 != 0)
		return;
	if (!is_head && loop->protocol->pack(from, state, sizeof(state),
	    &state_length) == -1)
		abort();
	to = loop_exchange(loop, &run->conn);
	if (to == NULL || input_reserve(&to->input, length + 1) == -1)
		abort();
	if (length > 0)
		memcpy(to->input.data, input->data + input->start, length);
	to->input.end = length;
	to->body = from->body;
	spool_init(&from->body, to->body.space);
	if (!is_head && loop->protocol->unpack(to, state, state_length) == -1)
		abort();
	run->conn.exchange = from;
	loop_exchange_end(loop, &run->conn);
	run->conn.exchange = to;
}

static enum framing
frame(struct exchange *exchange)
{
	enum framing framing = loop->protocol->frame(exchange);

	while (framing == FRAMING_SPOOL)
		framing = loop->protocol->spool(exchange);
	return framing;
}

static void
look(struct run *run)
{
	for (;;) {
		struct exchange *exchange = run->conn.exchange;

		switch (frame(exchange)) {
		case FRAMING_HEAD:
		case FRAMING_BODY:
			output_reset(&exchange->output);   /* 100 (Continue) */
			return;
		case FRAMING_WHOLE:
			output_reset(&exchange->output);
			if (run->moves != 0)
				move(run);
			exchange = run->conn.exchange;
			say_request(run, http_of(exchange));
			if (run->is_over)
				return;
			next_request(exchange);
			if (exchange->input.start == exchange->input.end)
				return;
			break;
		case FRAMING_REPLY:
			say_refusal(run, http_of(exchange)->reply.code);
			return;
		case FRAMING_SPOOL:
		case FRAMING_END:
			abort();
		}
	}
}

static void
feed(void *argument, const char *data, size_t length)
{
	struct run *run = argument;

	while (length > 0 && !run->is_over) {
		struct input *input = &run->conn.exchange->input;
		size_t n;

		if (input_reserve(input, input->wanted > 0 ? input->wanted
		    : 1) == -1)
			abort();
		n = input->size - input->end;
		if (n > length)
			n = length;
		memcpy(input->data + input->end, data, n);
		input->end += n;
		run->fed += n;
		data += n;
		length -= n;
		look(run);
		if (run->moves != 0 && !run->is_over)
			move(run);
	}
}

static void
begin(struct run *run, uint64_t moves)
{
	memset(run, 0, sizeof(*run));
	run->conn.fd = -1;
	run->moves = moves;
	if (loop_exchange(loop, &run->conn) == NULL)
		abort();
}

static void
finish(struct run *run)
{
	loop->protocol->done(run->conn.exchange, OUTCOME_CUT);
	loop_exchange_end(loop, &run->conn);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tine_http_handler handler = { .do_GET = NULL };
	const char *text = (const char *)data;
	struct run whole, pieces, moved;
	struct said copy = { NULL, 0, 0 };

	if (loop == NULL)
		loop = serving_open(tine_http_server(&handler),
		    &strategy_single);
	begin(&whole, 0);
	feed(&whole, text, size);
	finish(&whole);
	say(&copy, whole.said.text, whole.said.length);
	loop->memory.limit = 1;
	begin(&pieces, 0);
	feed_pieces(feed, &pieces, text, size);
	finish(&pieces);
	loop->memory.limit = 0;
	must_be_same(&whole.said, &pieces.said);
	begin(&moved, size + 1);
	feed_pieces(feed, &moved, text, size);
	finish(&moved);
	must_be_same(&copy, &moved.said);
	if (atomic_load(loop->space.used) != 0)
		abort();
	return 0;
}
