/*
 * hub.h: many clients that share one local side: -k, --broker, --chat
 */
#ifndef HUB_H
#define HUB_H

#include "serve/local.h"

struct hub;

/*
 * With standard input and output (-k): what any client sends goes to output
 * in the pieces that came (--lines: whole lines), input is read only while
 * there is a client and goes to all. With --broker what a client sends goes to
 * all others, with --chat under its name. The hub ends the run when output
 * fails. Returns NULL with errno when out of memory.
 */
struct hub *hub_new(struct run *run);

/* The members must be freed before. */
void hub_free(struct hub *hub);

/* A client of the hub: a kind of local.h. Its end is the member's alone. */
struct local *hub_join(struct hub *hub, const struct local_request *request);

/*
 * Time is up for what `limit` names: as session_expire(), for all members.
 */
struct outcome hub_expire(struct hub *hub, const char *limit);

#endif
