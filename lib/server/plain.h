/* SPDX-License-Identifier: ISC */
/*
 * What protocols have in common that have neither heads, bodies nor statuses,
 * as streams and datagrams: all of the input is the request, and of a handler
 * that failed only the end of the connection tells.  The functions without a
 * word of their own are those of struct protocol.
 */
#ifndef SERVER_PLAIN_H
#define SERVER_PLAIN_H

#include "../tine.h"
#include "exchange.h"
#include "protocol.h"

enum framing plain_spool(struct exchange *exchange);
void	plain_late(struct exchange *exchange);
size_t	plain_used(const struct exchange *exchange);
void	plain_done(struct exchange *exchange, enum outcome outcome);
size_t	plain_save(struct exchange *exchange, void *out, size_t size,
	    size_t *input_length);
int	plain_restore(struct exchange *exchange, const void *from,
	    size_t length);
void	plain_failed(struct exchange *exchange, int status);
const char *plain_lost(const struct exchange *exchange, int status,
	    size_t *length);

/* Writes a line to the error log with the client named. */
void	plain_log(struct tine_server *server, const char *address,
	    unsigned port, enum tine_level level, const char *format,
	    va_list ap) __attribute__((__format__(__printf__, 5, 0)));

/* Tells the hook handle_error, or else the error log. */
void	plain_complain(struct tine_server *server, const char *address,
	    unsigned port, const char *what);

#endif
