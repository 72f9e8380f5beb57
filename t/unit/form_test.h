/* SPDX-License-Identifier: ISC */
/*
 * The suites of lib/form, and what they share.
 */
#ifndef FORM_TEST_H
#define FORM_TEST_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <tine.h>

Suite	*form_parameters_suite(void);
Suite	*form_part_suite(void);
Suite	*form_urlencoded_suite(void);
Suite	*form_multipart_suite(void);
Suite	*form_suite(void);
Suite	*form_save_suite(void);

/* A literal and its length: it may hold NUL. */
#define BYTES(literal)	(literal), sizeof(literal) - 1

/* What a parser said, as text that can be compared. */
struct trace {
	char	text[65536];
	size_t	length;
};

void	trace_add(struct trace *trace, const char *data, size_t length);

/*
 * A copy of data that ends where no memory is mapped, so that a byte read
 * beyond it is a fault.  Valid until the next call.
 */
const char *at_the_edge(const char *data, size_t length);

/* Feeds data in pieces that end at the places first, second and the end. */
void	feed_cut(void (*feed)(void *, const char *, size_t), void *parser,
	    const char *data, size_t length, size_t first, size_t second);

/* ----------------------------------------- a request without a server */

struct fake {
	struct tine_request	 req;	/* first */
	const char		*type;	/* Content-Type, or NULL */

	/*
	 * The body: head, then middle bytes that are made up, then tail.
	 * Each read gives piece bytes at most, if it is not 0.
	 */
	const char	*head;
	size_t		 head_length;
	size_t		 middle;
	const char	*tail;
	size_t		 tail_length;
	size_t		 piece;
	size_t		 at;
	size_t		 fail_at;	/* ECONNRESET from here, if not 0 */

	/* What tine_send_error() was called with. */
	int		 status;
	char		 explain[512];
	char		 log[512];

	struct {
		void	(*function)(void *);
		void	*argument;
	} finish[8];
	size_t		 finish_count;
	void		*memory[64];
	size_t		 memory_count;
};

/* A POST of this type and body; query is empty. */
void	fake_init(struct fake *fake, const char *type, const char *body,
	    size_t length);
void	fake_get(struct fake *fake, const char *query);

/* The request ends. */
void	fake_end(struct fake *fake);

/* How many descriptors the process has, and files there are in dir. */
size_t	count_descriptors(void);
size_t	count_files(const char *dir);

#endif
