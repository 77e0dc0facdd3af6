/*
 * multicast.h: multicast groups (RFC 1112, RFC 4607)
 */
#ifndef MULTICAST_H
#define MULTICAST_H

#include <stddef.h>

#include "base/outcome.h"
#include "net/family.h"

/*
 * Joins on socket `fd` of `family` (AF_INET, or AF_INET6 which may be dual)
 * each group of GROUP[@SOURCE][%IFACE], on `interface` where none is named
 * (NULL: the system's choice). The socket then hears only the groups that it
 * joined itself. Tells a failure; returns CAUSE_NONE or the cause.
 */
enum cause multicast_join(int fd, int family, const char *const *groups,
			  size_t count, const char *interface);

/* Whether the address is that of a group. */
bool multicast_is_group(const struct address *address);

#endif
