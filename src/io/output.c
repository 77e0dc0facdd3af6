/*
 * output.c: messages → framed bytes on a local descriptor
 *
 * Without framing, messages that stand side by side in the socket's buffers
 * (as receive coalescing leaves them) are written in one piece and never
 * copied. Framed ones are copied once, beside their marks: many small
 * vectors cost more than that.
 */
#include "io/output.h"

#include <stdlib.h>
#include <string.h>

void
output_open(struct output *output, int fd, enum framing framing,
	    const struct address *show_peer)
{
	*output = (struct output){
		.framing = framing, .show_peer = show_peer,
	};
	channel_open(&output->channel, fd);
}

void
output_free(struct output *output)
{
	free(output->scratch);
	output->scratch = NULL;
}

/* Adds a piece, or makes the last one longer where it ends. */
static void
add_piece(struct output *output, const unsigned char *data, size_t length)
{
	struct piece *last = &output->pieces[output->piece_count];

	if (length == 0)
		return;
	if (output->piece_count > 0 &&
	    last[-1].data + last[-1].length == data) {
		last[-1].length += length;
		return;
	}
	*last = (struct piece){ .data = data, .length = length };
	output->piece_count++;
}

/* Makes room for `more` bytes of scratch. */
static int
scratch_room(struct output *output, size_t more)
{
	size_t size = output->scratch_size != 0 ? output->scratch_size :
	    64 * (size_t)1024;
	unsigned char *grown;

	while (size - output->scratch_used < more)
		size *= 2;
	if (size == output->scratch_size)
		return 0;
	grown = realloc(output->scratch, size);
	if (grown == NULL)
		return -1;
	output->scratch = grown;
	output->scratch_size = size;
	return 0;
}

static void
scratch_add(struct output *output, const void *data, size_t length)
{
	if (length == 0)
		return;
	memcpy(output->scratch + output->scratch_used, data, length);
	output->scratch_used += length;
}

/* As scratch_add(), with control characters and backslashes as \xNN. */
static void
scratch_add_escaped(struct output *output, const unsigned char *data,
		    size_t length)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char *to = output->scratch + output->scratch_used;
	size_t i;

	for (i = 0; i < length; i++) {
		unsigned char byte = data[i];

		if (byte >= 0x20 && byte != 0x7f && byte != '\\') {
			*to++ = byte;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = (unsigned char)digits[byte >> 4];
		*to++ = (unsigned char)digits[byte & 15];
	}
	output->scratch_used = (size_t)(to - output->scratch);
}

/* Lays one message with its marks into the scratch buffer. */
static int
frame_message(struct output *output, const struct received *received)
{
	const struct message *message = &received->message;
	unsigned char mark[FRAME_MARK];
	char peer[ADDRESS_TEXT] = "";
	int before = frame_before(output->framing, message->length, mark);

	if (before == -1) {
		output->too_long++;
		return 0;
	}
	if (scratch_room(output, ADDRESS_TEXT * 4 + 1 + 2 * FRAME_MARK +
			 message->length * (output->show_peer != NULL ?
					    4 : 1)) == -1)
		return -1;
	scratch_add(output, mark, (size_t)before);
	if (output->show_peer != NULL) {
		address_text(received->from->peer.length != 0 ?
			     &received->from->peer : output->show_peer, peer);
		scratch_add_escaped(output, (const unsigned char *)peer,
				    strlen(peer));
		scratch_add(output, "\t", 1);
		scratch_add_escaped(output, message->data, message->length);
	} else {
		scratch_add(output, message->data, message->length);
	}
	scratch_add(output, mark, (size_t)frame_after(output->framing, mark));
	return 0;
}

int
output_take(struct output *output, const struct received *received,
	    size_t count)
{
	size_t i;

	output->piece_count = output->piece_next = 0;
	output->scratch_used = 0;
	for (i = 0; i < count; i++) {
		if (output->framing == FRAME_NONE)
			add_piece(output, received[i].message.data,
				  received[i].message.length);
		else if (frame_message(output, &received[i]) == -1)
			return -1;
	}
	add_piece(output, output->scratch, output->scratch_used);
	return 0;
}

size_t
output_held(const struct output *output)
{
	size_t held = 0, i;

	for (i = output->piece_next; i < output->piece_count; i++)
		held += output->pieces[i].length;
	return held;
}

enum moved
output_write(struct output *output)
{
	while (output->piece_next < output->piece_count) {
		struct piece *piece = &output->pieces[output->piece_next];
		enum moved moved;
		size_t put;

		moved = channel_write(&output->channel, piece->data,
				      piece->length, &put);
		if (moved == END)
			return AGAIN;
		if (moved != MOVED)
			return moved;
		piece->data += put;
		piece->length -= put;
		if (piece->length == 0)
			output->piece_next++;
	}
	return MOVED;
}
