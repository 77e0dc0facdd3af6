/*
 * way.h: messages one way, to a socket that may not take them now
 *
 * What cannot be sent at once waits in memory, in order. Every message that
 * is lost is told, in one line, but for those that a bounded way has no room
 * for: these are counted.
 */
#ifndef WAY_H
#define WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/msgqueue.h"
#include "net/msgsock.h"

/* What a bounded way holds at the most; one message in any case. */
#define WAY_MESSAGES 64
#define WAY_BYTES ((size_t)256 * 1024)

enum way_state {
	WAY_OPEN,	/* what comes is sent at once */
	WAY_ROOM,	/* the socket takes nothing now: poll(2) tells when */
	WAY_PAUSE,	/* ... and poll(2) does not: try a little later */
	WAY_BROKEN,	/* `error` says why; nothing more is taken */
};

struct way {
	struct msgsock *socket;	/* the owner's; NULL: there is none yet */
	const struct correspondent *to;	/* NULL: the connected peer */
	const char *name;	/* of who is sent to; NULL: its address */
	/* What one message failed with says nothing of the next ones. */
	bool enduring;
	bool blind;		/* poll(2) never says that there is no room */
	bool bounded;
	enum way_state state;
	int error;
	struct msgqueue queue;
	uint64_t sent, lost;	/* messages */
	uint64_t dropped;	/* by a bounded way */
	bool doubted;		/* EMSGSIZE: an earlier one's, perhaps */
};

/*
 * Sends messages, or holds them. Returns how many it has taken: all, unless
 * the way is broken.
 */
size_t way_send(struct way *way, const struct message *messages, size_t count);

/* Sends what is held, as far as that goes now. */
void way_flush(struct way *way);

/* Whether messages wait. */
bool way_holds(const struct way *way);

/* Whom it leads to, in `text` of ADDRESS_TEXT bytes or elsewhere. */
const char *way_name(const struct way *way, char *text);

#endif
