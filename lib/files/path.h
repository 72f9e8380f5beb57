/* SPDX-License-Identifier: ISC */
/*
 * From a request's path to a name below the directory that is served.  Pure:
 * it sees no file system.
 */
#ifndef FILES_PATH_H
#define FILES_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* A name below the directory: "" for the directory itself. */
struct path {
	char	*text;		/* the caller's memory; a NUL follows */
	size_t	 length;
	bool	 is_directory;	/* the path ended with a slash, "." or ".." */
};

/*
 * Decodes %XX, once, then takes "." and ".." and empty segments away (RFC
 * 3986, section 5.2.4): what is left has no slash at either end and cannot
 * lead out of the directory.  An encoded slash is a slash, a ".." too many is
 * dropped, and a backslash is a character like any other.
 *
 * path is without the query; out has room for length + 1 bytes, and may be
 * where path is.  Returns false if path does not begin with a slash, if a '%'
 * has no two digits, or if a NUL is in it.
 */
bool	path_decode(const char *path, size_t length, char *out,
	    struct path *result);

/*
 * The other way: a name as it stands in a link or in a Location, with all but
 * unreserved characters (RFC 3986, section 2.3) encoded, and slashes too
 * unless keep_slash.  Returns the length; out has room for 3 * length + 1.
 */
size_t	path_encode(char *out, const char *name, size_t length,
	    bool keep_slash);

#endif
