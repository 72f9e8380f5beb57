/* SPDX-License-Identifier: ISC */
/*
 * See stdio_flush.h.  To find that nothing is to be written fflush(NULL) takes
 * locks, for which a process that was just forked copies a page, and runs code
 * that nothing else in it has run.  The streams themselves say as much.
 *
 * glibc's list of them is exported, but in no header: it is looked up, and
 * without it all are flushed.  Bound at link time it could be a copy, which
 * glibc would not keep up to date.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "stdio_flush.h"

static FILE *const *streams;

void
stdio_flush_prepare(void)
{
	streams = dlsym(RTLD_DEFAULT, "_IO_list_all");
}

/* Of one with wide characters nothing is known. */
static bool
may_have_output(const FILE *stream)
{
	return stream->_mode > 0 ||
	    stream->_IO_write_ptr > stream->_IO_write_base;
}

void
stdio_flush(void)
{
	const FILE *stream = NULL;

	if (streams != NULL) {
		stream = *streams;
		while (stream != NULL && !may_have_output(stream))
			stream = stream->_chain;
	}
	if (streams == NULL || stream != NULL)
		(void)fflush(NULL);
}
