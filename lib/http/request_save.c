/* SPDX-License-Identifier: ISC */
/*
 * A request whose handler runs in a child: what the child is sent of it, and
 * what comes back of its reply beside the bytes.
 */
#include <string.h>
#include <time.h>

#include "../server/loop.h"
#include "../server/server.h"
#include "auth.h"
#include "protocol_parts.h"

/* What is sent of a request: places, then the head's fields that are there. */
struct saved {
	size_t		 body_end, request_end;
	off_t		 body_length;
	const struct user *user;	/* at the same place in all of them */
};

size_t
request_save(struct exchange *exchange, void *out, size_t size, size_t *input_length)
{
	struct http *http = http_of(exchange);
	struct saved saved = {
		.body_end = http->body_end,
		.request_end = http->request_end,
		.body_length = http->body_length
	};
	const size_t head = offsetof(struct head, fields) +
	    http->head.count * sizeof(struct head_field);

	if (sizeof(saved) + head > size)
		return 0;
	if (exchange->loop->server->users != NULL)
		auth_recall(http);
	saved.user = http->user;
	memcpy(out, &saved, sizeof(saved));
	memcpy((char *)out + sizeof(saved), &http->head, head);
	*input_length = http->request_end;
	return sizeof(saved) + head;
}

int
request_restore(struct exchange *exchange, const void *from, size_t length)
{
	struct http *http = http_of(exchange);
	struct saved saved;

	if (length < sizeof(saved) + offsetof(struct head, fields) ||
	    length > sizeof(saved) + sizeof(http->head))
		return -1;
	memcpy(&saved, from, sizeof(saved));
	memcpy(&http->head, (const char *)from + sizeof(saved),
	    length - sizeof(saved));
	http->body_end = saved.body_end;
	http->request_end = saved.request_end;
	http->body_length = saved.body_length;
	http->user = saved.user;
	http->phase = PHASE_WHOLE;
	return 0;
}

/*
 * The pages that building a request reads and writes, with those of its
 * answer that are not the same: the clock, and the handler itself.
 */
void
request_rehearse(struct exchange *exchange)
{
	static const char text[] = "GET / HTTP/1.1\r\n\r\n";
	struct http *http = http_of(exchange);
	struct input *input = &exchange->input;
	struct head *head = &http->head;
	method *function;

	memcpy(input->data, text, sizeof(text) - 1);
	input->start = 0;
	input->end = sizeof(text) - 1;
	head->method = (struct span){ 0, 3 };
	head->target = head->path = (struct span){ 4, 1 };
	head->line = (struct span){ 0, sizeof(text) - 5 };
	request_build(http);
	(void)tine_date_time_string(&http->request, (time_t)-1);
	function = handling_method(http);
	if (function != NULL)
		(void)*(const volatile char *)(uintptr_t)function;
	input->start = input->end = 0;
}

/* No bool: a child whose handler writes wild can send any byte. */
struct outcome_saved {
	int		code;
	unsigned char	is_logged, is_close, is_cut, is_broken, ends_by_close;
	unsigned char	is_admitted;	/* name and password were good */
	unsigned char	unused[2];	/* no byte of it is left unset */
	off_t		written;
};

size_t
request_save_outcome(struct exchange *exchange, void *out, size_t size)
{
	const struct http *http = http_of(exchange);
	const struct outcome_saved saved = {
		.code = http->reply.code,
		.is_logged = http->reply.is_logged,
		.is_close = exchange->is_close,
		.is_cut = exchange->is_cut,
		.is_broken = exchange->is_broken,
		.ends_by_close = exchange->ends_by_close,
		.is_admitted = http->user != NULL,
		.written = http->reply.written
	};

	if (sizeof(saved) > size)
		return 0;
	memcpy(out, &saved, sizeof(saved));
	return sizeof(saved);
}

void
request_restore_outcome(struct exchange *exchange, const void *from, size_t length)
{
	struct http *http = http_of(exchange);
	struct outcome_saved saved = { .is_close = true, .is_cut = true };

	if (length == sizeof(saved))
		memcpy(&saved, from, sizeof(saved));
	request_build(http);
	http->reply.code = saved.code;
	http->reply.is_logged = saved.is_logged != 0;
	http->reply.written = saved.written;
	exchange->is_close = saved.is_close != 0;
	exchange->is_cut = saved.is_cut != 0;
	exchange->is_broken = saved.is_broken != 0;
	exchange->ends_by_close = saved.ends_by_close != 0;
	if (saved.is_admitted != 0 && exchange->loop->server->users != NULL)
		auth_learn(http);
}
