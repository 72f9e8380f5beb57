/* SPDX-License-Identifier: ISC */
/*
 * What lib/form asks of a request, for fuzz targets that link no server: the
 * parsers that are fuzzed call none of it.
 */
#include <errno.h>

#include <tine.h>

ssize_t
tine_read(struct tine_request *req, void *buffer, size_t size)
{
	(void)req;
	(void)buffer;
	(void)size;
	return 0;
}

const char *
tine_header(const struct tine_request *req, const char *name)
{
	(void)req;
	(void)name;
	return NULL;
}

void *
tine_alloc(struct tine_request *req, size_t size)
{
	(void)req;
	(void)size;
	errno = ENOMEM;
	return NULL;
}

int
tine_on_finish(struct tine_request *req, void (*function)(void *),
    void *argument)
{
	(void)req;
	(void)function;
	(void)argument;
	errno = ENOMEM;
	return -1;
}

int
tine_send_error(struct tine_request *req, int code, const char *message,
    const char *explain)
{
	(void)req;
	(void)code;
	(void)message;
	(void)explain;
	return 0;
}

void
tine_log(struct tine_request *req, enum tine_level level, const char *format,
    ...)
{
	(void)req;
	(void)level;
	(void)format;
}
