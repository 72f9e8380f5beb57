/* SPDX-License-Identifier: ISC */
/*
 * A directory that is read to be listed.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/descriptor.h"
#include "../http/http.h"
#include "condition.h"
#include "files.h"
#include "listing.h"

static const struct tine_field no_fields[] = { { NULL, NULL } };

struct entries {
	struct listing_entry	*list;
	size_t			 count, size;
};

static void
free_entries(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->list[i].name);
	free(entries->list);
}

/* Whether a link leads to a directory that would be served. */
static bool
leads_to_directory(const struct files *files, const char *path,
    const char *name)
{
	struct stat status;
	char *whole;
	int fd;

	/* The path is "/a/b/", a name below the root has no slash before. */
	if (asprintf(&whole, "%s%s", path + 1, name) == -1)
		return false;
	fd = below_open(&files->below, whole, &status);
	free(whole);
	descriptor_close(fd);
	return fd != -1 && S_ISDIR(status.st_mode);
}

static unsigned char
kind_of(int fd, const struct dirent *found)
{
	struct stat status;

	if (found->d_type != DT_UNKNOWN)
		return found->d_type;
	if (fstatat(fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) == -1)
		return DT_UNKNOWN;
	return (unsigned char)IFTODT(status.st_mode);
}

static int
add(struct entries *entries, const char *name)
{
	if (entries->count == entries->size) {
		const size_t size = entries->size > 0 ? entries->size * 2
		    : 64;
		struct listing_entry *list = reallocarray(entries->list, size,
		    sizeof(*list));

		if (list == NULL)
			return -1;
		entries->list = list;
		entries->size = size;
	}
	memset(&entries->list[entries->count], 0, sizeof(*entries->list));
	entries->list[entries->count].name = strdup(name);
	if (entries->list[entries->count].name == NULL)
		return -1;
	entries->count++;
	return 0;
}

static int
read_entries(struct entries *entries, DIR *dir, const struct files *files,
    const char *path)
{
	const struct dirent *found;

	while ((errno = 0, found = readdir(dir)) != NULL) {
		struct listing_entry *entry;
		unsigned char kind;

		if (strcmp(found->d_name, ".") == 0 ||
		    strcmp(found->d_name, "..") == 0)
			continue;
		if (add(entries, found->d_name) == -1)
			return -1;
		entry = &entries->list[entries->count - 1];
		kind = kind_of(dirfd(dir), found);
		entry->is_link = kind == DT_LNK;
		entry->is_directory = kind == DT_DIR || (entry->is_link &&
		    leads_to_directory(files, path, entry->name));
	}
	return errno == 0 ? 0 : -1;
}

static void
send_page(struct tine_request *req, const char *page, size_t length)
{
	(void)tine_send_response(req, 200, NULL);
	(void)tine_send_header(req, "Content-Type",
	    "text/html; charset=utf-8");
	(void)tine_send_headerf(req, "Content-Length", "%zu", length);
	/* A page of names needs nothing, whatever the names are. */
	(void)tine_send_header(req, "Content-Security-Policy",
	    "default-src 'none'");
	(void)tine_end_headers(req);
	(void)tine_write(req, page, length);
}

/* It has neither a tag nor a date: only "*" is true of it. */
static enum condition
judge(const struct tine_request *req)
{
	const struct validators none = { .etag = "" };
	struct conditions conditions;

	conditions_read(&conditions, req->headers);
	conditions.modified_since = conditions.unmodified_since = NULL;
	return conditions_judge(&conditions, &none);
}

static void
send_wanted(struct tine_request *req, const char *page, size_t length)
{
	switch (judge(req)) {
	case CONDITION_TRUE:
		send_page(req, page, length);
		break;
	case CONDITION_NOT_MODIFIED:
		(void)tine_send_response(req, 304, NULL);
		(void)tine_end_headers(req);
		break;
	case CONDITION_FAILED:
		(void)reply_send_error(http_of_request(req), 412, NULL,
		    no_fields);
		break;
	}
}

void
files_list(struct tine_request *req, const struct files *files, int fd,
    const char *path)
{
	struct entries entries = { NULL, 0, 0 };
	DIR *dir = fdopendir(fd);
	char *page = NULL;
	size_t length;

	if (dir == NULL)
		descriptor_close(fd);
	else if (read_entries(&entries, dir, files, path) == 0) {
		listing_sort(entries.list, entries.count);
		page = listing_page(path, entries.list, entries.count,
		    &length);
	}
	if (page != NULL)
		send_wanted(req, page, length);
	else
		(void)reply_send_error(http_of_request(req), errno == ENOMEM
		    ? 503 : 500, NULL, no_fields);
	free(page);
	free_entries(&entries);
	if (dir != NULL)
		(void)closedir(dir);
}
