/*
 * run.h: one run of the program: what client and server have in common
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"
#include "family.h"
#include "loop.h"
#include "outcome.h"
#include "unixpath.h"

struct options;
struct session;

#define RUN_SIGNALS 3

struct run {
	const struct options *options;
	struct loop *loop;
	/* What moves the data, once there is something to move it through. */
	struct session *session;	/* a stream's bytes */
	struct exchange *exchange;	/* messages */
	struct outcome outcome;
	struct timer max_time;
	struct unixpath *guarded;
	struct signal_watch signals[RUN_SIGNALS];
};

/* A socket that is ready for data. */
struct connection {
	int fd;
	int family, type, protocol;	/* as socket(2) took them */
	struct address peer;		/* length 0: not known yet */
	bool accepted;			/* by a listener */
	bool shared;			/* handed over: others may have it */
	enum exchange_role role;	/* of messages */
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
 * Moves data between the socket, which it takes, and standard input and
 * output; the run ends with that.
 */
void run_connection(struct run *run, const struct connection *connection);

/*
 * From now on, before a signal ends the run, removes the path of a Unix
 * socket if it is ours then. Where there never is one, do not call it: the
 * signals keep their defaults. `path` must live as long as the run. Returns
 * 0, or -1 with errno.
 */
int run_guard(struct run *run, struct unixpath *path);

#endif
