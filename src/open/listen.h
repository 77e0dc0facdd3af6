/*
 * listen.h: addresses → bound, listening sockets
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "net/family.h"
#include "net/unixpath.h"

struct options;

/* One bound socket and the address that the kernel says it has. */
struct bound {
	int fd;
	struct address address;
};

/* What one listener consists of: a socket for each of its addresses. */
struct listening {
	struct bound *sockets;
	size_t count;
	struct unixpath path;
};

/*
 * Opens a socket for each of `count` addresses, all on one port: where their
 * port is 0 the kernel chooses the first one's, and the others follow. An
 * IPv6 socket takes IPv6 alone; a Unix address stands by itself. Of several
 * addresses those that this host does not have (::1 of localhost without
 * IPv6) are left out, as long as there is one that it has.
 *
 * With `any` the socket takes IPv6 and IPv4 alike where the kernel has both
 * (ipv6(7)), on `port` (host order), or just options->family.
 *
 * A stream or seqpacket socket is set listening. Sets SO_REUSEADDR on
 * streams, never SO_REUSEPORT. Tells a failure itself, with the process that
 * holds the port where /proc tells. With -v says "Listening on ADDR PORT" or
 * "Bound on ADDR PORT" (datagrams) for each, and of a socket for both
 * versions of IP both addresses. Returns CAUSE_NONE, or the cause with
 * nothing left open and `out` empty.
 */
enum cause listen_open(const struct options *options,
		       const struct address *addresses, size_t count,
		       struct listening *out);
enum cause listen_open_any(const struct options *options, uint16_t port,
			   struct listening *out);

/*
 * Takes `count` bound sockets of one `type` that were handed over open, from
 * descriptor `first` on. Tells as listen_open() does. A Unix path stays whose
 * it was. Returns CAUSE_NONE, or CAUSE_LOCAL having told.
 */
enum cause listen_adopt(const struct options *options, int first, size_t count,
			int type, struct listening *out);

/*
 * Calls `visit` for each address that is listened on: of a socket for both
 * versions of IP with both.
 */
void listen_each(const struct listening *listening,
		 void (*visit)(void *context, const struct address *address),
		 void *context);

/*
 * Closes all sockets, removes a Unix path that is still ours, and leaves
 * `listening` empty.
 */
void listen_close(struct listening *listening);

#endif
