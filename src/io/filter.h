/*
 * filter.h: bytes changed on their way: line ends, telnet negotiation
 *
 * A filter works in place on what a store has just read, and remembers what
 * it must between two calls: a CR or an IAC may be the last byte of one read.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes that one byte of input can become. */
#define FILTER_GROWTH 2

/* Answers to telnet options that wait to be sent: three bytes each. */
#define TELNET_ANSWERS 768

struct telnet {
	unsigned char state;
	unsigned char verb;
	size_t answer_length;
	unsigned char answers[TELNET_ANSWERS];
};

struct filter {
	bool crlf;		/* LF → CRLF, never CRCRLF */
	bool after_cr;
	struct telnet *telnet;	/* NULL: not asked for */
};

/*
 * Filters `length` bytes that stand at `data + offset`; the result starts at
 * `data`. Where LF becomes CRLF `offset` must be at least `length`, so that
 * what is written never overtakes what is read. Returns the new length,
 * which may be 0.
 */
size_t filter_apply(struct filter *filter, unsigned char *data, size_t offset,
		    size_t length);

/*
 * How many bytes of telnet input may be read before `answers` could
 * overflow.
 */
size_t telnet_room(const struct telnet *telnet);

#endif
