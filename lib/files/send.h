/* SPDX-License-Identifier: ISC */
/*
 * The reply for a file that was found.
 */
#ifndef FILES_SEND_H
#define FILES_SEND_H

struct file;
struct http;

/* Bytes that are copied behind the head: more are lent, or sent as a file. */
#define SEND_COPIED	((size_t)6 * 1024)

/* Answers with all of it, a part, or that it is not wanted; takes file. */
void	send_found(struct http *http, struct file *file);

#endif
