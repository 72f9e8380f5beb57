/* SPDX-License-Identifier: ISC */
/*
 * What a form may cost where its caller does not say, and where its temporary
 * files go.  The one place of lib/form that may know of options.
 */
#ifndef FORM_LIMITS_H
#define FORM_LIMITS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../server/spool.h"
#include "../tine.h"

/*
 * Fills all from given, which has size bytes in the caller's tine.h or is
 * NULL, and from the defaults: no member is zero or NULL afterwards, but for
 * flags.
 */
void	form_limits_fill(struct tine_form_limits *all,
	    const struct tine_request *req,
	    const struct tine_form_limits *given, size_t size);

/*
 * What temporary files of this request count against.  own is a counter that
 * lives as long as they do.
 */
void	form_limits_space(struct spool_space *space,
	    const struct tine_request *req,
	    const struct tine_form_limits *limits, _Atomic int64_t *own);

#endif
