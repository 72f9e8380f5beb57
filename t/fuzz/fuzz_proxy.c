/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: the header of the PROXY protocol, whole and byte by byte; what
 * follows it makes no difference.  The same bytes as the list of --proxy-from.
 */
#include "../../lib/base/network.h"
#include "../../lib/server/proxy.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory that ends where the bytes do. */
static enum proxy_result
parse(struct proxy_header *header, const uint8_t *data, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	enum proxy_result result;

	if (copy == NULL)
		abort();
	memcpy(copy, data, length);
	result = proxy_parse(header, copy, length);
	free(copy);
	return result;
}

static void
check(const struct proxy_header *header, enum proxy_result result,
    size_t length)
{
	const sa_family_t family = header->address.any.sa_family;

	if (result == PROXY_BAD && header->why == NULL)
		abort();
	if (result == PROXY_MORE && length >= PROXY_MOST)
		abort();
	if (result != PROXY_DONE)
		return;
	if (header->length > length || header->length > PROXY_MOST ||
	    header->length < 15)
		abort();
	if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
		abort();
}

static void
read_list(const uint8_t *data, size_t size)
{
	static const unsigned char address[16];
	struct network_list list;
	char *text = strndup((const char *)data, size);

	if (text == NULL)
		abort();
	if (network_list_read(&list, text) == 0) {
		if (list.count < 1 || list.count > NETWORKS)
			abort();
		(void)network_list_has(&list, AF_INET, address);
		(void)network_list_has(&list, AF_INET6, address);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, part;
	const enum proxy_result result = parse(&whole, data, size);
	enum proxy_result first = PROXY_MORE;
	size_t n = 0;

	check(&whole, result, size);
	/* The first bytes that say something say what all of them do. */
	while (first == PROXY_MORE && n <= size && n <= 300)
		first = parse(&part, data, n++);
	if (first == PROXY_MORE && n <= size)
		first = parse(&part, data, size);
	if (first != result)
		abort();
	if (result == PROXY_DONE && (part.length != whole.length ||
	    memcmp(&part.address, &whole.address, sizeof(part.address)) != 0))
		abort();
	read_list(data, size);
	return 0;
}
