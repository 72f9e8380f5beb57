/* SPDX-License-Identifier: ISC */
/*
 * What marks a function that tine.h declares; all others are hidden.
 */
#ifndef BASE_PUBLIC_H
#define BASE_PUBLIC_H

#include "../tine.h"

#define TINE_PUBLIC	__attribute__((__visibility__("default")))

#endif
