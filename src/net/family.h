/*
 * family.h: what differs between address families
 *
 * One const row a family. Everything else in the program handles a `struct
 * address` without looking into it.
 */
#ifndef FAMILY_H
#define FAMILY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/compat.h"

#if SOCKCAT_LINUX
#include <netpacket/packet.h>	/* packet(7) */

/* As linux/vm_sockets.h has it, which comes with no C library: vsock(7). */
struct vsock_address {
	sa_family_t family;
	unsigned short reserved;
	unsigned port, cid;	/* host order */
	unsigned char flags, zero[3];
};
#endif

/* A socket address and its length, as bind(2) and connect(2) take them. */
struct address {
	socklen_t length;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
#if SOCKCAT_LINUX
		struct sockaddr_ll ll;
		struct vsock_address vsock;
#endif
		struct sockaddr_storage storage;
	};
};

/* Room for any text that address_text() makes, with its NUL. */
#define ADDRESS_TEXT 160

struct family {
	const char *name;	/* as --family takes it */
	int number;		/* AF_*; see socket(2) */
	bool has_ports;
	unsigned types;		/* bit 1 << SOCK_* for each that makes sense */

	/* for the functions below alone */
	size_t length;		/* of its shortest struct sockaddr_* */
	size_t port;		/* offset in there, if has_ports */
	void (*host)(const struct address *address, char *text);
	bool (*same_host)(const struct address *a, const struct address *b);
};

/* The row of AF_* `number`, or NULL; the row named `name`, or NULL. */
const struct family *family_by_number(int number);
const struct family *family_by_name(const char *name);

/*
 * Reads a numeric IPv4 or IPv6 address, with a %scope where it is IPv6
 * (RFC 4007), and a port in host order. Returns 0; -1 if the text is not
 * numeric; -2 if the scope names no interface.
 */
int address_numeric(const char *host, uint16_t port, struct address *out);

/*
 * The address of a Unix-domain path, or of abstract name `path` (Linux).
 * `length` bytes, which need not end in NUL; an empty path is the unnamed
 * address, for which bind(2) chooses a name on Linux (unix(7)). Returns 0, or
 * -1 with ENAMETOOLONG.
 */
int address_unix(const char *path, size_t length, bool abstract,
		 struct address *out);

#if SOCKCAT_LINUX
/* The address of a vsock(7) port. */
void address_vsock(unsigned cid, unsigned port, struct address *out);

/*
 * The address of interface `index` for packet(7) sockets of EtherType
 * `protocol` (host order).
 */
void address_packet(unsigned index, uint16_t protocol, struct address *out);
#endif

/* The wildcard address of AF_INET or AF_INET6 with `port` (host order). */
void address_any(int family, uint16_t port, struct address *out);

/* The port in host order; 0 where the family has none. */
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);

/* Turns an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) into IPv4. */
void address_unmap(struct address *address);

/*
 * The address alone in numbers ("192.0.2.1", "fe80::1%eth0"), a Unix path,
 * or "@name"; "" for an unnamed Unix socket. `text` has ADDRESS_TEXT bytes.
 * Returns `text`.
 */
const char *address_host(const struct address *address, char *text);

/* The same followed by a blank and the port where there is one. */
const char *address_text(const struct address *address, char *text);

/* Whether both name the same address (and port). */
bool address_equal(const struct address *a, const struct address *b);

#endif
