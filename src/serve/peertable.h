/*
 * peertable.h: what belongs to a correspondent, found by its addresses
 *
 * A hash table that grows; the entries stand in what is to be found.
 */
#ifndef PEERTABLE_H
#define PEERTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/msgsock.h"

struct peer_entry {
	/* The owner's; must not change while the entry is in a table. */
	const struct correspondent *who;
	/* peertable.c's own: */
	uint32_t hash;
	bool present;
	struct peer_entry *next;	/* in the same place */
};

struct peertable {
	struct peer_entry **places;
	size_t size;		/* how many places: a power of two */
	size_t count;
	uint32_t seed;
};

/* Makes an empty one. Returns 0, or -1 with errno. */
int peertable_open(struct peertable *table);

/* Frees the table; entries are just forgotten. */
void peertable_close(struct peertable *table);

/*
 * The entry of who has the same address and spoke to the same one of ours, as
 * far as that is known (msgsock.h); NULL: there is none.
 */
struct peer_entry *peertable_find(const struct peertable *table,
				  const struct correspondent *who);

void peertable_add(struct peertable *table, struct peer_entry *entry);

/* Harmless where the entry is in no table. */
void peertable_remove(struct peertable *table, struct peer_entry *entry);

/* Whether both are the same, as above. */
bool peer_same(const struct correspondent *a, const struct correspondent *b);

#endif
