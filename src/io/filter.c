/*
 * filter.c: CRLF (-C) and telnet negotiation (-t, RFC 854)
 */
#include "io/filter.h"

enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250,
       SE = 240 };

enum telnet_state {
	TELNET_DATA,
	TELNET_IAC,		/* after IAC */
	TELNET_VERB,		/* after IAC and one of WILL WONT DO DONT */
	TELNET_SUB,		/* inside of a subnegotiation */
	TELNET_SUB_IAC,		/* the same, after IAC */
};

/* Every option is refused, and only offers are answered (RFC 1143). */
static void
telnet_answer(struct telnet *telnet, unsigned char option)
{
	unsigned char *answer = telnet->answers + telnet->answer_length;

	if (telnet->verb != WILL && telnet->verb != DO)
		return;
	if (telnet->answer_length + 3 > sizeof(telnet->answers))
		return;		/* telnet_room() keeps this from happening */
	answer[0] = IAC;
	answer[1] = telnet->verb == WILL ? DONT : WONT;
	answer[2] = option;
	telnet->answer_length += 3;
}

/* Takes the byte after IAC; returns whether it is data after all. */
static bool
telnet_command(struct telnet *telnet, unsigned char byte)
{
	telnet->state = TELNET_DATA;
	switch (byte) {
	case IAC:
		return true;	/* a doubled IAC stands for itself */
	case WILL: case WONT: case DO: case DONT:
		telnet->verb = byte;
		telnet->state = TELNET_VERB;
		break;
	case SB:
		telnet->state = TELNET_SUB;
		break;
	default:
		break;		/* a command of two bytes, such as NOP */
	}
	return false;
}

/* Takes one byte of input; returns whether it is data. */
static bool
telnet_byte(struct telnet *telnet, unsigned char byte)
{
	switch ((enum telnet_state)telnet->state) {
	case TELNET_DATA:
		if (byte != IAC)
			return true;
		telnet->state = TELNET_IAC;
		return false;
	case TELNET_IAC:
		return telnet_command(telnet, byte);
	case TELNET_VERB:
		telnet_answer(telnet, byte);
		telnet->state = TELNET_DATA;
		return false;
	case TELNET_SUB:
		if (byte == IAC)
			telnet->state = TELNET_SUB_IAC;
		return false;
	case TELNET_SUB_IAC:
		telnet->state = byte == SE ? TELNET_DATA : TELNET_SUB;
		return false;
	}
	return true;
}

size_t
telnet_room(const struct telnet *telnet)
{
	/* An offer takes three bytes and so does its answer; one offer may
	 * have begun in the bytes before. */
	size_t left = sizeof(telnet->answers) - telnet->answer_length;

	return left > 3 ? left - 3 : 0;
}

size_t
filter_apply(struct filter *filter, unsigned char *data, size_t offset,
	     size_t length)
{
	size_t in, out = 0;

	for (in = offset; in < offset + length; in++) {
		unsigned char byte = data[in];

		if (filter->telnet != NULL &&
		    !telnet_byte(filter->telnet, byte))
			continue;
		if (filter->crlf) {
			if (byte == '\n' && !filter->after_cr)
				data[out++] = '\r';
			filter->after_cr = byte == '\r';
		}
		data[out++] = byte;
	}
	return out;
}
