/*
 * packet.c: sockets of the link layer
 */
#include "open/packet.h"

#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "net/protocol.h"

#if SOCKCAT_LINUX

#define ETHERTYPE_ALL 3		/* ETH_P_ALL in linux/if_ether.h */

static enum cause
packet_fail(const struct options *options, const char *what)
{
	enum cause cause = cause_of_errno(errno);
	const char *hint = protocol_hint(errno, AF_PACKET, options->type, 0);

	diag_error("%s %s failed: %s", what, options->interface,
		   hint != NULL ? hint : diag_strerror(errno));
	return cause;
}

enum cause
packet_open(const struct options *options, struct bound *out)
{
	int protocol = options->protocol != 0 ? options->protocol :
	    ETHERTYPE_ALL;
	unsigned index = if_nametoindex(options->interface);
	char error[SOCKOPT_ERROR];

	if (index == 0) {
		diag_error("no such interface: %s", options->interface);
		return CAUSE_UNKNOWN_NAME;
	}
	address_packet(index, (uint16_t)protocol, &out->address);
	/* Protocol 0: nothing is heard before bind(2) says from where. */
	out->fd = compat_socket(AF_PACKET, options->type, 0);
	if (out->fd == -1)
		return packet_fail(options, "packet socket on");
	if (sockopt_apply(out->fd, AF_PACKET, options->type, SOCKOPT_MADE,
			  options->sockopts, options->sockopt_count,
			  error) == -1) {
		diag_error("%s", error);
		(void)close(out->fd);
		return CAUSE_LOCAL;
	}
	if (bind(out->fd, &out->address.sa, out->address.length) == -1) {
		enum cause cause = packet_fail(options, "binding to");

		(void)close(out->fd);
		return cause;
	}
	return CAUSE_NONE;
}

#else

enum cause
packet_open(const struct options *options, struct bound *out)
{
	(void)out;
	diag_error("this build has no packet sockets (for %s)",
		   options->interface);
	return CAUSE_LOCAL;
}

#endif
