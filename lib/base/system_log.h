/* SPDX-License-Identifier: ISC */
/*
 * Messages to the system's log (RFC 3164, /dev/log).  syslog(3) waits when
 * nobody reads there, and takes locks: neither is for a master, nor for a
 * process that crashes.
 */
#ifndef BASE_SYSTEM_LOG_H
#define BASE_SYSTEM_LOG_H

#include <stddef.h>

/*
 * Connects, as facility daemon and under that name, which is borrowed: before
 * a change of the root, since after it there may be no /dev/log.
 */
void	system_log_open(const char *name);

/*
 * Sends text, of a level of syslog(3).  Waits for a reader for a moment at
 * most.  Returns 0, or -1 if it is lost.  Async-signal-safe.
 */
int	system_log_send(int level, const char *text, size_t length);

#endif
