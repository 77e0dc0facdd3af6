/*
 * frame.c: how messages stand in a stream of bytes
 */
#include "io/frame.h"

#include <errno.h>
#include <string.h>

static size_t
smaller(size_t a, uint64_t b)
{
	return a < b ? a : (size_t)b;
}

/* The message was passed over to its end; the next one is another matter. */
static enum framed
frame_passed_over(struct frame_reader *reader, struct frame_cut *cut)
{
	reader->skipping = false;
	cut->length = reader->skipped;
	return FRAMED_TOO_LONG;
}

/* Goes on with a message that is too long, whose length is known. */
static enum framed
frame_skip_counted(struct frame_reader *reader, size_t size, bool ended,
		   struct frame_cut *cut)
{
	size_t passed = smaller(size, reader->to_skip);

	reader->skipped += passed;
	reader->to_skip -= passed;
	cut->used += passed;
	if (reader->to_skip == 0)
		return frame_passed_over(reader, cut);
	if (!ended)
		return FRAMED_MORE;
	if (reader->framing == FRAME_NONE)
		return frame_passed_over(reader, cut);
	reader->skipping = false;
	cut->length = reader->skipped;
	cut->wanted = reader->skipped + reader->to_skip;
	return FRAMED_CUT_SHORT;
}

static void
frame_start_skipping(struct frame_reader *reader, uint64_t length)
{
	reader->skipping = true;
	reader->skipped = 0;
	reader->to_skip = length;
	reader->scanned = 0;
}

/* A message that goes up to a byte of its own. */
static enum framed
frame_delimited(struct frame_reader *reader, const unsigned char *data,
		size_t size, bool ended, struct frame_cut *cut)
{
	unsigned char mark = reader->framing == FRAME_LINE ? '\n' : '\0';
	const unsigned char *found = size == reader->scanned ? NULL :
	    memchr(data + reader->scanned, mark, size - reader->scanned);
	size_t length = found != NULL ? (size_t)(found - data) : size;

	if (found == NULL && !ended && !reader->skipping &&
	    length <= reader->most) {
		reader->scanned = size;
		return FRAMED_MORE;
	}
	cut->used = found != NULL ? length + 1 : length;
	if (!reader->skipping && length > reader->most)
		frame_start_skipping(reader, 0);
	if (reader->skipping) {
		reader->skipped += length;
		return found != NULL || ended ?
		    frame_passed_over(reader, cut) : FRAMED_MORE;
	}
	reader->scanned = 0;
	cut->length = length;
	return FRAMED_MESSAGE;
}

/* A message behind `header` bytes that say its length. */
static enum framed
frame_counted(struct frame_reader *reader, const unsigned char *data,
	      size_t size, size_t header, bool ended, struct frame_cut *cut)
{
	uint64_t length = 0;

	for (size_t i = 0; i < smaller(size, header); i++)
		length = length << 8 | data[i];
	if (size >= header && length <= size - header &&
	    length <= reader->most) {
		cut->start = header;
		cut->length = length;
		cut->used = header + (size_t)length;
		return FRAMED_MESSAGE;
	}
	if (size >= header && length > reader->most) {
		frame_start_skipping(reader, length);
		cut->used = header;
		return frame_skip_counted(reader, size - header, ended, cut);
	}
	if (!ended)
		return FRAMED_MORE;
	cut->used = size;
	cut->length = size < header ? size : size - header;
	cut->wanted = size < header ? 0 : length;
	return FRAMED_CUT_SHORT;
}

/* A message of as many bytes as were asked for, or as came in one read. */
static enum framed
frame_block(struct frame_reader *reader, size_t size, bool ended,
	    struct frame_cut *cut)
{
	size_t length = reader->block;

	if (length == 0)
		length = smaller(size, reader->most);
	else if (size < length && ended)
		length = size;
	if (length > reader->most && size > reader->most) {
		frame_start_skipping(reader, length);
		return frame_skip_counted(reader, size, ended, cut);
	}
	if (size < length)
		return FRAMED_MORE;
	cut->length = cut->used = length;
	return FRAMED_MESSAGE;
}

enum framed
frame_next(struct frame_reader *reader, const void *data, size_t size,
	   bool ended, struct frame_cut *cut)
{
	*cut = (struct frame_cut){ .used = 0 };
	if (size == 0 && !reader->skipping)
		return ended ? FRAMED_END : FRAMED_MORE;

	switch (reader->framing) {
	case FRAME_LINE:
	case FRAME_NUL:
		return frame_delimited(reader, data, size, ended, cut);
	case FRAME_NONE:
	case FRAME_LEN16:
	case FRAME_LEN32:
		break;
	}
	if (reader->skipping)
		return frame_skip_counted(reader, size, ended, cut);
	if (reader->framing == FRAME_NONE)
		return frame_block(reader, size, ended, cut);
	return frame_counted(reader, data, size,
			     reader->framing == FRAME_LEN16 ? 2 : 4, ended,
			     cut);
}

int
frame_before(enum framing framing, uint64_t length,
	     unsigned char mark[FRAME_MARK])
{
	int header = framing == FRAME_LEN16 ? 2 :
	    framing == FRAME_LEN32 ? 4 : 0;

	if (header != 0 && length >> (8 * header) != 0) {
		errno = EMSGSIZE;
		return -1;
	}
	for (int i = 0; i < header; i++)
		mark[i] = (unsigned char)(length >> (8 * (header - 1 - i)));
	return header;
}

int
frame_after(enum framing framing, unsigned char mark[FRAME_MARK])
{
	if (framing != FRAME_LINE && framing != FRAME_NUL)
		return 0;
	mark[0] = framing == FRAME_LINE ? '\n' : '\0';
	return 1;
}
