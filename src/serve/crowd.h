/*
 * crowd.h: the clients that a listener with -k serves at once
 *
 * Each has a local side of its own, or all share a hub; what becomes of one
 * is no other's concern.
 */
#ifndef CROWD_H
#define CROWD_H

#include <stddef.h>

#include "base/outcome.h"

struct connection;
struct crowd;
struct run;

/*
 * Makes an empty crowd. `left` is called from the loop when a client's all is
 * over. Returns NULL with errno when out of memory.
 */
struct crowd *crowd_new(struct run *run, void (*left)(void *owner),
			void *owner);

/* Ends whatever is under way. NULL is harmless. */
void crowd_free(struct crowd *crowd);

/*
 * Serves a client, whose socket is the crowd's from now on. Where that cannot
 * be done it is told, and the client's socket closed.
 */
void crowd_add(struct crowd *crowd, const struct connection *connection);

/* How many clients there are. */
size_t crowd_count(const struct crowd *crowd);

/* As local_expire(), for all. */
struct outcome crowd_expire(struct crowd *crowd, const char *limit);

#endif
