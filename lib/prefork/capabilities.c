/* SPDX-License-Identifier: ISC */
/*
 * See capabilities.h.  By the system calls: libcap would be one library more
 * for three of them.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include <errno.h>
#include <unistd.h>

#include "capabilities.h"

void
capabilities_bound(void)
{
	/* The kernel may know more of them than we do; it says which. */
	for (unsigned long cap = 0;
	    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			return;
	}
}

int
capabilities_drop(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	const struct __user_cap_data_struct none[2] = { { 0, 0, 0 } };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 &&
	    errno != EINVAL)		/* Linux before 4.3 has no such set */
		return -1;
	return (int)syscall(SYS_capset, &header, none);
}
