/* SPDX-License-Identifier: ISC */
/*
 * What a client is told of a form that failed.
 */
#include <errno.h>
#include <stdio.h>

#include "../base/public.h"

TINE_PUBLIC int
tine_form_status(int error)
{
	switch (error) {
	case EBADMSG:
	case EMSGSIZE:
	case EPROTO:		/* of tine_read(): the body's framing */
	case ECONNRESET:
		return 400;
	case ETIMEDOUT:
		return 408;
	case EFBIG:
		return 413;
	case ENOMSG:
		return 415;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return 503;
	case ENOSPC:
	case EDQUOT:
		return 507;
	default:
		return 500;
	}
}

TINE_PUBLIC int
tine_form_send_error(struct tine_request *req)
{
	const int status = tine_form_status(errno);
	char sentence[512];

	/* The text of tine_error() does not outlive the next call. */
	(void)snprintf(sentence, sizeof(sentence), "%s", tine_error());
	if (status < 500)
		return tine_send_error(req, status, NULL, sentence);
	/* It names directories of the server.  507 has no usual sentence. */
	tine_log(req, TINE_LOG_ERROR, "%s", sentence);
	return tine_send_error(req, status, NULL, status == 507 ?
	    "the server has no room for the form" : NULL);
}
