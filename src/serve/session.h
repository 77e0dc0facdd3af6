/*
 * session.h: one connection and its local side
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>

#include "base/outcome.h"
#include "net/family.h"

struct loop;
struct options;
struct session;

struct session_request {
	const struct options *options;
	int fd;			/* the connected socket; the session's now */
	int input, output;	/* the local side; they stay the caller's */
	bool accepted;		/* by a listener, not by connecting */
	struct address peer;
	/*
	 * Called once, from the loop: both directions have ended, or
	 * something ended them. A failure has been told by then.
	 */
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;
};

/*
 * Starts a session. Returns NULL with errno when out of memory; the socket
 * is closed then too.
 */
struct session *session_start(struct loop *loop,
			      const struct session_request *request);

/*
 * Time is up for what `limit` names ("--max-time ran out"): tells so in one
 * line, with how many bytes were not delivered. Returns what the run is to
 * end with: timed out, or an earlier failure. `ended` is not called.
 */
struct outcome session_expire(struct session *session, const char *limit);

/* Closes and frees. NULL is harmless. */
void session_free(struct session *session);

#endif
