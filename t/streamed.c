/* SPDX-License-Identifier: ISC */
/*
 * A handler that reads its body as it comes: says how many bytes there were,
 * in how many reads, and their sum.  /early answers without reading, /crash
 * reads a piece and dies of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tine.h"

static void
post(struct tine_request *req)
{
	char buffer[1000];
	long length = 0, reads = 0;
	unsigned sum = 0;
	ssize_t n = 0;

	if (strcmp(req->path, "/early") == 0) {
		tine_printf(req, "early\n");
		return;
	}
	if (strcmp(req->path, "/crash") == 0) {
		(void)tine_read(req, buffer, sizeof(buffer));
		abort();
	}
	tine_log(req, TINE_LOG_INFO, "begun, length %lld",
	    (long long)req->content_length);
	while ((n = tine_read(req, buffer, sizeof(buffer))) > 0) {
		length += n;
		reads++;
		for (ssize_t i = 0; i < n; i++)
			sum += (unsigned char)buffer[i];
	}
	tine_printf(req, "length=%ld sum=%u error=%s\n", length, sum,
	    n == -1 ? strerrorname_np(errno) : "none");
}

const struct tine_http_handler tine_http = {
	.do_POST = post, .stream_body = true
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
