/* SPDX-License-Identifier: ISC */
/*
 * A row of the table of options, and what a row's value does to a server.
 */
#ifndef APP_OPTION_ROW_H
#define APP_OPTION_ROW_H

#include <stddef.h>

#include "../server/server.h"

enum option_kind {
	KIND_TIME, KIND_SIZE, KIND_MEMORY, KIND_NUMBER, KIND_COUNT,
	KIND_MODE, KIND_WORKERS, KIND_TEXT, KIND_BIND, KIND_POLLER,
	KIND_RANGE, KIND_UMASK, KIND_FLAG, KIND_SWITCH, KIND_SPARE,
	KIND_SANDBOX, KIND_READ, KIND_WRITE, KIND_TYPE, KIND_NETWORKS,
	KIND_REALM,
	KIND_HELP, KIND_VERSION
};

struct option_row {
	const char	*name;
	const char	*argument;	/* NULL: none */
	enum option_kind kind;
	size_t		 offset;	/* in struct settings */
	long long	 low, high;	/* of a number */
	const char	*help;
};

/*
 * Gives a server what value says; NULL where the option takes none.  Returns
 * -1 with errno EINVAL and the text of tine_error() if it is not good.
 */
int	option_set(struct tine_server *server, const struct option_row *row,
	    const char *value);

#endif
