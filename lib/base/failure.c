/* SPDX-License-Identifier: ISC */
/*
 * See failure.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "failure.h"
#include "public.h"

static _Thread_local char text[512];

static void
set(const char *format, va_list ap)
{
	/* An argument may be the text itself. */
	char made[sizeof(text)];

	(void)vsnprintf(made, sizeof(made), format, ap);
	(void)snprintf(text, sizeof(text), "%s", made);
}

int
failure(const char *format, ...)
{
	const int saved = errno;
	va_list ap;

	va_start(ap, format);
	set(format, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

int
failure_errno(int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set(format, ap);
	va_end(ap);
	errno = error;
	return -1;
}

TINE_PUBLIC const char *
tine_error(void)
{
	return text;
}
