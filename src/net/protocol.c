/*
 * protocol.c: names of protocols, and what sockets of them are like
 */
#include "net/protocol.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/compat.h"
#include "base/number.h"

/* The common ones: /etc/protocols is not everywhere. */
static const struct {
	const char *name;
	int number;
} protocols[] = {
	{ "icmp", IPPROTO_ICMP },
	{ "igmp", IPPROTO_IGMP },
	{ "ipip", 4 },
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "dccp", 33 },
	{ "ipv6", IPPROTO_IPV6 },
	{ "gre", 47 },
	{ "esp", 50 },
	{ "ah", 51 },
	{ "icmpv6", IPPROTO_ICMPV6 },
	{ "ipv6-icmp", IPPROTO_ICMPV6 },
	{ "ospf", 89 },
	{ "pim", 103 },
	{ "vrrp", 112 },
	{ "sctp", PROTOCOL_SCTP },
	{ "udplite", PROTOCOL_UDPLITE },
	{ "raw", IPPROTO_RAW },
	{ "mptcp", PROTOCOL_MPTCP },
};

int
protocol_number(const char *text)
{
	const struct protoent *entry;
	unsigned long number;
	size_t i;

	if (number_parse_hex(text, 0, 65535, &number) == 0)
		return (int)number;
	for (i = 0; i < ARRAY_LENGTH(protocols); i++)
		if (strcmp(protocols[i].name, text) == 0)
			return protocols[i].number;
	entry = getprotobyname(text);
	return entry != NULL ? entry->p_proto : -1;
}

const char *
protocol_name(int type, int protocol)
{
	size_t i;

	if (protocol == PROTOCOL_MPTCP)
		return "tcp";
	for (i = 0; i < ARRAY_LENGTH(protocols); i++)
		if (protocol != 0 && protocols[i].number == protocol)
			return protocols[i].name;
	if (type == SOCK_RAW)
		return "raw";
	return type == SOCK_DGRAM ? "udp" : "tcp";
}

bool
protocol_has_ports(int type, int protocol)
{
	return type != SOCK_RAW && protocol != IPPROTO_ICMP &&
	    protocol != IPPROTO_ICMPV6;
}

/* The words for a socket that this user may not have. */
static const char *
permission_hint(int family, int type, int protocol)
{
	if (type == SOCK_RAW || family == AF_PACKET)
		return "raw sockets need CAP_NET_RAW";
	if (type == SOCK_DGRAM && !protocol_has_ports(type, protocol))
		return "ping sockets are for the groups that "
		    "net.ipv4.ping_group_range allows";
	return NULL;
}

const char *
protocol_hint(int error, int family, int type, int protocol)
{
	if (error == EACCES || error == EPERM)
		return permission_hint(family, type, protocol);
	if (error != EAFNOSUPPORT && error != EPROTONOSUPPORT &&
	    error != ESOCKTNOSUPPORT && error != EINVAL &&
	    error != EPROTOTYPE && error != ENOPROTOOPT)
		return NULL;
	if (protocol == PROTOCOL_SCTP)
		return "this kernel has no SCTP; TCP or Unix sockets would "
		    "work";
	if (protocol == PROTOCOL_MPTCP)
		return "this kernel has no Multipath TCP; TCP would work";
	if (type == SOCK_SEQPACKET && (family == AF_INET ||
				       family == AF_INET6))
		return "over IP seqpacket needs --sctp; Unix sockets (-U) "
		    "have it as it is";
	if (family == AF_VSOCK)
		return "this kernel has no such vsock socket; a stream "
		    "would work";
	return "this kernel offers no such socket";
}
