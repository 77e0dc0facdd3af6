/*
 * multicast.c: multicast groups
 */
#include "net/multicast.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"

/* GROUP[@SOURCE][%IFACE], taken apart. */
struct membership {
	struct address group, source;	/* source.length 0: any */
	unsigned interface;		/* 0: the system's choice */
};

bool
multicast_is_group(const struct address *address)
{
	if (address->sa.sa_family == AF_INET)
		return IN_MULTICAST(ntohl(address->in.sin_addr.s_addr));
	return address->sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_MULTICAST(&address->in6.sin6_addr);
}

static enum cause
read_interface(const char *name, unsigned *index)
{
	*index = 0;
	if (name == NULL)
		return CAUSE_NONE;
	*index = if_nametoindex(name);
	if (*index != 0)
		return CAUSE_NONE;
	diag_error("no such interface: %s", name);
	return CAUSE_UNKNOWN_NAME;
}

static enum cause
read_membership(const char *text, const char *interface,
		struct membership *out)
{
	char copy[ADDRESS_TEXT * 2];
	char *source, *percent;

	*out = (struct membership){ .interface = 0 };
	if (strlen(text) >= sizeof(copy)) {
		diag_error("--multicast is too long: %s", text);
		return CAUSE_USAGE;
	}
	memcpy(copy, text, strlen(text) + 1);
	percent = strchr(copy, '%');
	if (percent != NULL) {
		*percent = '\0';
		interface = percent + 1;
	}
	source = strchr(copy, '@');
	if (source != NULL)
		*source++ = '\0';
	if (address_numeric(copy, 0, &out->group) != 0 ||
	    !multicast_is_group(&out->group)) {
		diag_error("--multicast %s: not a multicast group: %s", text,
			   copy);
		return CAUSE_USAGE;
	}
	if (source != NULL &&
	    (address_numeric(source, 0, &out->source) != 0 ||
	     out->source.sa.sa_family != out->group.sa.sa_family)) {
		diag_error("--multicast %s: not a source for that group: %s",
			   text, source);
		return CAUSE_USAGE;
	}
	return read_interface(interface, &out->interface);
}

/*
 * Joins by the protocol-independent interface of RFC 3678. A group of IPv4 is
 * joined at IPv4's level on an IPv6 socket, too, which then hears it.
 */
static int
join(int fd, const struct membership *membership)
{
	int level = membership->group.sa.sa_family == AF_INET ? IPPROTO_IP :
	    IPPROTO_IPV6;

	if (membership->source.length != 0) {
		struct group_source_req request = {
			.gsr_interface = membership->interface,
		};

		memcpy(&request.gsr_group, &membership->group.storage,
		       sizeof(request.gsr_group));
		memcpy(&request.gsr_source, &membership->source.storage,
		       sizeof(request.gsr_source));
		return setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP,
				  &request, sizeof(request));
	} else {
		struct group_req request = {
			.gr_interface = membership->interface,
		};

		memcpy(&request.gr_group, &membership->group.storage,
		       sizeof(request.gr_group));
		return setsockopt(fd, level, MCAST_JOIN_GROUP, &request,
				  sizeof(request));
	}
}

/* Linux delivers groups that any socket of this host has joined, unless: */
static void
hear_own_groups_only(int fd, int family)
{
	const int off = 0;

#ifdef IP_MULTICAST_ALL
	(void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
#endif
#ifdef IPV6_MULTICAST_ALL
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off,
				 sizeof(off));
#endif
	(void)fd;
	(void)family;
	(void)off;
}

enum cause
multicast_join(int fd, int family, const char *const *groups, size_t count,
	       const char *interface)
{
	size_t i;

	if (count > 0)
		hear_own_groups_only(fd, family);
	for (i = 0; i < count; i++) {
		struct membership membership;
		enum cause cause = read_membership(groups[i], interface,
						   &membership);

		if (cause != CAUSE_NONE)
			return cause;
		if (join(fd, &membership) == -1) {
			cause = cause_of_errno(errno);
			diag_error("joining %s failed: %s", groups[i],
				   diag_strerror(errno));
			return cause;
		}
	}
	return CAUSE_NONE;
}
