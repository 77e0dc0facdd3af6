/*
 * exchange.h: a socket of messages and its local side
 *
 * What session.h is for bytes: datagram, seqpacket and raw sockets, whose
 * messages stand framed (frame.h) in standard input and output.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdbool.h>

#include "base/outcome.h"
#include "net/connection.h"

struct access;
struct exchange;
struct loop;
struct options;

struct exchange_request {
	const struct options *options;
	int fd;			/* non-blocking; the exchange's now */
	int family, type, protocol;	/* of the socket (socket(7)) */
	int input, output;
	enum exchange_role role;
	bool accepted;		/* a connection, by a listener */
	bool shared;		/* others may have the descriptor, too */
	struct address peer;	/* whom we talk to; length 0: not known yet */
	struct access *access;	/* whom a listener hears; NULL: everyone */
	/* As struct session_request has it. */
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;
};

/*
 * Starts an exchange. Returns NULL with errno when out of memory; the socket
 * is closed then too.
 */
struct exchange *exchange_start(struct loop *loop,
				const struct exchange_request *request);

/* As session_expire(). */
struct outcome exchange_expire(struct exchange *exchange, const char *limit);

void exchange_free(struct exchange *exchange);

#endif
