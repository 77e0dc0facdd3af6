/*
 * input.h: bytes of a local descriptor → messages
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/filter.h"
#include "io/frame.h"
#include "net/channel.h"
#include "net/msgsock.h"

struct input {
	struct channel channel;
	struct frame_reader reader;
	struct filter filter;	/* -C */
	bool ended;		/* the end of input was read */
	bool drained;		/* the last read took all that was there */
	unsigned char *data;
	size_t size, start, end;	/* of `data`; what is not cut yet */
	struct message cut[MSGSOCK_BATCH];	/* they point into `data` */
	size_t cut_count, cut_sent;
	/*
	 * Called for a message that is lost: too long to be kept (`wanted` 0),
	 * or cut short by the end of input at `length` of `wanted` bytes
	 * (UINT64_MAX: not known how many).
	 */
	void (*lost)(void *owner, uint64_t length, uint64_t wanted);
	void *owner;
};

/*
 * Opens `fd`, which stays the caller's, with the framing that `reader` has
 * (its `most` says how long a message may be). Returns 0, or -1 with errno.
 */
int input_open(struct input *input, int fd, const struct frame_reader *reader,
	       bool crlf);
void input_free(struct input *input);

/*
 * Makes sure that there are messages to send: cuts them out of what was
 * read, or reads. MOVED: cut[cut_sent … cut_count) are there; AGAIN: wait for
 * the descriptor; END: input has ended and everything is sent; FAIL: reading
 * failed (errno), END will follow.
 */
enum moved input_messages(struct input *input);

/* Whether `cut` has messages that are not sent. */
bool input_holds(const struct input *input);

#endif
