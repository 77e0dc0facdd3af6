/*
 * packet.h: sockets of the link layer
 */
#ifndef PACKET_H
#define PACKET_H

#include "base/outcome.h"
#include "open/listen.h"

struct options;

/*
 * Opens a packet(7) socket on options->interface: raw frames, or cooked ones
 * (SOCK_DGRAM), of options->protocol as an EtherType (0: all). Its address is
 * what sending takes. Tells a failure; returns CAUSE_NONE or the cause.
 */
enum cause packet_open(const struct options *options, struct bound *out);

#endif
