/* SPDX-License-Identifier: ISC */
/*
 * The page that lists a directory, as Python's list_directory() makes it.
 * Pure: what is in the directory is passed in.
 */
#ifndef FILES_LISTING_H
#define FILES_LISTING_H

#include <stdbool.h>
#include <stddef.h>

struct listing_entry {
	char	*name;
	bool	 is_directory;	/* or a link to one */
	bool	 is_link;
};

/* By name, whatever the case of ASCII letters. */
void	listing_sort(struct listing_entry *entries, size_t count);

/*
 * The page for the directory that has this path ("/a/b/"), to be freed, and
 * its length.  Names are shown as the bytes that they are; links are encoded.
 * NULL with errno ENOMEM.
 */
char	*listing_page(const char *path, const struct listing_entry *entries,
	    size_t count, size_t *length);

#endif
