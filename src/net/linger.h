/*
 * linger.h: waiting for the acknowledgements before a socket is closed
 *
 * Closing a socket with unread input, or input that arrives afterwards, makes
 * the kernel reset the connection and throw its send queue away (RFC 1122,
 * 4.2.2.13). So what comes is read and discarded until the peer has
 * acknowledged everything, the half-close included (SIOCOUTQ in tcp(7)).
 *
 * Where the peer may have more to say than we want to hear (a client's
 * request that a canned answer does not wait for), even that is too early:
 * then its end is waited for as well, for a while (`grace`).
 */
#ifndef LINGER_H
#define LINGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

enum linger_end {
	LINGER_ACKNOWLEDGED,	/* all that was sent has arrived */
	LINGER_BROKE,		/* the connection broke before: `error` */
	LINGER_TIMED_OUT,	/* it has not, at `until` */
};

struct lingering {
	struct loop *loop;
	int fd;			/* the owner's */
	/*
	 * Called once, possibly from linger_start() itself. The owner may
	 * forget the linger then.
	 */
	void (*ended)(struct lingering *linger, enum linger_end end, int error);
	bool no_more;		/* nothing more will come to be discarded */
	/*
	 * How long, once all is acknowledged, to wait for the peer's end; 0
	 * (which linger_open() sets): not at all. With a grace, a peer that
	 * acknowledges nothing for a minute is given up.
	 */
	int64_t grace;
	/* linger.c's own: */
	int64_t moved;		/* when an acknowledgement was last seen */
	uint64_t queued;	/* what was not acknowledged then */
	int error;		/* that reading ended with */
	bool acknowledges;	/* what is sent is acknowledged, later */
	int64_t until, look;
	struct watch watch;
	struct timer timer;
};

/*
 * Has the next close(2) of `fd` reset the connection, and throw away what it
 * has not sent (SO_LINGER in socket(7)): so that what was cut off does not
 * look whole to the peer.
 */
void linger_reset(int fd);

/* Prepares for socket `fd` of `family` (AF_*); nothing happens yet. */
void linger_open(struct lingering *linger, struct loop *loop, int fd,
		 int family);

/*
 * Bytes that were sent and are not acknowledged; a half-close counts as one.
 * A Unix socket's bytes are the peer's as soon as they are sent.
 */
uint64_t linger_unacknowledged(const struct lingering *linger);

/*
 * Reads and discards some of what there is; a peer that sends without end
 * does not keep us. Returns 0, or the errno that reading ended with;
 * `no_more` is set when nothing more will come.
 */
int linger_discard(struct lingering *linger);

/*
 * Starts to wait, until `until` (clock.h) at the most. `no_more` says that
 * the peer's end was read, or its hang-up seen.
 */
void linger_start(struct lingering *linger, bool no_more, int64_t until);

/* Stops waiting; harmless where it did not start. */
void linger_stop(struct lingering *linger);

#endif
