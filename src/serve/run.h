/*
 * run.h: one run of the program: what client and server have in common
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/child.h"
#include "base/loop.h"
#include "base/outcome.h"
#include "cli/options.h"
#include "net/family.h"
#include "net/unixpath.h"
#include "serve/exchange.h"
#include "serve/program.h"

struct access;
struct crowd;
struct local;

#define RUN_SIGNALS 3

struct run {
	const struct options *options;
	struct loop *loop;
	struct local *local;	/* of the one connection; NULL: none yet */
	struct crowd *crowd;	/* -k: of all connections; else NULL */
	struct program program;	/* -e, -c */
	struct children children;
	int reply_fd;		/* --reply -; else -1 */
	struct access *access;	/* who may be a client; NULL: all */
	struct options to;	/* --to: those of a client of that endpoint */
	struct msgsock_buffers *buffers;	/* of flows; NULL: none yet */
	struct outcome outcome;
	struct timer max_time;
	/* What a signal has to clean up. */
	struct unixpath *guarded;
	void (*stop)(void *owner);
	void *stop_owner;
	struct signal_watch signals[RUN_SIGNALS];
	bool guards;		/* the signals are watched */
	bool dying;		/* one came, and programs are ending */
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
 * Moves data between the socket, which it takes, and the local side; the run
 * ends with that.
 */
void run_connection(struct run *run, const struct connection *connection);

/*
 * From now on, before a signal ends the run, calls `stop` (accept no more)
 * and removes the path of a Unix socket if it is ours then; either may be
 * NULL. Programs are sent the signal, and waited for. Where there never is
 * anything to clean up, do not call it: the signals keep their defaults,
 * unless we are process 1, which has none.
 * `path` must live as long as the run. Returns 0, or -1 with errno.
 */
int run_guard(struct run *run, struct unixpath *path,
	      void (*stop)(void *owner), void *owner);

#endif
