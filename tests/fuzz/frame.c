/*
 * frame.c (fuzzer): odd bytes in odd pieces for frame_next()
 *
 * However the bytes are split, the same must come of them as of the whole at
 * once, and as of a reference that is too simple to be wrong. Includes the
 * source, so that one file is all there is to compile:
 *	clang -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
 *		tests/fuzz/frame.c
 */
#include "../../src/io/frame.c"

#include <stdlib.h>

/* Lengths of pieces are taken from that many bytes of the input. */
#define PIECES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One answer of frame_next(), with the bytes of a message. */
struct answer {
	enum framed framed;
	uint64_t length, wanted;
	const uint8_t *bytes;
};

struct answers {
	struct answer *list;
	size_t count;
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void *
allocate(size_t size)
{
	void *memory = malloc(size > 0 ? size : 1);

	check(memory != NULL);
	return memory;
}

/* There is at most one answer a byte, one for the rest, and the end. */
static void
answers_open(struct answers *answers, size_t size)
{
	answers->count = 0;
	answers->list = allocate((size + 2) * sizeof(*answers->list));
}

static void
answers_add(struct answers *answers, enum framed framed,
	    const uint8_t *bytes, uint64_t length,
	    uint64_t wanted)
{
	answers->list[answers->count++] = (struct answer){
		.framed = framed, .bytes = bytes, .length = length,
		.wanted = wanted,
	};
}

static void
answers_add_sized(struct answers *answers, size_t most,
		  const uint8_t *bytes, size_t length)
{
	answers_add(answers, length <= most ? FRAMED_MESSAGE :
		    FRAMED_TOO_LONG, bytes, length, 0);
}

static void
refer_delimited(const struct frame_reader *reader,
		const uint8_t *data, size_t size,
		struct answers *answers)
{
	char mark = reader->framing == FRAME_LINE ? '\n' : '\0';
	size_t start = 0;

	for (size_t i = 0; i < size; i++)
		if (data[i] == mark) {
			answers_add_sized(answers, reader->most, data + start,
					  i - start);
			start = i + 1;
		}
	if (start < size)
		answers_add_sized(answers, reader->most, data + start,
				  size - start);
}

static void
refer_block(const struct frame_reader *reader,
	    const uint8_t *data, size_t size,
	    struct answers *answers)
{
	size_t block = reader->block ? reader->block : reader->most;

	for (size_t at = 0; at < size; at += block)
		answers_add_sized(answers, reader->most, data + at,
				  size - at < block ? size - at : block);
}

static void
refer_counted(const struct frame_reader *reader,
	      const uint8_t *data, size_t size,
	      struct answers *answers)
{
	size_t header = reader->framing == FRAME_LEN16 ? 2 : 4;
	size_t at = 0;

	while (at < size) {
		uint64_t length = 0;

		if (size - at < header) {
			answers_add(answers, FRAMED_CUT_SHORT, NULL,
				    size - at, 0);
			return;
		}
		for (size_t i = 0; i < header; i++)
			length = length * 256 + data[at++];
		if (length > size - at) {
			answers_add(answers, FRAMED_CUT_SHORT, NULL,
				    size - at, length);
			return;
		}
		answers_add_sized(answers, reader->most, data + at, length);
		at += length;
	}
}

static void
refer(const struct frame_reader *reader, const uint8_t *data,
      size_t size, struct answers *answers)
{
	if (reader->framing == FRAME_NONE)
		refer_block(reader, data, size, answers);
	else if (reader->framing == FRAME_LINE ||
		 reader->framing == FRAME_NUL)
		refer_delimited(reader, data, size, answers);
	else
		refer_counted(reader, data, size, answers);
	answers_add(answers, FRAMED_END, NULL, 0, 0);
}

static void
compare(const struct answer *wanted, enum framed framed,
	const struct frame_cut *cut, const uint8_t *held)
{
	check(framed == wanted->framed);
	check(cut->length == wanted->length && cut->wanted == wanted->wanted);
	if (framed == FRAMED_MESSAGE && cut->length > 0)
		check(memcmp(held + cut->start, wanted->bytes,
			     cut->length) == 0);
}

/*
 * Feeds the bytes in pieces (NULL: all at once) through a window of `room`
 * bytes, which is a new piece of memory each time so that any access beyond
 * it is seen.
 */
static void
feed(struct frame_reader reader, const uint8_t *data, size_t size,
     const uint8_t *pieces, size_t room,
     const struct answers *answers)
{
	size_t at = 0, end = pieces != NULL ? 0 : size, answered = 0;
	enum framed framed = FRAMED_MORE;

	for (unsigned turn = 0; framed != FRAMED_END; turn++) {
		uint8_t *held = allocate(end - at);
		struct frame_cut cut;

		memcpy(held, data + at, end - at);
		framed = frame_next(&reader, held, end - at, end == size,
				    &cut);
		check(cut.used <= end - at);
		if (framed == FRAMED_MESSAGE)
			check(cut.start + cut.length <= cut.used);
		if (framed != FRAMED_MORE) {
			check(answered < answers->count);
			compare(&answers->list[answered++], framed, &cut,
				held);
		}
		free(held);
		at += cut.used;
		if (framed == FRAMED_MORE) {
			size_t piece;

			check(end < size && end - at < room);
			piece = (size_t)pieces[turn % PIECES] + 1;
			if (piece > room - (end - at))
				piece = room - (end - at);
			end += piece < size - end ? piece : size - end;
		}
	}
	check(at == size && answered == answers->count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader reader = { .framing = FRAME_NONE };
	struct answers answers;

	if (size < 3 + PIECES)
		return 0;
	reader.framing = (enum framing)(data[0] % (FRAME_LEN32 + 1));
	reader.most = (size_t)data[1] + 1;
	reader.block = data[2];

	const uint8_t *pieces = data + 3;
	data += 3 + PIECES;
	size -= 3 + PIECES;
	answers_open(&answers, size);
	refer(&reader, data, size, &answers);
	/* Without a block a read is a message: whatever the split makes it. */
	if (reader.framing != FRAME_NONE || reader.block != 0)
		feed(reader, data, size, pieces, reader.most + 4, &answers);
	feed(reader, data, size, NULL, size, &answers);
	free(answers.list);
	return 0;
}
