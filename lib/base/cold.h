/* SPDX-License-Identifier: ISC */
/*
 * Where the code of a function goes.  What runs for each request is to be one
 * piece of code, without a call and its saved registers for each step; what is
 * seldom called is to be kept away from it.
 */
#ifndef BASE_COLD_H
#define BASE_COLD_H

/* Called seldom: the way to it is taken for the unlikely one. */
#define COLD	__attribute__((__cold__, __noinline__))

/* Never a part of the function that calls it. */
#define APART	__attribute__((__noinline__))

/* All that it calls is a part of it, but what is COLD or APART. */
#define WHOLE	__attribute__((__flatten__))

#endif
