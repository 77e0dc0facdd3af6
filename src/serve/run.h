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
#include "net/unixpath.h"
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

/* Ends the run with `outcome`, from a callback of the loop. */
void run_end(struct run *run, struct outcome outcome);

/* Ends the run because a call that cannot do without `what` failed. */
void run_end_failed(struct run *run, const char *what);

#endif
