/*
 * queue.c: bytes that wait until a socket takes them
 */
#include "base/queue.h"

#include <stdlib.h>
#include <string.h>

/* It doubles from here on. */
#define QUEUE_LEAST ((size_t)4096)

size_t
queue_held(const struct queue *queue)
{
	return queue->end - queue->start;
}

int
queue_reserve(struct queue *queue, size_t more)
{
	size_t size = queue->size != 0 ? queue->size : QUEUE_LEAST;
	unsigned char *grown;

	if (queue->size - queue->end >= more)
		return 0;
	if (queue->start > 0) {
		memmove(queue->data, queue->data + queue->start,
			queue_held(queue));
		queue->end -= queue->start;
		queue->start = 0;
	}
	while (size - queue->end < more)
		size *= 2;
	if (size == queue->size)
		return 0;
	grown = realloc(queue->data, size);
	if (grown == NULL)
		return -1;
	queue->data = grown;
	queue->size = size;
	return 0;
}

void
queue_add(struct queue *queue, const void *data, size_t length)
{
	if (length == 0)
		return;
	memcpy(queue->data + queue->end, data, length);
	queue->end += length;
}

void
queue_take(struct queue *queue, size_t length)
{
	queue->start += length;
	if (queue->start == queue->end)
		queue_discard(queue);
}

void
queue_discard(struct queue *queue)
{
	free(queue->data);
	*queue = (struct queue){ .data = NULL };
}
