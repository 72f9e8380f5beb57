/* SPDX-License-Identifier: ISC */
/*
 * The TCP server of Python's socketserver documentation: sends each line back
 * in upper case, until the client has no more.
 *
 *	./tcp_upper --bind=localhost:9999
 *	tine --bind=localhost:9999 ./tcp_upper.so
 */
#include <tine.h>

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static void
handle(struct tine_stream *stream)
{
	char line[1024];
	ssize_t length;

	while ((length = tine_stream_getline(stream, line,
	    sizeof(line))) > 0) {
		for (ssize_t i = 0; i < length; i++)
			line[i] = upper(line[i]);
		tine_stream_write(stream, line, (size_t)length);
	}
}

const struct tine_stream_handler tine_stream = { .handle = handle };

int
main(int argc, char *argv[])
{
	return tine_stream_main(argc, argv, &tine_stream);
}
