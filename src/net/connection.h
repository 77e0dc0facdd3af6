/*
 * connection.h: a socket that is ready for data, and who is at its other end
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>

#include "net/family.h"

/* What a socket of messages is to its peers. */
enum exchange_role {
	EXCHANGE_CLIENT,	/* connected to its peer */
	EXCHANGE_OPEN_CLIENT,	/* sends to `to`, hears whoever answers */
	EXCHANGE_LISTENER,	/* hears everyone, answers the last who spoke */
	EXCHANGE_CONNECTION,	/* seqpacket: has an end, both ways */
};

struct connection {
	int fd;
	int family, type, protocol;	/* as socket(2) took them */
	struct address peer;		/* length 0: not known yet */
	bool accepted;			/* by a listener */
	bool shared;			/* handed over: others may have it */
	enum exchange_role role;	/* of messages */
};

#endif
