/* SPDX-License-Identifier: ISC */
/*
 * The unit tests' suites: one for each room that is pure enough.
 */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>

Suite	*base_suite(void);
Suite	*head_suite(void);
Suite	*server_suite(void);

#endif
