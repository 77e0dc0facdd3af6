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

#include "io/filter.h"
#include "net/channel.h"

/* What moves the bytes of a lane; automatic unless --store says so. */
enum store_choice { STORE_AUTO, STORE_MEMORY, STORE_PIPE };

struct store {
	unsigned char *data;
	size_t size;		/* bytes at `data` that a fill may read */
	size_t start, end;	/* what is held: data[start … end) */
	struct filter filter;	/* of what is filled in; unset: as it came */
	/* store.c's own: */
	enum store_choice choice;
	bool bytes;		/* see below */
	const struct store_row *row;	/* what it has grown into; or NULL */
	const struct store_kind *kind;	/* what it is now */
	bool brimful;		/* the source has more than little to give */
	size_t growth;		/* FILTER_GROWTH where it filters; else 1 */
	int pipe[2];		/* a kernel pipe of our own; else -1 */
	size_t piped;		/* bytes held there */
	unsigned stuck;		/* fills that failed with both ends ready */
};

struct store_request {
	enum store_choice choice;
	/*
	 * Somebody looks at the bytes, or at each read: they must come to
	 * memory.
	 */
	bool bytes;
	bool filter;		/* they will be filtered, too */
	size_t size;		/* read so many at most; 0: what serves best */
};

/*
 * Makes a store, without a filter as yet. Until more than little has come
 * through, it takes no more than little memory and no descriptors. Returns
 * 0, or -1 with errno.
 */
int store_open(struct store *store, const struct store_request *request);

/* Harmless where a store of zeroes was never opened. */
void store_close(struct store *store);

/* The bytes held, waiting to be drained. */
size_t store_held(const struct store *store);

/* What store_fill() did. */
struct filled {
	size_t got;		/* bytes the source gave */
	size_t put;		/* of these, passed on to the drain at once */
	bool more;		/* there may be more right now */
	/*
	 * What it stopped at, with AGAIN or without `more`: the drain takes
	 * nothing now. With FAIL: it is the drain that failed.
	 */
	bool drain;
};

/*
 * Moves bytes from `source` into the empty store; or, where the kernel can,
 * through to `drain`, and then nothing is held afterwards. A filter may hold
 * less than came, or nothing at all.
 */
enum moved store_fill(struct store *store, struct channel *source,
		      struct channel *drain, struct filled *filled);

/*
 * Writes held bytes, at most `most` of them, into `drain`; the store must
 * not be empty.
 */
enum moved store_drain(struct store *store, struct channel *drain,
		       size_t most, size_t *put);

/*
 * The length of the first line held with its newline; all, without one. For
 * stores in memory (`bytes`).
 */
size_t store_line(const struct store *store);

/* Forgets what is held. */
void store_discard(struct store *store);

#endif
