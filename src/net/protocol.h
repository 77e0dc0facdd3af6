/*
 * protocol.h: names of protocols, and what sockets of them are like
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>

/* Protocols that not every C library's headers name. */
#define PROTOCOL_SCTP 132	/* RFC 9260 */
#define PROTOCOL_UDPLITE 136	/* RFC 3828 */
#define PROTOCOL_MPTCP 262	/* Linux: RFC 8684 */

/*
 * The number of a protocol: digits, a name that is built in, or one from
 * protocols(5). Returns -1 where it is none.
 */
int protocol_number(const char *text);

/*
 * The name by which services(5) and messages know a socket of `type` and
 * `protocol` (0: the type's own): "tcp", "udp", "sctp", "icmp" … "raw".
 */
const char *protocol_name(int type, int protocol);

/* Whether an Internet socket of the type and the protocol has ports. */
bool protocol_has_ports(int type, int protocol);

/*
 * Why socket(2) gave `error` for such a socket, and what would work, where
 * that can be said in more words than strerror(3) has; else NULL.
 */
const char *protocol_hint(int error, int family, int type, int protocol);

#endif
