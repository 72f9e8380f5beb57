/*
 * limit-forker: the ceiling of mode fork.  A process for each request, forked
 * ahead by a process that has no clients, so that the client does not wait
 * for the fork; and nothing of a server in it: no parser, a fixed reply, no
 * deadlines, no log, no statuses.
 *
 * usage: limit-forker [-p port] [-w workers]
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST	4096		/* descriptors */
#define AHEAD	16		/* children that wait for a request */
#define CHILDREN 40

static const char reply[] = "HTTP/1.1 200 OK\r\nServer: limit\r\n"
    "Date: Mon, 23 Nov 2026 20:44:40 GMT\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 13\r\n\r\nHello, world!";

enum kind { NOTHING, LISTENER, CLIENT, CHANNEL, CHILD };
static enum kind kinds[MOST];
static int client_of[MOST];		/* of a child that works */
static int closes[MOST];		/* it was asked to, GET /c */
static int spares[MOST], spare_count;
static int waiting[MOST], first, last;	/* clients, a ring */
static int loop, channel, ordered, children;

static int
receive_fd(int from)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room)
	};
	int fd = -1;

	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) <= 0 ||
	    CMSG_FIRSTHDR(&message) == NULL)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void
send_fd(int to, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room)
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	(void)sendmsg(to, &message, MSG_NOSIGNAL);
}

/* ------------------------------------------------------------- the forker */

static void
child(int fd)
{
	char buffer[8192];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (recv(fd, buffer, sizeof(buffer), 0) > 0)
		(void)send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL);
	_exit(0);
}

static void
forker(int orders)
{
	char count;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	while (recv(orders, &count, 1, 0) == 1) {
		while (count-- > 0) {
			int pair[2];

			if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC,
			    0, pair) == -1)
				err(1, "socketpair");
			if (fork() == 0) {
				close(pair[0]);
				close(orders);
				child(pair[1]);
			}
			close(pair[1]);
			send_fd(orders, pair[0]);
			close(pair[0]);
		}
	}
	_exit(0);
}

/* ------------------------------------------------------------- the worker */

static void
watch(int fd, enum kind kind)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd >= MOST)
		errx(1, "too many descriptors");
	if (kind == LISTENER)
		event.events |= EPOLLEXCLUSIVE;
	kinds[fd] = kind;
	epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void
order(void)
{
	char count;

	if (spare_count + ordered >= AHEAD / 2 ||
	    children + ordered >= CHILDREN)
		return;
	count = (char)(AHEAD - spare_count - ordered);
	if (count > CHILDREN - children - ordered)
		count = (char)(CHILDREN - children - ordered);
	ordered += count;
	(void)send(channel, &count, 1, MSG_NOSIGNAL);
}

static void
give(void)
{
	char buffer[8192];

	while (spare_count > 0 && first != last) {
		const int to = spares[--spare_count];
		const int client = waiting[first++ % MOST];
		const ssize_t n = recv(client, buffer, sizeof(buffer),
		    MSG_DONTWAIT);

		if (n <= 0) {
			spares[spare_count++] = to;
			if (n == -1 && errno == EAGAIN)
				watch(client, CLIENT);
			else
				close(client);
			continue;
		}
		client_of[to] = client;
		closes[to] = n > 5 && buffer[5] == 'c';
		(void)send(to, buffer, (size_t)n, MSG_NOSIGNAL);
	}
	order();
}

static void
ready(int fd)
{
	struct epoll_event again = { .events = EPOLLIN, .data.fd = fd };
	char buffer[8192];
	ssize_t n;
	int made;

	switch (kinds[fd]) {
	case LISTENER:
		made = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (made != -1)
			watch(made, CLIENT);
		break;
	case CLIENT:
		epoll_ctl(loop, EPOLL_CTL_DEL, fd, NULL);
		waiting[last++ % MOST] = fd;
		give();
		break;
	case CHANNEL:
		made = receive_fd(fd);
		ordered--;
		if (made == -1)
			break;
		children++;
		watch(made, CHILD);
		spares[spare_count++] = made;
		give();
		break;
	case CHILD:
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n > 0)
			(void)send(client_of[fd], buffer, (size_t)n,
			    MSG_NOSIGNAL);
		close(fd);
		children--;
		if (closes[fd]) {
			close(client_of[fd]);
			give();
			break;
		}
		again.data.fd = client_of[fd];
		epoll_ctl(loop, EPOLL_CTL_ADD, client_of[fd], &again);
		give();
		break;
	case NOTHING:
		break;
	}
}

static void
worker(int listener)
{
	struct epoll_event events[64];
	int pair[2];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		err(1, "socketpair");
	if (fork() == 0) {
		close(pair[0]);
		close(listener);
		forker(pair[1]);
	}
	close(pair[1]);
	channel = pair[0];
	loop = epoll_create1(EPOLL_CLOEXEC);
	watch(listener, LISTENER);
	watch(channel, CHANNEL);
	order();
	for (;;) {
		const int n = epoll_wait(loop, events, 64, -1);

		for (int i = 0; i < n; i++)
			ready(events[i].data.fd);
	}
}

static void
stop(int sig)
{
	(void)sig;
	_exit(0);
}

int
main(int argc, char *argv[])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int c, on = 1, port = 8080, workers = 2, listener;

	while ((c = getopt(argc, argv, "p:w:")) != -1) {
		if (c == 'p')
			port = atoi(optarg);
		else if (c == 'w')
			workers = atoi(optarg);
		else
			errx(2, "usage: limit-forker [-p port] [-w workers]");
	}
	address.sin_port = htons((in_port_t)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) ==
	    -1 || listen(listener, 4096) == -1)
		err(1, "port %d", port);
	for (int i = 0; i < workers; i++) {
		if (fork() == 0)
			worker(listener);
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (;;)
		pause();
}
