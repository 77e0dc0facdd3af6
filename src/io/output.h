/*
 * output.h: messages → framed bytes on a local descriptor
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/frame.h"
#include "net/channel.h"
#include "net/msgsock.h"

/* Bytes that are written as they stand. */
struct piece {
	const unsigned char *data;
	size_t length;
};

struct output {
	struct channel channel;
	enum framing framing;
	/*
	 * Where not NULL the sender and a tab stand before each message; this
	 * is the sender of those that come without one.
	 */
	const struct address *show_peer;
	struct piece pieces[MSGSOCK_BATCH + 1];
	size_t piece_count, piece_next;
	unsigned char *scratch;	/* framed messages; grows with the largest */
	size_t scratch_size, scratch_used;
	size_t too_long;	/* messages left out: not to be expressed */
};

/* Opens `fd`, which stays the caller's. */
void output_open(struct output *output, int fd, enum framing framing,
		 const struct address *show_peer);

/* Frees the memory; the channel is closed separately (channel.h). */
void output_free(struct output *output);

/*
 * Takes a batch, to be written by output_write() before the next one is
 * taken. The messages must stay where they are until then. Returns 0, or -1
 * with errno when out of memory.
 */
int output_take(struct output *output, const struct received *received,
		size_t count);

/* Bytes taken and not yet written. */
size_t output_held(const struct output *output);

/*
 * Writes what goes without blocking. MOVED: all of it; AGAIN: wait for the
 * descriptor; FAIL: errno.
 */
enum moved output_write(struct output *output);

#endif
