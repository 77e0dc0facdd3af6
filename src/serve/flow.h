/*
 * flow.h: messages relayed: --to and programs on datagrams and seqpackets
 */
#ifndef FLOW_H
#define FLOW_H

#include "serve/local.h"

/*
 * The connection is either a connected socket of messages, which becomes one
 * flow, or (role EXCHANGE_LISTENER) a datagram socket that hears everyone:
 * then each client address has a flow of its own, with its own back-end
 * socket (--to) or program (-e, -c), until nothing has moved in it for
 * --idle-timeout (60 s without), the back-end ends, or the program does.
 * Without -k only the first client's flow is served, and its end is the end.
 * A kind of local.h.
 */
struct local *flow_start(const struct local_request *request);

#endif
