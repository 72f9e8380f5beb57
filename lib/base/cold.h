/* SPDX-License-Identifier: ISC */
/*
 * What marks a function that is called seldom: the way to it is taken for the
 * unlikely one, and its code is kept away from what runs for each request.
 */
#ifndef BASE_COLD_H
#define BASE_COLD_H

#define COLD	__attribute__((__cold__, __noinline__))

#endif
