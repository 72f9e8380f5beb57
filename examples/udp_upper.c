/* SPDX-License-Identifier: ISC */
/*
 * The UDP server of Python's socketserver documentation: says who has sent
 * what, and sends it back in upper case.
 *
 *	./udp_upper --bind=localhost:9999
 *	tine --bind=udp:localhost:9999 ./udp_upper.so
 */
#include <tine.h>

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static void
handle(struct tine_datagram *datagram)
{
	tine_datagram_log(datagram, TINE_LOG_INFO, "%s", datagram->packet);
	for (size_t i = 0; i < datagram->packet_length; i++) {
		const char c = upper(datagram->packet[i]);

		tine_datagram_write(datagram, &c, 1);
	}
}

const struct tine_datagram_handler tine_datagram = { .handle = handle };

int
main(int argc, char *argv[])
{
	return tine_datagram_main(argc, argv, &tine_datagram);
}
