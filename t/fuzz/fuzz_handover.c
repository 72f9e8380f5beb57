/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: a message of hand-over, as a worker that has gone wrong could
 * send it.  The input: how many descriptors come with it; a bit for each of
 * them that is a file with the rest of the input, and not a socket; the length
 * of the message, two bytes, the lower first; the message; the rest.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/base/descriptor.h"
#include "../../lib/server/handover.h"
#include "serving.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PASSED	6

static struct loop *loop;
static int out;

static void
get(struct tine_request *req)
{
	size_t length;

	(void)tine_body(req, &length);
	tine_printf(req, "%s %zu\n", req->path, length);
}

static void
open_all(void)
{
	static const struct tine_http_handler handler = { .do_method = get };
	int pair[2];

	loop = serving_open(tine_http_server(&handler),
	    &strategy_single);
	if (handover_pair(pair) == -1)
		abort();
	out = pair[0];
	handover_open(loop, (const int[2]){ -1, pair[1] });
}

static int
make_file(const uint8_t *data, size_t size)
{
	const int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1 || descriptor_write(fd, data, size, 0) == -1)
		abort();
	return fd;
}

/* The client takes what comes, and sends no more. */
static void
take_reply(int client)
{
	char waste[4096];

	while (recv(client, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
}

static void
end_all(void)
{
	for (uint32_t i = 0; i < loop->table.used; i++) {
		struct connection *conn = &loop->table.entries[i];

		if (conn->state != CONNECTION_FREE) {
			atomic_fetch_or(&conn->ready, CONNECTION_OWNED);
			drive_end(loop, conn);
		}
	}
	if (loop->table.count != 0 || atomic_load(loop->space.used) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[PASSED], client[2], before;
	size_t count, length;

	if (loop == NULL)
		open_all();
	if (size < 4)
		return 0;
	length = data[2] | (size_t)data[3] << 8;
	if (length > size - 4)
		length = size - 4;
	before = serving_descriptors();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    client) == -1)
		abort();
	count = data[0] % (PASSED + 1);
	for (size_t i = 0; i < count; i++)
		fds[i] = (data[1] >> i & 1) != 0 ? make_file(data + 4 + length,
		    size - 4 - length) : dup(client[0]);
	if (descriptor_pass(out, data + 4, length, fds, count) == -1)
		abort();
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
	(void)close(client[0]);
	loop->handover.source.ready(loop, &loop->handover.source,
	    POLLER_READ);
	for (int i = 0; i < 2; i++) {
		take_reply(client[1]);
		(void)loop_turn(loop, thread_self, 0);
	}
	end_all();
	(void)close(client[1]);
	if (serving_descriptors() != before)
		abort();
	return 0;
}
