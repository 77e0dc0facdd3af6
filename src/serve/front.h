/*
 * front.h: the socket at which the clients of flows are heard
 */
#ifndef FRONT_H
#define FRONT_H

#include <stdbool.h>

#include "net/connection.h"
#include "serve/run.h"

struct front {
	struct run *run;
	struct connection connection;
	struct msgsock *socket;
	bool alone;		/* one peer has it; else many share it */
	bool ends;		/* it has an end, both ways: alone, then */
	char name[ADDRESS_TEXT];	/* of that peer, in messages */
};

/*
 * Takes the connection's socket. Returns 0, or -1 with errno: front_close() is
 * due then, too.
 */
int front_open(struct front *front, struct run *run,
	       const struct connection *connection);
void front_close(struct front *front);

#endif
