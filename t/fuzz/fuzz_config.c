/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the options.  The first byte says whether the rest is a file for
 * --config or the words of a command line, one a line.
 */
#include <sys/mman.h>

#include <netdb.h>
#include <unistd.h>

#include "../../lib/app/config.h"
#include "../../lib/app/options.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS	16

static const struct tine_http_handler handler = { .do_GET = NULL };

/* Names are nobody's business here. */
int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **list)
{
	(void)host;
	(void)port;
	(void)hints;
	*list = NULL;
	return EAI_NONAME;
}

static void
read_file(struct tine_server *server, const char *text, size_t length)
{
	const int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd == -1 || write(fd, text, length) != (ssize_t)length)
		abort();
	if (config_read(server, path) != 0 && strstr(tine_error(), path) ==
	    NULL)
		abort();
	(void)close(fd);
}

static void
read_words(struct tine_server *server, const char *text, size_t length)
{
	char *copy = strndup(text, length), *next = copy;
	char *words[WORDS + 2] = { (char *)(uintptr_t)"tine" };
	const char *operand;
	int count = 1;

	while (next != NULL && count <= WORDS)
		words[count++] = strsep(&next, "\n");
	/* Not those that print: a page for each input would be slow. */
	for (int i = 1; i < count; i++) {
		if (strncmp(words[i], "--h", 3) == 0 ||
		    strncmp(words[i], "--ve", 4) == 0 ||
		    (words[i][0] == '-' && strchr(words[i], 'h') != NULL &&
		    words[i][1] != '-'))
			goto end;
	}
	if (options_read(server, count, words, "MODULE", &operand) ==
	    OPTIONS_WRONG && *tine_error() == '\0')
		abort();
end:
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tine_server *server;

	if (size == 0)
		return 0;
	server = tine_http_server(&handler);
	if (server == NULL)
		abort();
	if ((data[0] & 1) != 0)
		read_file(server, (const char *)data + 1, size - 1);
	else
		read_words(server, (const char *)data + 1, size - 1);
	tine_server_free(server);
	return 0;
}
