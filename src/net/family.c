/*
 * family.c: what differs between address families
 *
 * A new family is one row of the table and the functions that the row names.
 */
#include "net/family.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compat.h"

#define DIGITS "0123456789"
#define TYPE(type) (1U << (type))

/* A Unix path keeps its NUL, so that it can be handled as text. */
#define UNIX_PATH offsetof(struct sockaddr_un, sun_path)
#define UNIX_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static void
inet_host(const struct address *address, char *text)
{
	inet_ntop(AF_INET, &address->in.sin_addr, text, ADDRESS_TEXT);
}

static bool
inet_same_host(const struct address *a, const struct address *b)
{
	return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

static void
inet6_host(const struct address *address, char *text)
{
	unsigned scope = address->in6.sin6_scope_id;
	char name[IF_NAMESIZE];

	inet_ntop(AF_INET6, &address->in6.sin6_addr, text, ADDRESS_TEXT);
	if (scope == 0)
		return;

	size_t length = strlen(text);
	if (if_indextoname(scope, name) != NULL)
		snprintf(text + length, ADDRESS_TEXT - length, "%%%s", name);
	else
		snprintf(text + length, ADDRESS_TEXT - length, "%%%u", scope);
}

static bool
inet6_same_host(const struct address *a, const struct address *b)
{
	return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
	       a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

/*
 * How many bytes the name has: those before the NUL of a path (which the
 * kernel may leave out), all of an abstract name, the NUL in front included.
 */
static size_t
unix_length(const struct address *address)
{
	size_t length = address->length - UNIX_PATH;

	/* The kernel counts a NUL for which there was no room (unix(7)). */
	if (length > sizeof(address->un.sun_path))
		length = sizeof(address->un.sun_path);
	if (length > 0 && address->un.sun_path[0] == '\0')
		return length;
	return strnlen(address->un.sun_path, length);
}

static void
unix_host(const struct address *address, char *text)
{
	size_t length = unix_length(address);

	/* As ss(8) does it: @ for the NUL in front and for those within. */
	for (size_t i = 0; i < length; i++) {
		char byte = address->un.sun_path[i];
		text[i] = byte != '\0' ? byte : '@';
	}
	text[length] = '\0';
}

static bool
unix_same_host(const struct address *a, const struct address *b)
{
	size_t length = unix_length(a);

	return length == unix_length(b) &&
	       memcmp(a->un.sun_path, b->un.sun_path, length) == 0;
}

#if SOCKCAT_LINUX
static void
vsock_host(const struct address *address, char *text)
{
	snprintf(text, ADDRESS_TEXT, "vsock:%u:%u", address->vsock.cid,
		 address->vsock.port);
}

static bool
vsock_same_host(const struct address *a, const struct address *b)
{
	return a->vsock.cid == b->vsock.cid && a->vsock.port == b->vsock.port;
}

/* The hardware address, as ip-link(8) shows it, and the interface. */
static void
packet_host(const struct address *address, char *text)
{
	const struct sockaddr_ll *ll = &address->ll;
	char name[IF_NAMESIZE], *to = text;
	unsigned length = ll->sll_halen <= sizeof(ll->sll_addr) ?
	    ll->sll_halen : (unsigned)sizeof(ll->sll_addr);

	for (unsigned i = 0; i < length; i++)
		to += sprintf(to, "%s%02x", i > 0 ? ":" : "",
			      ll->sll_addr[i]);
	if (if_indextoname((unsigned)ll->sll_ifindex, name) != NULL)
		sprintf(to, "%%%s", name);
}

static bool
packet_same_host(const struct address *a, const struct address *b)
{
	return a->ll.sll_ifindex == b->ll.sll_ifindex &&
	       memcmp(a->ll.sll_addr, b->ll.sll_addr,
		      sizeof(a->ll.sll_addr)) == 0;
}
#endif

static const struct family families[] = {
	{
		.name = "inet",
		.number = AF_INET,
		.has_ports = true,
		/* SOCK_SEQPACKET is SCTP's (sctp(7)). */
		.types = TYPE(SOCK_STREAM) | TYPE(SOCK_DGRAM) |
			 TYPE(SOCK_SEQPACKET) | TYPE(SOCK_RAW),
		.length = sizeof(struct sockaddr_in),
		.host = inet_host,
		.same_host = inet_same_host,
		.port = offsetof(struct sockaddr_in, sin_port),
	},
	{
		.name = "inet6",
		.number = AF_INET6,
		.has_ports = true,
		.types = TYPE(SOCK_STREAM) | TYPE(SOCK_DGRAM) |
			 TYPE(SOCK_SEQPACKET) | TYPE(SOCK_RAW),
		.length = sizeof(struct sockaddr_in6),
		.host = inet6_host,
		.same_host = inet6_same_host,
		.port = offsetof(struct sockaddr_in6, sin6_port),
	},
	{
		.name = "unix",
		.number = AF_UNIX,
		/* SOCK_RAW silently is SOCK_DGRAM (unix_create()). */
		.types = TYPE(SOCK_STREAM) | TYPE(SOCK_DGRAM) |
			 TYPE(SOCK_SEQPACKET),
		.length = UNIX_PATH,
		.host = unix_host,
		.same_host = unix_same_host,
	},
#if SOCKCAT_LINUX
	{
		.name = "vsock",
		.number = AF_VSOCK,
		.types = TYPE(SOCK_STREAM) | TYPE(SOCK_DGRAM) |
			 TYPE(SOCK_SEQPACKET),
		.length = sizeof(struct vsock_address),
		.host = vsock_host,
		.same_host = vsock_same_host,
	},
	{
		.name = "packet",
		.number = AF_PACKET,
		.types = TYPE(SOCK_DGRAM) | TYPE(SOCK_RAW),
		.length = offsetof(struct sockaddr_ll, sll_addr),
		.host = packet_host,
		.same_host = packet_same_host,
	},
#endif
};

const struct family *
family_by_number(int number)
{
	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		if (families[i].number == number)
			return &families[i];
	return NULL;
}

const struct family *
family_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		if (strcmp(families[i].name, name) == 0)
			return &families[i];
	return NULL;
}

/*
 * The row of an address; NULL where it is too short for its family, as that
 * of an unnamed sender is, which has no bytes at all (recvfrom(2)).
 */
static const struct family *
family_of(const struct address *address)
{
	const struct family *family;

	if (address->length < offsetof(struct sockaddr, sa_data))
		return NULL;
	family = family_by_number(address->sa.sa_family);
	if (family == NULL || address->length < family->length)
		return NULL;
	return family;
}

/* Reads the name or number of an interface. Returns 0 where it is none. */
static unsigned
scope_parse(const char *text)
{
	unsigned index = if_nametoindex(text);
	char name[IF_NAMESIZE];

	if (index != 0)
		return index;

	size_t length = strspn(text, DIGITS);
	if (length == 0 || text[length] != '\0')
		return 0;
	errno = 0;
	unsigned long number = strtoul(text, NULL, 10);
	if (errno != 0 || number > UINT32_MAX ||
	    if_indextoname((unsigned)number, name) == NULL)
		return 0;
	return (unsigned)number;
}

static int
inet6_parse(const char *host, struct sockaddr_in6 *out)
{
	const char *percent = strchr(host, '%');
	size_t length = percent ? (size_t)(percent - host) : strlen(host);
	char numbers[INET6_ADDRSTRLEN];

	if (length >= sizeof(numbers))
		return -1;
	memcpy(numbers, host, length);
	numbers[length] = '\0';
	if (inet_pton(AF_INET6, numbers, &out->sin6_addr) != 1)
		return -1;

	if (percent != NULL) {
		out->sin6_scope_id = scope_parse(percent + 1);
		if (out->sin6_scope_id == 0)
			return -2;
	}
	return 0;
}

int
address_numeric(const char *host, uint16_t port, struct address *out)
{
	struct address address;

	/* Not inet_aton(3): to that, 1 and 0x7f are addresses, too. */
	address_any(AF_INET, port, &address);
	if (inet_pton(AF_INET, host, &address.in.sin_addr) != 1) {
		address_any(AF_INET6, port, &address);
		int result = inet6_parse(host, &address.in6);
		if (result != 0)
			return result;
	}
	*out = address;
	return 0;
}

int
address_unix(const char *path, size_t length, bool abstract,
	     struct address *out)
{
	if (length > UNIX_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memset(out, 0, sizeof(*out));
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path + (abstract ? 1 : 0), path, length);
	/* The NUL in front of a name, or that after a path, counts. */
	if (length > 0 || abstract)
		length++;
	out->length = (socklen_t)(UNIX_PATH + length);
	return 0;
}

#if SOCKCAT_LINUX
void
address_vsock(unsigned cid, unsigned port, struct address *out)
{
	memset(out, 0, sizeof(*out));
	out->length = sizeof(out->vsock);
	out->vsock.family = AF_VSOCK;
	out->vsock.cid = cid;
	out->vsock.port = port;
}

void
address_packet(unsigned index, uint16_t protocol, struct address *out)
{
	memset(out, 0, sizeof(*out));
	out->length = sizeof(out->ll);
	out->ll.sll_family = AF_PACKET;
	out->ll.sll_ifindex = (int)index;
	out->ll.sll_protocol = htons(protocol);
}
#endif

void
address_any(int family, uint16_t port, struct address *out)
{
	memset(out, 0, sizeof(*out));
	out->sa.sa_family = (sa_family_t)family;
	out->length = (socklen_t)family_by_number(family)->length;
	address_set_port(out, port);
}

uint16_t
address_port(const struct address *address)
{
	const struct family *family = family_of(address);
	in_port_t port;

	if (family == NULL || !family->has_ports)
		return 0;
	memcpy(&port, (const char *)&address->storage + family->port,
	       sizeof(port));
	return ntohs(port);
}

void
address_set_port(struct address *address, uint16_t port)
{
	const struct family *family = family_of(address);
	in_port_t swapped = htons(port);

	if (family != NULL && family->has_ports)
		memcpy((char *)&address->storage + family->port, &swapped,
		       sizeof(swapped));
}

void
address_unmap(struct address *address)
{
	struct address mapped = *address;

	if (mapped.sa.sa_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&mapped.in6.sin6_addr))
		return;
	address_any(AF_INET, address_port(&mapped), address);
	memcpy(&address->in.sin_addr, mapped.in6.sin6_addr.s6_addr + 12,
	       sizeof(address->in.sin_addr));
}

const char *
address_host(const struct address *address, char *text)
{
	const struct family *family = family_of(address);

	text[0] = '\0';
	if (family != NULL)
		family->host(address, text);
	return text;
}

const char *
address_text(const struct address *address, char *text)
{
	const struct family *family = family_of(address);

	address_host(address, text);
	/* A raw socket has an Internet address and no port. */
	if (family != NULL && address_port(address) != 0) {
		size_t length = strlen(text);
		snprintf(text + length, ADDRESS_TEXT - length, " %u",
			 (unsigned)address_port(address));
	}
	return text;
}

bool
address_equal(const struct address *a, const struct address *b)
{
	const struct family *family = family_of(a);

	return family != NULL && family == family_of(b) &&
	       family->same_host(a, b) && address_port(a) == address_port(b);
}
