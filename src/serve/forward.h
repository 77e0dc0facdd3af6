/*
 * forward.h: another endpoint as the local side of a stream: --to
 */
#ifndef FORWARD_H
#define FORWARD_H

#include "net/endpoint.h"
#include "serve/local.h"

/*
 * Looks, before the first client, at what --to names where that is a socket
 * that was open when we were started (fd:N): it must be a connected stream.
 * Tells a failure; returns CAUSE_NONE or the cause.
 */
enum cause forward_prepare(const struct endpoint *to);

/*
 * Dials the endpoint that --to names, then relays between it and the
 * connection. Where it cannot be reached that has been told, and `ended` has
 * the cause. A kind of local.h.
 */
struct local *forward_start(const struct local_request *request);

#endif
