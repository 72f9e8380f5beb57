/* SPDX-License-Identifier: ISC */
/*
 * What a service manager is told: systemd's notification protocol, a
 * datagram for each message (sd_notify(3)).
 */
#ifndef PREFORK_NOTIFY_H
#define PREFORK_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	int		fd;		/* -1: nobody listens */
	uint64_t	interval;	/* ms between WATCHDOG=1; 0: none */
	uint64_t	next;		/* ms: when it is due */
	uint64_t	extend;		/* ms: when more time is asked for */
	char		path[108];	/* of the socket */
};

/* Reads and removes what the environment says of it. */
void	notify_open(struct notify *notify);
void	notify_close(struct notify *notify);

/* Puts it into the environment again, for a program that replaces this. */
void	notify_export(const struct notify *notify);

/* Lines of VARIABLE=value; never waits. */
void	notify_send(const struct notify *notify, const char *format, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

/* A sign of life if one is due. */
void	notify_watchdog(struct notify *notify, uint64_t now);

/*
 * Asks for more time, every five seconds, while the server starts, stops or
 * reloads: is_waiting.
 */
void	notify_extend(struct notify *notify, uint64_t now, bool is_waiting);

/*
 * When, in ms, there will be something to say, 0: never; is_waiting is
 * whether more time is asked for.
 */
uint64_t notify_due(const struct notify *notify, bool is_waiting);

#endif
