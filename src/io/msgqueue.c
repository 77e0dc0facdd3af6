/*
 * msgqueue.c: messages that wait in memory, boundaries kept
 */
#include "io/msgqueue.h"

#include <stdlib.h>
#include <string.h>

struct queued {
	struct queued *next;
	size_t length;
	unsigned char data[];
};

int
msgqueue_add(struct msgqueue *queue, const struct message *message)
{
	struct queued *queued = malloc(sizeof(*queued) + message->length);

	if (queued == NULL)
		return -1;
	queued->next = NULL;
	queued->length = message->length;
	if (message->length > 0)
		memcpy(queued->data, message->data, message->length);
	if (queue->last != NULL)
		queue->last->next = queued;
	else
		queue->first = queued;
	queue->last = queued;
	queue->count++;
	queue->bytes += message->length;
	return 0;
}

size_t
msgqueue_look(const struct msgqueue *queue, struct message *out,
	      size_t most)
{
	struct queued *each;
	size_t count = 0;

	for (each = queue->first; each != NULL && count < most;
	     each = each->next)
		out[count++] = (struct message){
			.data = each->data, .length = each->length,
		};
	return count;
}

void
msgqueue_drop(struct msgqueue *queue, size_t count)
{
	while (count-- > 0 && queue->first != NULL) {
		struct queued *first = queue->first;

		queue->first = first->next;
		if (queue->first == NULL)
			queue->last = NULL;
		queue->count--;
		queue->bytes -= first->length;
		free(first);
	}
}

void
msgqueue_move(struct msgqueue *to, struct msgqueue *from)
{
	if (from->first == NULL)
		return;
	if (to->last != NULL)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	to->count += from->count;
	to->bytes += from->bytes;
	*from = (struct msgqueue){ .count = 0 };
}

void
msgqueue_clear(struct msgqueue *queue)
{
	msgqueue_drop(queue, queue->count);
}
