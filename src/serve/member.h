/*
 * member.h: one client of a hub: what is to be sent to it, and its end
 *
 * What a member has to say is the hub's concern (hub.c), which asks for it;
 * what it is sent waits here while its socket takes no more.
 */
#ifndef MEMBER_H
#define MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/line.h"
#include "base/loop.h"
#include "base/queue.h"
#include "base/ring.h"
#include "net/channel.h"
#include "net/family.h"
#include "net/linger.h"
#include "net/msgsock.h"
#include "serve/local.h"

struct member;

/*
 * The longest piece of a stream that member_send() may be given. Messages may
 * be longer.
 */
#define MEMBER_PIECE ((size_t)256 * 1024)

/* What a member tells its hub, from the loop or from the functions below. */
struct member_events {
	/* It can be read, or has ended: member_read() or _receive() tells. */
	void (*readable)(struct member *member);
	/* `full` or member_takes() may have changed. */
	void (*changed)(struct member *member);
	/* It is over, and its socket closed: call member_finish(). */
	void (*over)(struct member *member);
};

enum member_phase {
	MEMBER_OPEN,		/* data flows */
	MEMBER_LINGER,		/* half-closed; what comes is discarded */
	MEMBER_OVER,
};

struct member {
	struct local local;
	const struct member_events *events;
	struct address peer;
	struct channel channel;		/* its socket */
	struct msgsock *messages;	/* NULL: it is a stream */
	enum member_phase phase;
	bool full;		/* what waits is as much as may wait */
	bool held;		/* it is not to be read now */
	bool fresh;		/* it comes, and nothing was sent to it yet */
	bool peer_ended;	/* it has nothing more to say */

	/* the hub's own: */
	void *hub;
	struct ring all, waiting;	/* of its lists */
	unsigned long number;		/* its name in a chat */
	struct line line;		/* with --lines */
	bool counted_full, counted_takes;
	bool lent;		/* its messages are being written */

	/* member.c's own: */
	struct queue queue;	/* messages: each behind its length */
	struct watch watch;
	struct lingering linger;
	struct timer stalled;	/* it is full for too long then */
	struct timer quit;	/* --peer-quit */
	struct timer idle;	/* -w, --idle-timeout */
	struct timer finish;	/* calls `ended` from the loop */
	int64_t idle_limit, last_moved;
	uint64_t unacknowledged;	/* when that was last looked at */
	struct outcome outcome;	/* the first failure; else status 0 */
	bool ending;		/* nothing more will be sent to it */
	bool quitting;		/* ... and what comes is discarded */
	bool half_closed, hung_up;
	bool told;		/* what went wrong with it was told */
};

/*
 * Makes a member of a new client; it is watched after member_settle(). Returns
 * NULL with errno; the socket is closed then too.
 */
struct member *member_new(const struct local_request *request,
			  const struct member_events *events, void *hub);

/* Closes and frees it, whatever is under way; it is in no list any more. */
void member_free(struct member *member);

/* Whether it is to be sent what there is. */
bool member_takes(const struct member *member);

/*
 * Sends a piece (or one message), or lets it wait. One that breaks at that
 * will be found to have ended when it is read.
 */
void member_send(struct member *member, const unsigned char *data,
		 size_t length);

/*
 * Reads from a stream, as channel_read(). After END, or FAIL (which has been
 * told), `peer_ended` is set; member_peer_ended() or member_end() is next.
 */
enum moved member_read(struct member *member, void *data, size_t size,
		       size_t *got);

/* The same for messages, as msgsock_receive(). */
enum moved member_receive(struct member *member,
			  const struct received **received, size_t *count);

/* Does what its state asks for; after each of the functions here. */
void member_settle(struct member *member);

/* Nothing more will be sent to it: it is told so when all is out. */
void member_end(struct member *member);

/* It has ended its direction, but may be reading: member_end() after `time`. */
void member_quit_after(struct member *member, int64_t time);

/*
 * It has ended its direction, and may be gone altogether: only an answer to
 * what is sent could tell. So it is asked now and then.
 */
void member_probe(struct member *member);

/* Ends it: what waits is still sent, what comes is discarded. */
void member_quit(struct member *member);

/* Ends it at once; what is undelivered is told, if nothing was before. */
void member_give_up(struct member *member, const char *limit);

/* Ends it at once; what is undelivered was told. */
void member_abandon(struct member *member);

/* Has `ended` called from the loop. */
void member_finish(struct member *member);

/* Bytes that were sent to it and that it does not have for certain. */
uint64_t member_undelivered(const struct member *member);

/* How messages call it. `text` has ADDRESS_TEXT bytes. */
const char *member_name(const struct member *member, char *text);

#endif
