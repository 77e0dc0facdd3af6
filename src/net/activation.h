/*
 * activation.h: sockets handed over by whoever started us: LISTEN_FDS
 *
 * The protocol of sd_listen_fds(3): LISTEN_PID is our process id, LISTEN_FDS
 * how many descriptors from 3 on are ours.
 */
#ifndef ACTIVATION_H
#define ACTIVATION_H

#include <stddef.h>

#include "base/outcome.h"

/*
 * How many sockets were handed over to this very process; 0 where there are
 * none, or LISTEN_PID names another process. Does not change the environment.
 */
size_t activation_count(void);

/* The descriptor of the first one; the others follow. */
#define ACTIVATION_FIRST 3

/*
 * Makes the `count` descriptors ours: no program that we start gets them, and
 * accept(2) does not block. To be called before any other descriptor is
 * opened, or one of ours could pass for one that is missing. Tells a failure;
 * returns CAUSE_NONE or CAUSE_LOCAL.
 */
enum cause activation_claim(size_t count);

#endif
