/* SPDX-License-Identifier: ISC */
#include "loop.h"
const struct strategy strategy_fork = {
	"fork", NULL, NULL, NULL, NULL
};
