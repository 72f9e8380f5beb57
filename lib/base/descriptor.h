/* SPDX-License-Identifier: ISC */
/*
 * Descriptors: closing, temporary files, passing them to another process.
 */
#ifndef BASE_DESCRIPTOR_H
#define BASE_DESCRIPTOR_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#define DESCRIPTOR_PASSED	16	/* in one message, at most */

/* Takes -1 too; keeps errno. */
void	descriptor_close(int fd);

int	descriptor_nonblocking(int fd, bool on);

/* Whether it is a terminal, or a pipe, whose other side has gone. */
bool	descriptor_has_hung_up(int fd);

/* Makes /dev/null of 0 to 2, after what is in stdio's buffers was written. */
void	descriptor_leave_terminal(void);

/* An unlinked file in dir, read and write.  -1 with errno. */
int	descriptor_temporary(const char *dir);

/*
 * A copy in memory of what can be read from file, which cannot be changed any
 * more.  -1 with errno.
 */
int	descriptor_snapshot(int file, const char *name);

/* Writes all of data at that place.  Returns 0, or -1 with errno. */
int	descriptor_write(int fd, const void *data, size_t length, off_t at);

/*
 * Sends a message with descriptors over a Unix socket; borrows them.  Returns
 * 0, or -1 with errno.
 */
int	descriptor_pass(int socket, const void *data, size_t length,
	    const int *fds, size_t count);

struct iovec;
int	descriptor_pass_vector(int socket, struct iovec *vector, size_t pieces,
	    const int *fds, size_t count);

/*
 * Receives one.  *count is the room in fds, then how many came; they are the
 * caller's.  Returns the length of data, 0 at the end, or -1 with errno:
 * EMSGSIZE if the message was too large in either way.
 */
ssize_t	descriptor_receive(int socket, void *data, size_t size, int *fds,
	    size_t *count);

/* The same without waiting: EAGAIN. */
ssize_t	descriptor_receive_now(int socket, void *data, size_t size, int *fds,
	    size_t *count);

/* The same, into several places. */
ssize_t	descriptor_receive_vector_now(int socket, struct iovec *vector,
	    size_t pieces, int *fds, size_t *count);

#endif
