/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the texts of --bind.  What one is written back as means the same
 * address.  No name is asked for of any network.
 */
#include <dlfcn.h>
#include <netdb.h>

#include "../../lib/base/endpoint.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIST	3

typedef int resolver(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **);

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **list)
{
	static resolver *real;
	struct addrinfo numeric = *hints;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	numeric.ai_flags |= AI_NUMERICHOST;
	return real(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port,
	    &numeric, list);
}

static void
check(const struct endpoint *endpoint)
{
	struct endpoint again[LIST];
	char text[210];
	size_t count;

	if (endpoint->inherited != -1)
		return;
	endpoint_name(endpoint, text, sizeof(text));
	if (endpoint_parse(text, again, LIST, &count) == -1 || count != 1)
		abort();
	/* One that is mapped is written as what it stands for. */
	if (endpoint->address.any.sa_family == AF_INET6 &&
	    again[0].address.any.sa_family == AF_INET)
		return;
	/* Nor does the text have a scope. */
	if (endpoint->address.any.sa_family == AF_INET6)
		again[0].address.in6.sin6_scope_id =
		    endpoint->address.in6.sin6_scope_id;
	if (!endpoint_same(endpoint, &again[0]))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct endpoint list[LIST];
	char *text = strndup((const char *)data, size);
	size_t count;

	if (text == NULL)
		abort();
	if (endpoint_parse(text, list, LIST, &count) == 0) {
		if (count < 1 || count > LIST)
			abort();
		for (size_t i = 0; i < count; i++)
			check(&list[i]);
	}
	free(text);
	return 0;
}
