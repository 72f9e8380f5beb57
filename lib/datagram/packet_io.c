/* SPDX-License-Identifier: ISC */
/*
 * A datagram from a socket, and the reply to it.  Where a machine has several
 * addresses, the reply comes from the one that was written to.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>

#include "../server/loop.h"
#include "../server/server.h"
#include "datagram.h"

#define PIECES	16	/* of memory that a reply of that length has at most */

union control {
	struct cmsghdr	header;
	char		bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
			    CMSG_SPACE(sizeof(struct in_pktinfo)) +
			    CMSG_SPACE(sizeof(struct ucred))];
};

/* --------------------------------------------------------------- receiving */

static void
take_in(struct datagram *datagram, const struct cmsghdr *header)
{
	memcpy(&datagram->from.in, CMSG_DATA(header),
	    sizeof(datagram->from.in));
	datagram->from.in.ipi_ifindex = 0;
	datagram->from_family = AF_INET;
}

/* Nobody can answer from a group's address. */
static void
take_in6(struct datagram *datagram, const struct cmsghdr *header)
{
	struct in6_pktinfo *info = &datagram->from.in6;

	memcpy(info, CMSG_DATA(header), sizeof(*info));
	if (IN6_IS_ADDR_MULTICAST(&info->ipi6_addr))
		info->ipi6_addr = in6addr_any;
	if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
		info->ipi6_ifindex = 0;
	datagram->from_family = AF_INET6;
}

static void
take_credentials(struct peer *peer, const struct cmsghdr *header)
{
	struct ucred credentials;

	memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
	if (peer->family != AF_UNIX)
		return;
	peer->host.unix_.uid = credentials.uid;
	peer->host.unix_.pid = credentials.pid;
}

static void
take_control(struct datagram *datagram, struct msghdr *message)
{
	struct peer *peer = &datagram->exchange->conn->peer;
	struct cmsghdr *header;

	for (header = CMSG_FIRSTHDR(message); header != NULL;
	    header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level == IPPROTO_IP &&
		    header->cmsg_type == IP_PKTINFO)
			take_in(datagram, header);
		else if (header->cmsg_level == IPPROTO_IPV6 &&
		    header->cmsg_type == IPV6_PKTINFO)
			take_in6(datagram, header);
		else if (header->cmsg_level == SOL_SOCKET &&
		    header->cmsg_type == SCM_CREDENTIALS)
			take_credentials(peer, header);
	}
}

/* A Unix socket that is not bound cannot be written to. */
static void
take_sender(struct datagram *datagram, socklen_t length)
{
	if (length < sizeof(sa_family_t))
		datagram->sender.any.sa_family = AF_UNIX;
	datagram->sender_length = length > sizeof(sa_family_t) ? length : 0;
	peer_set(&datagram->exchange->conn->peer, &datagram->sender.any, -1);
}

/* What is longer than the class' packets is cut, as Python does. */
int
datagram_receive(struct exchange *exchange, int socket)
{
	struct datagram *datagram = datagram_of(exchange);
	struct datagram_class *class = exchange->loop->server->handler;
	struct input *input = &exchange->input;
	union control control;
	struct iovec vector = { class->packet, class->size };
	struct msghdr message = {
		.msg_name = &datagram->sender,
		.msg_namelen = sizeof(datagram->sender),
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	const ssize_t n = recvmsg(socket, &message,
	    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n == -1)
		return 0;
	take_sender(datagram, message.msg_namelen);
	take_control(datagram, &message);
	if (input_reserve(input, (size_t)n + 1) == -1)
		return -1;
	memcpy(input->data + input->start, class->packet, (size_t)n);
	input->end = input->start + (size_t)n;
	return 1;
}

/* ----------------------------------------------------------------- sending */

static void
put_control(struct msghdr *message, union control *control, int level,
    int type, const void *data, size_t size)
{
	memset(control, 0, sizeof(*control));
	control->header.cmsg_level = level;
	control->header.cmsg_type = type;
	control->header.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control->header), data, size);
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(size);
}

static void
put_from(const struct datagram *datagram, struct msghdr *message,
    union control *control)
{
	if (datagram->from_family == AF_INET)
		put_control(message, control, IPPROTO_IP, IP_PKTINFO,
		    &datagram->from.in, sizeof(datagram->from.in));
	else if (datagram->from_family == AF_INET6)
		put_control(message, control, IPPROTO_IPV6, IPV6_PKTINFO,
		    &datagram->from.in6, sizeof(datagram->from.in6));
}

/* Returns how many, or -1 with errno EMSGSIZE. */
static int
gather(const struct output *output, struct iovec vector[PIECES])
{
	const struct segment *segment;
	int count = 0;

	STAILQ_FOREACH(segment, &output->segments, entry) {
		if (count == PIECES || segment->data == NULL) {
			errno = EMSGSIZE;
			return -1;
		}
		vector[count].iov_base = segment->data + segment->start;
		vector[count].iov_len = segment->end - segment->start;
		count++;
	}
	return count;
}

static int
post(struct datagram *datagram, int socket)
{
	struct iovec vector[PIECES];
	union control control;
	struct msghdr message = {
		.msg_name = &datagram->sender,
		.msg_namelen = datagram->sender_length,
		.msg_iov = vector
	};
	const int count = gather(&datagram->exchange->output, vector);
	ssize_t n;

	if (count == -1)
		return -1;
	message.msg_iovlen = (size_t)count;
	put_from(datagram, &message, &control);
	do
		n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

/* The sender has gone, or closed what it sent from. */
static bool
is_gone(int error)
{
	return error == ECONNREFUSED || error == ENOENT ||
	    error == ECONNRESET || error == EPIPE;
}

static void
tell(const struct exchange *exchange, int error)
{
	const struct peer *peer = &exchange->conn->peer;
	char client[64];

	peer_format(peer, client, sizeof(client));
	server_log(exchange->loop->server, TINE_LOG_WARNING,
	    "the reply to client %s, port %u, is lost: %s", client,
	    peer_port(peer), strerror(error));
}

/* Nobody waits with it: a datagram may be lost on its way, too. */
void
datagram_send(struct exchange *exchange, int socket)
{
	struct datagram *datagram = datagram_of(exchange);

	if (datagram->has_reply && datagram->sender_length > 0 &&
	    !exchange->is_cut && post(datagram, socket) == -1 &&
	    !is_gone(errno))
		tell(exchange, errno);
	output_drop(&exchange->output);
}
