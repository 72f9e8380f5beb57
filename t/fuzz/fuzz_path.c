/* SPDX-License-Identifier: ISC */
/*
 * libFuzzer: from a request's path to a name below a directory, whose page
 * and whose media type are then asked for.
 */
#include "../../lib/files/listing.h"
#include "../../lib/files/path.h"
#include "../../lib/files/types.h"
#include "pieces.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No segment leads up, none is empty, and no slash stands at an end. */
static void
check_inside(const struct path *path)
{
	const char *at = path->text;

	if (path->text[path->length] != '\0' ||
	    strlen(path->text) != path->length)
		abort();
	while (*at != '\0') {
		const size_t n = strcspn(at, "/");

		if (n == 0 || (n == 1 && at[0] == '.') ||
		    (n == 2 && at[0] == '.' && at[1] == '.'))
			abort();
		at += n;
		if (*at == '/' && *++at == '\0')
			abort();
	}
}

/* What a link says leads to the same name. */
static void
check_again(const struct path *path)
{
	char *link = malloc(3 * path->length + 2);
	char *name = malloc(3 * path->length + 2);
	struct path again;
	size_t n;

	if (link == NULL || name == NULL)
		abort();
	link[0] = '/';
	n = path_encode(link + 1, path->text, path->length, true);
	if (strspn(link, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-._~%/") != n + 1 ||
	    !path_decode(link, n + 1, name, &again) ||
	    again.length != path->length ||
	    memcmp(again.text, path->text, path->length) != 0)
		abort();
	free(link);
	free(name);
}

static void
check_page(const struct path *path)
{
	char dot[] = ".";
	struct listing_entry entries[2] = {
		{ .name = path->text, .is_directory = path->is_directory },
		{ .name = dot, .is_link = true }
	};
	size_t length;
	char *page;

	listing_sort(entries, 2);
	page = listing_page("/", entries, 2, &length);
	if (page == NULL || strlen(page) != length ||
	    strstr(page, "<script") != NULL)
		abort();
	free(page);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct types types;
	char *in = malloc(size + 1), *out = malloc(size + 1);
	struct path path;

	if (in == NULL || out == NULL)
		abort();
	memcpy(in, data, size);
	if (path_decode(in, size, out, &path)) {
		check_inside(&path);
		check_again(&path);
		check_page(&path);
		(void)types_find(&types, path.text);
	}
	free(in);
	free(out);
	return 0;
}
