/*
 * store.h: where bytes wait between a lane's source and its drain
 *
 * A store is filled from a channel and drained into a channel. Which kind of
 * store a lane has is chosen once, from what both ends are (the table in
 * store.c says why), and nothing but the store knows.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "channel.h"
#include "filter.h"

struct store {
	unsigned char *data;
	size_t size;		/* bytes at `data` */
	size_t start, end;	/* what is held: data[start … end) */
	struct filter filter;	/* of what is filled in; unset: as it came */
};

/*
 * Makes a store with a buffer of `size` bytes (0: as many as serve best) and
 * no filter. Pages that are never filled take no memory. Returns 0, or -1
 * with errno.
 */
int store_open(struct store *store, size_t size);
void store_close(struct store *store);

/* The bytes held, waiting to be drained. */
size_t store_held(const struct store *store);

/*
 * Reads from `source` into the empty store. `*got` is what the source gave,
 * and `*full` whether there may be more right now; a filter may hold less, or
 * nothing at all, afterwards.
 */
enum moved store_fill(struct store *store, struct channel *source,
		      size_t *got, bool *full);

/*
 * Writes held bytes, at most `most` of them, into `drain`; the store must
 * not be empty.
 */
enum moved store_drain(struct store *store, struct channel *drain,
		       size_t most, size_t *put);

/* The length of the first line held with its newline; all, without one. */
size_t store_line(const struct store *store);

/* Forgets what is held. */
void store_discard(struct store *store);

#endif
