/* SPDX-License-Identifier: ISC */
/*
 * See listing.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "path.h"

static int
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

static int
compare(const void *left, const void *right)
{
	const char *const a = ((const struct listing_entry *)left)->name;
	const char *const b = ((const struct listing_entry *)right)->name;
	size_t i = 0;

	while (a[i] != '\0' && lower(a[i]) == lower(b[i]))
		i++;
	if (lower(a[i]) != lower(b[i]))
		return lower(a[i]) - lower(b[i]);
	return strcmp(a, b);
}

void
listing_sort(struct listing_entry *entries, size_t count)
{
	if (count > 1)
		qsort(entries, count, sizeof(*entries), compare);
}

/* As html.escape(text, quote=False): the text stands in no attribute. */
static void
put_text(FILE *page, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '&')
			(void)fputs("&amp;", page);
		else if (*text == '<')
			(void)fputs("&lt;", page);
		else if (*text == '>')
			(void)fputs("&gt;", page);
		else
			(void)fputc(*text, page);
	}
}

static void
put_entry(FILE *page, const struct listing_entry *entry)
{
	char link[NAME_MAX * 3 + 1];
	const size_t length = strnlen(entry->name, NAME_MAX);

	(void)path_encode(link, entry->name, length, false);
	(void)fprintf(page, "<li><a href=\"%s%s\">", link,
	    entry->is_directory ? "/" : "");
	put_text(page, entry->name);
	if (entry->is_link)
		(void)fputc('@', page);
	else if (entry->is_directory)
		(void)fputc('/', page);
	(void)fputs("</a></li>\n", page);
}

static void
put_page(FILE *page, const char *path, const struct listing_entry *entries,
    size_t count)
{
	(void)fputs("<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n<title>Directory listing for ", page);
	put_text(page, path);
	(void)fputs("</title>\n</head>\n<body>\n<h1>Directory listing for ",
	    page);
	put_text(page, path);
	(void)fputs("</h1>\n<hr>\n<ul>\n", page);
	for (size_t i = 0; i < count; i++)
		put_entry(page, &entries[i]);
	(void)fputs("</ul>\n<hr>\n</body>\n</html>\n", page);
}

char *
listing_page(const char *path, const struct listing_entry *entries,
    size_t count, size_t *length)
{
	char *text = NULL;
	FILE *page = open_memstream(&text, length);
	bool failed;

	if (page == NULL)
		return NULL;
	put_page(page, path, entries, count);
	failed = ferror(page) != 0;
	if (fclose(page) == 0 && !failed)
		return text;
	free(text);
	errno = ENOMEM;
	return NULL;
}
