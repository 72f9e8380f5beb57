/* SPDX-License-Identifier: ISC */
/*
 * Passwords and their hashes.
 */
#ifndef HTTP_PASSWORD_H
#define HTTP_PASSWORD_H

/* Finds crypt_r(3).  Returns -1 with the text of tine_error(). */
int	password_open(void);

#endif
