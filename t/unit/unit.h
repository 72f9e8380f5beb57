/* SPDX-License-Identifier: ISC */
/*
 * The unit tests' suites: one for each room that is pure enough.
 */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stddef.h>

Suite	*base_suite(void);
Suite	*files_suite(void);
Suite	*head_suite(void);
Suite	*log_suite(void);
Suite	*prefork_suite(void);
Suite	*proxy_suite(void);
Suite	*server_suite(void);
Suite	*users_suite(void);

/* A copy whose end is the end of what may be read. */
char	*guarded(const char *text, size_t length);

#endif
