/*
 * local.h: the local side of a connection: what its data goes to
 *
 * Standard input and output, a program, another endpoint, a canned answer, or
 * a hub that many share. Each kind is a struct that begins with a `struct
 * local`, so that who serves clients need not know which it is.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "base/outcome.h"

struct connection;
struct local;
struct run;

struct local_kind {
	/* As local_expire() and local_free(). */
	struct outcome (*expire)(struct local *local, const char *limit);
	void (*free)(struct local *local);
};

struct local_request {
	struct run *run;
	/* The socket is the local side's from now on, failing or not. */
	const struct connection *connection;
	/*
	 * Called once, from the loop and never from the starting function:
	 * all is over. A failure has been told by then. The owner frees.
	 */
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;
};

struct local {
	const struct local_kind *kind;
	struct run *run;
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;
};

/* Fills in what all kinds have in common. */
void local_open(struct local *local, const struct local_kind *kind,
		const struct local_request *request);

/*
 * Time is up for what `limit` names ("--max-time ran out"): tells so in one
 * line, with what was not delivered. Returns what the run is to end with.
 * `ended` is not called.
 */
struct outcome local_expire(struct local *local, const char *limit);

/* Closes and frees, whatever is under way. NULL is harmless. */
void local_free(struct local *local);

#endif
