/*
 * run.h: one run of the program: what client and server have in common
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "family.h"
#include "loop.h"
#include "outcome.h"

struct options;
struct session;

struct run {
	const struct options *options;
	struct loop *loop;
	struct session *session;	/* NULL until there is a connection */
	struct outcome outcome;
	struct timer max_time;
	bool expired;			/* --max-time ended the run */
};

/*
 * Connects, or listens; then moves data until both directions have ended.
 * Every failure has been told on return.
 */
struct outcome run(const struct options *options);

/* Ends the run with `outcome`, from a callback of the loop. */
void run_end(struct run *run, struct outcome outcome);

/* Ends the run because a call that cannot do without `what` failed. */
void run_end_failed(struct run *run, const char *what);

/*
 * Starts the session of the connected socket `fd`, which it takes, between
 * standard input and output; the run ends with it.
 */
void run_session(struct run *run, int fd, const struct address *peer,
		 bool accepted);

#endif
