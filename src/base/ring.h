/*
 * ring.h: lists that their members are put into and taken out of anywhere
 *
 * A list is a link to itself, and so is what is in no list: to take it out
 * once more is harmless.
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>

struct ring {
	struct ring *next, *previous;
};

static inline void
ring_open(struct ring *ring)
{
	ring->next = ring->previous = ring;
}

static inline bool
ring_empty(const struct ring *ring)
{
	return ring->next == ring;
}

/* Adds `link`, which is in no list, as the last one. */
static inline void
ring_add(struct ring *ring, struct ring *link)
{
	link->previous = ring->previous;
	link->next = ring;
	ring->previous->next = link;
	ring->previous = link;
}

static inline void
ring_remove(struct ring *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	ring_open(link);
}

#endif
