/*
 * acceptor.h: clients, taken from listening sockets one by one
 *
 * A client that went away before it was accepted is no failure. Where
 * accept(2) fails for want of descriptors or memory, or for whatever else
 * does not make the listening socket useless, that is told once, and tried
 * again a little later, without spinning.
 */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "net/family.h"

struct acceptor;
struct listening;
struct loop;

#define ACCEPTOR_RESERVE 8

struct acceptor_request {
	/* Its sockets stay the owner's, and must outlive the acceptor. */
	const struct listening *listening;
	/*
	 * How many descriptors the owner opens for a client as soon as it is
	 * accepted, at most ACCEPTOR_RESERVE: it waits until they can be had.
	 */
	size_t reserve;
	/*
	 * Called from the loop for each client. `fd` is non-blocking and
	 * close-on-exec, and the owner's; an IPv4 `peer` is AF_INET. It may
	 * call acceptor_free().
	 */
	void (*accepted)(void *owner, int fd, const struct address *peer);
	/*
	 * Accepting cannot go on, says errno: accept(2) failed for good.
	 * Called from the loop.
	 */
	void (*failed)(void *owner);
	void *owner;
};

/* Returns NULL with errno when out of memory. Accepts nothing yet. */
struct acceptor *acceptor_new(struct loop *loop,
			      const struct acceptor_request *request);
void acceptor_free(struct acceptor *acceptor);

/* Starts, or goes on; harmless where it does. */
void acceptor_resume(struct acceptor *acceptor);

/* Accepts no more until resumed; who comes waits in the backlog. */
void acceptor_pause(struct acceptor *acceptor);

#endif
