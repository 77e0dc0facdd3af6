/*
 * way.c: messages one way, to a socket that may not take them now
 */
#include "io/way.h"

#include <errno.h>

#include "base/diag.h"

/* Messages that are taken out of the queue at once. */
#define WAY_BATCH 64

const char *
way_name(const struct way *way, char *text)
{
	if (way->name != NULL)
		return way->name;
	if (way->to == NULL || way->to->peer.length == 0)
		return "peer";
	address_text(&way->to->peer, text);
	return text[0] != '\0' ? text : "peer";
}

bool
way_holds(const struct way *way)
{
	return way->queue.count > 0;
}

/* It was not the next message that was too long for the way it took. */
static void
earlier_lost(struct way *way)
{
	char text[ADDRESS_TEXT];

	way->doubted = false;
	way->lost++;
	diag_error("a message to %s was lost: %s", way_name(way, text),
		   diag_strerror(EMSGSIZE));
}

/* Returns whether it was the next message: it is lost then. */
static bool
too_long(struct way *way, const struct message *message)
{
	char text[ADDRESS_TEXT];

	/* Once more tells: an earlier one's error is told only once. */
	way->doubted = !way->doubted;
	if (way->doubted)
		return false;
	way->lost++;
	diag_error("message of %zu bytes is too long for %s, which takes %zu",
		   message->length, way_name(way, text),
		   msgsock_most(way->socket));
	return true;
}

/* Sending the next message failed with errno. Returns whether it is lost. */
static bool
send_failed(struct way *way, const struct message *message)
{
	char text[ADDRESS_TEXT];

	switch (errno) {
	case EMSGSIZE:
		return too_long(way, message);
	case ENOBUFS:
	case ENOMEM:
		way->state = WAY_PAUSE;
		return false;
	}
	if (!way->enduring) {
		way->error = errno;
		way->state = WAY_BROKEN;
		return false;
	}
	way->lost++;
	diag_error("send to %s failed: %s", way_name(way, text),
		   diag_strerror(errno));
	return true;
}

/* Returns how many messages, from the first on, are sent or lost. */
static size_t
push(struct way *way, const struct message *messages, size_t count)
{
	size_t done = 0;

	way->state = WAY_OPEN;
	while (done < count && way->state == WAY_OPEN) {
		size_t sent;
		enum msgsock_result result = msgsock_send(way->socket,
		    way->to, messages + done, count - done, &sent);

		done += sent;
		way->sent += sent;
		if (sent > 0 && way->doubted)
			earlier_lost(way);
		if (result == MSGSOCK_AGAIN)
			way->state = way->blind ? WAY_PAUSE : WAY_ROOM;
		else if (result == MSGSOCK_BEHIND)
			way->state = WAY_PAUSE;
		else if (result == MSGSOCK_FAIL &&
			 send_failed(way, messages + done))
			done++;
	}
	return done;
}

static bool
has_room(const struct way *way, size_t length)
{
	const struct msgqueue *queue = &way->queue;

	return !way->bounded || queue->count == 0 ||
	    (queue->count < WAY_MESSAGES &&
	     queue->bytes + length <= WAY_BYTES);
}

static void
hold(struct way *way, const struct message *messages, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!has_room(way, messages[i].length) ||
		    msgqueue_add(&way->queue, &messages[i]) == -1)
			way->dropped++;
}

size_t
way_send(struct way *way, const struct message *messages, size_t count)
{
	size_t done = 0;

	if (way->socket != NULL && !way_holds(way) &&
	    way->state != WAY_BROKEN)
		done = push(way, messages, count);
	if (way->state == WAY_BROKEN)
		return done;
	hold(way, messages + done, count - done);
	return count;
}

void
way_flush(struct way *way)
{
	struct message batch[WAY_BATCH];
	size_t count, done;

	while (way_holds(way) && way->socket != NULL &&
	       way->state != WAY_BROKEN) {
		count = msgqueue_look(&way->queue, batch, WAY_BATCH);
		done = push(way, batch, count);
		msgqueue_drop(&way->queue, done);
		if (done < count)
			break;
	}
}
