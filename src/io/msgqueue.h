/*
 * msgqueue.h: messages that wait in memory, boundaries kept
 */
#ifndef MSGQUEUE_H
#define MSGQUEUE_H

#include <stddef.h>

#include "net/msgsock.h"

struct queued;

/* All zero: empty. */
struct msgqueue {
	struct queued *first, *last;
	size_t count;		/* messages */
	size_t bytes;		/* in them */
};

/* Copies a message to the end. Returns 0, or -1 with errno. */
int msgqueue_add(struct msgqueue *queue, const struct message *message);

/*
 * Points `out` to the first messages, up to `most`, and returns how many. They
 * stay where they are until they are dropped.
 */
size_t msgqueue_look(const struct msgqueue *queue, struct message *out,
		     size_t most);

/* Drops the first `count` messages. */
void msgqueue_drop(struct msgqueue *queue, size_t count);

/* Moves all that `from` holds to the end of `to`. */
void msgqueue_move(struct msgqueue *to, struct msgqueue *from);

/* Drops all. */
void msgqueue_clear(struct msgqueue *queue);

#endif
