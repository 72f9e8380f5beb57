/* SPDX-License-Identifier: ISC */
/*
 * The addresses of a program: those that it was told, those that were passed
 * to it, or the default.
 */
#ifndef APP_BINDING_H
#define APP_BINDING_H

struct tine_server;

/*
 * Has server listen on them, with patience for one that is in use.  Returns
 * an exit status, with the text of tine_error(); if a request to stop came
 * meanwhile, EX_OK.
 */
int	binding_open(struct tine_server *server);

/*
 * Whether the options' addresses are for what the server speaks.  Returns an
 * exit status, with the text of tine_error().
 */
int	binding_check(const struct tine_server *server);

#endif
