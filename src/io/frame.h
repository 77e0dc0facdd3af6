/*
 * frame.h: how messages stand in a stream of bytes
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing {
	FRAME_NONE,		/* a read is a message, or `block` bytes are */
	FRAME_LINE,		/* a line without its newline */
	FRAME_NUL,		/* up to a NUL byte */
	FRAME_LEN16,		/* a big-endian length, then the bytes */
	FRAME_LEN32,
};

/*
 * Cuts messages out of bytes that come in pieces. It keeps no bytes, only
 * what must be remembered of a message that is too long to be kept.
 */
struct frame_reader {
	enum framing framing;
	size_t block;		/* FRAME_NONE: bytes a message; 0: a read */
	size_t most;		/* the longest message that is kept whole */
	/* frame.c's own; 0 at first: */
	size_t scanned;		/* bytes known to hold no delimiter */
	uint64_t skipped;	/* bytes of the message that is passed over */
	uint64_t to_skip;	/* how many are still to come (lengths) */
	bool skipping;
};

enum framed {
	FRAMED_MESSAGE,		/* a whole message: `start`, `length` */
	FRAMED_MORE,		/* more bytes are needed */
	FRAMED_TOO_LONG,	/* one was passed over: its `length` */
	FRAMED_CUT_SHORT,	/* input ended inside of a frame: `length` of
				 * `wanted` bytes came; where `wanted` is 0,
				 * that many of the length itself */
	FRAMED_END,		/* input has ended and all is cut */
};

struct frame_cut {
	size_t start;		/* where in the data the message starts */
	uint64_t length;	/* its bytes; may be 0: an empty message */
	uint64_t wanted;
	size_t used;		/* bytes of the data that are dealt with */
};

/*
 * Looks at `size` bytes at `data` for the next message. `ended` says that no
 * more will come; FRAMED_MORE is never the answer to that. `cut->used` bytes
 * are to be dropped by the caller whatever is returned (with FRAMED_MORE
 * too: bytes of a message that is passed over); the next call starts behind
 * them, with what was there already and, after FRAMED_MORE, more behind it.
 *
 * A last line without a newline (or text without its NUL), and a last block
 * that is short, are messages. A message longer than `most` is told once it
 * is over, with its whole length. At least `most` + 4 bytes of room are
 * needed for a message to become whole: with those FRAMED_MORE always drops
 * something or leaves room.
 */
enum framed frame_next(struct frame_reader *reader, const void *data,
		       size_t size, bool ended, struct frame_cut *cut);

/* Room for what frame_before() and frame_after() make. */
#define FRAME_MARK 4

/*
 * Writes what stands before a message of `length` bytes on the byte side,
 * and what stands behind it, into `mark`; returns how many bytes (0 to 4).
 * A length that the framing cannot hold gives -1 with EMSGSIZE.
 */
int frame_before(enum framing framing, uint64_t length,
		 unsigned char mark[FRAME_MARK]);
int frame_after(enum framing framing, unsigned char mark[FRAME_MARK]);

#endif
