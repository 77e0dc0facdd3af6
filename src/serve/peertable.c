/*
 * peertable.c: what belongs to a correspondent, found by its addresses
 *
 * Addresses are compared by their bytes: they come from the kernel, which
 * fills in all of them, and in the same way each time.
 */
#include "serve/peertable.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Places to begin with. */
#define FIRST_SIZE 64

int
peertable_open(struct peertable *table)
{
	*table = (struct peertable){ .size = FIRST_SIZE };
	table->places = calloc(table->size, sizeof(struct peer_entry *));
	/* Who chooses its addresses should not know its places. */
	table->seed = (uint32_t)((uintptr_t)table->places >> 4) ^
	    (uint32_t)clock_now();
	return table->places != NULL ? 0 : -1;
}

void
peertable_close(struct peertable *table)
{
	free(table->places);
	table->places = NULL;
}

/* FNV-1a. */
static uint32_t
hash_address(uint32_t hash, const struct address *address)
{
	const unsigned char *bytes = (const void *)&address->storage;
	socklen_t i;

	for (i = 0; i < address->length; i++)
		hash = (hash ^ bytes[i]) * UINT32_C(16777619);
	return hash;
}

static uint32_t
hash_of(const struct peertable *table, const struct correspondent *who)
{
	return hash_address(hash_address(table->seed, &who->peer),
			    &who->local);
}

static bool
same_address(const struct address *a, const struct address *b)
{
	return a->length == b->length &&
	    memcmp(&a->storage, &b->storage, a->length) == 0;
}

bool
peer_same(const struct correspondent *a, const struct correspondent *b)
{
	return same_address(&a->peer, &b->peer) &&
	    same_address(&a->local, &b->local);
}

static struct peer_entry **
place_of(const struct peertable *table, uint32_t hash)
{
	/* The high bits are the better ones. */
	return &table->places[(hash ^ hash >> 16) & (table->size - 1)];
}

struct peer_entry *
peertable_find(const struct peertable *table, const struct correspondent *who)
{
	uint32_t hash = hash_of(table, who);
	struct peer_entry *entry = *place_of(table, hash);

	while (entry != NULL && (entry->hash != hash ||
				 !peer_same(entry->who, who)))
		entry = entry->next;
	return entry;
}

static void
put(struct peertable *table, struct peer_entry *entry)
{
	struct peer_entry **place = place_of(table, entry->hash);

	entry->next = *place;
	*place = entry;
}

/* Makes it twice as large; without memory for that it just gets slower. */
static void
grow(struct peertable *table)
{
	struct peer_entry **old = table->places;
	size_t size = table->size, i;
	struct peer_entry **places = calloc(2 * size,
					    sizeof(struct peer_entry *));

	if (places == NULL)
		return;
	table->places = places;
	table->size = 2 * size;
	for (i = 0; i < size; i++) {
		while (old[i] != NULL) {
			struct peer_entry *entry = old[i];

			old[i] = entry->next;
			put(table, entry);
		}
	}
	free(old);
}

void
peertable_add(struct peertable *table, struct peer_entry *entry)
{
	if (table->count >= table->size)
		grow(table);
	entry->hash = hash_of(table, entry->who);
	entry->present = true;
	put(table, entry);
	table->count++;
}

void
peertable_remove(struct peertable *table, struct peer_entry *entry)
{
	struct peer_entry **each;

	if (!entry->present)
		return;
	each = place_of(table, entry->hash);
	while (*each != entry)
		each = &(*each)->next;
	*each = entry->next;
	entry->present = false;
	table->count--;
}
