/*
 * dial.h: an endpoint → one connected socket
 *
 * All addresses of a name are tried, IPv6 and IPv4 in turn, each 250 ms after
 * the one before or as soon as that failed (RFC 8305); the first to answer
 * wins. Of several ports the first that answers does. A Unix socket whose
 * backlog is full is tried again on a timer.
 */
#ifndef DIAL_H
#define DIAL_H

#include "base/outcome.h"
#include "net/family.h"
#include "net/unixpath.h"

struct dial;
struct endpoint;
struct loop;
struct options;

struct dial_request {
	const struct options *options;	/* family, type, source, times … */
	const struct endpoint *endpoint;
	const char *ports;	/* NULL: Unix, or a type without ports */
	/*
	 * Called once, from the loop and never from dial_start(). On success
	 * `fd` is a connected (or, where the peer is a group or a broadcast
	 * address, an unconnected), non-blocking, close-on-exec socket that
	 * now belongs to the owner, `peer` lives until dial_free(), and `cause`
	 * is CAUSE_NONE. On failure `fd` is -1, `peer` is NULL and every
	 * attempt's failure has been told on standard error, one line each.
	 * It may call dial_free().
	 */
	void (*done)(void *owner, int fd, const struct address *peer,
		     enum cause cause);
	void *owner;
	/*
	 * Where to note the path that a Unix socket was bound to (-s); the
	 * owner removes it in the end.
	 */
	struct unixpath *bound;
};

/*
 * Starts dialling. The request is copied; what it points to must outlive the
 * dial. Returns NULL with errno when out of memory.
 */
struct dial *dial_start(struct loop *loop, const struct dial_request *request);

/*
 * Ends a dial, under way or done, and closes what it still holds. NULL is
 * harmless.
 */
void dial_free(struct dial *dial);

#endif
