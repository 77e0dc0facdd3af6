/*
 * relay.h: bytes between two stream sockets, both ways
 *
 * Each direction ends by itself: what ended is half-closed on the other side
 * once all before it is sent. Both sides linger in the end (linger.h). Where
 * one broke, the other is reset.
 */
#ifndef RELAY_H
#define RELAY_H

#include "net/family.h"
#include "serve/local.h"

struct loop;
struct options;
struct relay;

struct relay_end {
	int fd;			/* connected, non-blocking; the relay's now */
	int family;
	const char *name;	/* in messages; it must outlive the relay */
};

struct relay_request {
	const struct options *options;	/* -C, idle limits, -q, stores */
	/* The remote side (a client, mostly), and what stands behind. */
	struct relay_end remote, local;
	/*
	 * How long to listen to the remote side after the local one's end; 0:
	 * for as long as it has something to say.
	 */
	int64_t grace;
	/*
	 * Called once, from the loop: both directions are over, and what was
	 * sent is acknowledged as far as it will be.
	 */
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;
};

/*
 * Starts a relay. Returns NULL with errno when out of memory; both sockets
 * are closed then too.
 */
struct relay *relay_start(struct loop *loop,
			  const struct relay_request *request);

/* As local_expire(). */
struct outcome relay_expire(struct relay *relay, const char *limit);

void relay_free(struct relay *relay);

#endif
