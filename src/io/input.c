/*
 * input.c: bytes of a local descriptor → messages
 *
 * Messages are cut where they stand in the buffer and never copied; the
 * buffer is refilled when all that was cut out of it has been sent.
 */
#include "io/input.h"

#include <stdlib.h>
#include <string.h>

/* Many messages of usual sizes; 64, 128 and 512 KiB are as fast. */
#define INPUT_SIZE ((size_t)256 * 1024)

/* Behind the longest message: its length or newline, a CRLF added. */
#define INPUT_MARGIN 16

int
input_open(struct input *input, int fd, const struct frame_reader *reader,
	   bool crlf)
{
	*input = (struct input){ .reader = *reader };
	channel_open(&input->channel, fd);
	input->filter.crlf = crlf;
	/* A message and its length must fit in (frame.h). */
	input->size = reader->most + 4 > INPUT_SIZE ? reader->most + 4 :
	    INPUT_SIZE;
	input->data = malloc(input->size * (crlf ? FILTER_GROWTH : 1) +
			     INPUT_MARGIN);
	return input->data != NULL ? 0 : -1;
}

void
input_free(struct input *input)
{
	free(input->data);
	input->data = NULL;
}

bool
input_holds(const struct input *input)
{
	return input->cut_sent < input->cut_count;
}

/*
 * With -C a line's message ends in CRLF. The filter has put the CR there,
 * except behind a last line without a newline.
 */
static void
add_line_end(struct input *input, struct message *message)
{
	if (!input->filter.crlf || input->reader.framing != FRAME_LINE)
		return;
	if (message->data + message->length == input->data + input->end)
		memcpy(message->data + message->length++, "\r\n", 2);
	message->length++;
}

/* Of input in which no message ends, before the loop has its turn. */
#define READS_AT_ONCE 16

/* Cuts the next messages out of the buffer; all before are sent. */
static void
cut_messages(struct input *input)
{
	input->cut_count = input->cut_sent = 0;
	while (input->cut_count < MSGSOCK_BATCH) {
		unsigned char *data = input->data + input->start;
		struct message *message = &input->cut[input->cut_count];
		struct frame_cut cut;
		enum framed framed = frame_next(&input->reader, data,
		    input->end - input->start, input->ended, &cut);

		input->start += cut.used;
		switch (framed) {
		case FRAMED_MESSAGE:
			message->data = data + cut.start;
			message->length = (size_t)cut.length;
			add_line_end(input, message);
			input->cut_count++;
			break;
		case FRAMED_TOO_LONG:
			input->lost(input->owner, cut.length, 0);
			break;
		case FRAMED_CUT_SHORT:
			input->lost(input->owner, cut.length, cut.wanted != 0 ?
				    cut.wanted : UINT64_MAX);
			break;
		case FRAMED_MORE:
		case FRAMED_END:
			return;
		}
	}
}

/* How much to read: without framing a read is a message. */
static size_t
read_size(const struct input *input)
{
	size_t room = input->size - input->end;
	size_t most = input->reader.most;

	if (input->reader.framing != FRAME_NONE || input->reader.block != 0)
		return room;
	if (input->filter.crlf)
		most /= FILTER_GROWTH;
	return room < most ? room : most;
}

/* Reads more input behind what is left of the last frame. */
static enum moved
read_more(struct input *input)
{
	size_t left = input->end - input->start, most, got;
	unsigned char *to;
	enum moved moved;

	if (left > 0)
		memmove(input->data, input->data + input->start, left);
	input->start = 0;
	input->end = left;
	most = read_size(input);
	to = input->data + left;
	if (!input->filter.crlf) {
		moved = channel_read(&input->channel, to, most, &got);
	} else {
		most = most / 2 + 1;
		moved = channel_read(&input->channel, to + most, most, &got);
		if (moved == MOVED)
			got = filter_apply(&input->filter, to, most, got);
	}
	if (moved == MOVED)
		input->end += got;
	else if (moved != AGAIN)
		input->ended = true;
	/*
	 * One more read would only say so: a system call in seven of a round
	 * trip, 1 to 3 % of its time.
	 */
	input->drained = moved == MOVED && got < most &&
	    !input->filter.crlf && input->channel.kind != CHANNEL_FILE;
	return moved;
}

enum moved
input_messages(struct input *input)
{
	unsigned reads = 0;

	for (;;) {
		enum moved moved;

		if (!input_holds(input))
			cut_messages(input);
		if (input_holds(input))
			return MOVED;
		if (input->ended)
			return END;
		if (input->drained) {
			input->drained = false;
			return AGAIN;
		}
		/* Timers, signals and clients are not to wait for a line. */
		if (reads++ == READS_AT_ONCE)
			return AGAIN;
		moved = read_more(input);
		if (moved == AGAIN || moved == FAIL)
			return moved;
	}
}
