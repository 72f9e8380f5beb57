/* SPDX-License-Identifier: ISC */
/*
 * --daemon: the process that was started waits until requests can be
 * answered, and ends with the result.
 */
#ifndef APP_DAEMON_H
#define APP_DAEMON_H

/*
 * Goes on in a child; the parent never returns.  Returns -1 with errno and
 * the text of tine_error().
 */
int	daemon_start(void);

/* Tells the parent: 0 when requests can be answered, else an exit status. */
void	daemon_tell(int status);

#endif
