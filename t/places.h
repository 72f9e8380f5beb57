/* SPDX-License-Identifier: ISC */
/*
 * What the handlers of the tests share: a table of places, the words of a
 * query, and time that passes.
 */
#ifndef T_PLACES_H
#define T_PLACES_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tine.h>

struct place {
	const char	*path;
	void		(*function)(struct tine_request *);
};

/* Runs the function of the request's path, or otherwise. */
static inline void
places_answer(struct tine_request *req, const struct place *places,
    size_t count, void (*otherwise)(struct tine_request *))
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(places[i].path, req->real_path) == 0) {
			places[i].function(req);
			return;
		}
	}
	otherwise(req);
}

static inline bool
says(const struct tine_request *req, const char *word)
{
	return strstr(req->query, word) != NULL;
}

/* The number after name= in the query, or otherwise. */
static inline long
number(const struct tine_request *req, const char *name, long otherwise)
{
	const size_t length = strlen(name);

	for (const char *at = req->query; at != NULL; at = strchr(at, '&')) {
		at += *at == '&';
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			return strtol(at + length + 1, NULL, 10);
	}
	return otherwise;
}

/* A signal that is not the handler's does not make it quicker. */
static inline void
pause_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		continue;
}

#endif
