/*
 * queue.h: bytes that wait until a socket takes them
 *
 * It has memory only while something waits. A queue of zeroes is empty.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stddef.h>

struct queue {
	unsigned char *data;
	size_t start, end, size;	/* what waits: data[start … end) */
};

/* How many bytes wait. */
size_t queue_held(const struct queue *queue);

/*
 * Makes room for `more` bytes, so that queue_add() can be called for them.
 * Returns 0, or -1 with errno.
 */
int queue_reserve(struct queue *queue, size_t more);

void queue_add(struct queue *queue, const void *data, size_t length);

/* The first `length` bytes have gone. */
void queue_take(struct queue *queue, size_t length);

/* Forgets, and frees, all. */
void queue_discard(struct queue *queue);

#endif
