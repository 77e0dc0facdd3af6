/*
 * store.c: where bytes wait between fill and drain
 *
 * Theory of operation. A store is filled only when it is empty, and drained
 * until it is empty: a byte is written as soon as it was read, and there is
 * no ring to wrap around. While a drain is slow the buffers of the kernel on
 * both sides go on working.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

/*
 * Loopback TCP is as fast with 256 KiB as with anything larger, and half as
 * fast with 16 KiB; beyond the second-level cache more only costs.
 */
#define STORE_SIZE ((size_t)256 * 1024)

int
store_open(struct store *store, size_t size)
{
	*store = (struct store){ .size = size != 0 ? size : STORE_SIZE };
	/* CRLF and telnet work in place and want room to grow. */
	store->data = malloc(store->size * FILTER_GROWTH);
	return store->data != NULL ? 0 : -1;
}

void
store_close(struct store *store)
{
	free(store->data);
	*store = (struct store){ .data = NULL };
}

size_t
store_held(const struct store *store)
{
	return store->end - store->start;
}

enum moved
store_fill(struct store *store, struct channel *source, size_t *got,
	   bool *full)
{
	bool filtering = store->filter.crlf || store->filter.telnet != NULL;
	size_t offset = filtering ? store->size : 0;
	size_t most = store->size;
	enum moved moved;

	if (store->filter.telnet != NULL &&
	    telnet_room(store->filter.telnet) < most)
		most = telnet_room(store->filter.telnet);
	store->start = store->end = 0;
	*full = false;
	*got = 0;
	if (most == 0)
		return AGAIN;
	moved = channel_read(source, store->data + offset, most, got);
	if (moved != MOVED)
		return moved;
	*full = *got == most;
	store->end = filtering ?
	    filter_apply(&store->filter, store->data, offset, *got) : *got;
	return MOVED;
}

enum moved
store_drain(struct store *store, struct channel *drain, size_t most,
	    size_t *put)
{
	size_t held = store_held(store);
	enum moved moved;

	moved = channel_write(drain, store->data + store->start,
			      held < most ? held : most, put);
	if (moved == MOVED)
		store->start += *put;
	return moved;
}

size_t
store_line(const struct store *store)
{
	const unsigned char *start = store->data + store->start;
	const unsigned char *newline = memchr(start, '\n', store_held(store));

	return newline != NULL ? (size_t)(newline - start) + 1 :
	    store_held(store);
}

void
store_discard(struct store *store)
{
	store->start = store->end = 0;
}
