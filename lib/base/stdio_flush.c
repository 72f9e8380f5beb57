/* SPDX-License-Identifier: ISC */
/*
 * See stdio_flush.h: a C library that does not say what its streams hold.
 */
#include <stdio.h>

#include "stdio_flush.h"

void
stdio_flush_prepare(void)
{
}

void
stdio_flush(void)
{
	(void)fflush(NULL);
}
