/*
 * dialling.h: what the files of a dial have in common: dial.c, attempt.c
 *
 * Nobody else includes it; dial.h is for the rest.
 */
#ifndef DIALLING_H
#define DIALLING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/loop.h"
#include "cli/options.h"
#include "open/dial.h"

/* Between two tries at a Unix socket whose backlog is full; doubled. */
#define BACKLOG_PAUSE (10 * MILLISECOND)
#define BACKLOG_PAUSE_MAX (100 * MILLISECOND)

/* A host, an address and a port, and the words around them. */
#define SUBJECT (ENDPOINT_HOST_MAX + ADDRESS_TEXT + 64)

/* A name that is, was or will be looked up, and the answer. */
struct look_up {
	struct dial *dial;
	const char *host;	/* NULL: nothing to look up */
	struct resolve *resolve;
	bool answered;
	int error, system_error;	/* as resolve.h has it, and errno */
	const struct address *list;
	size_t count;
};

/* One address that is tried; under way while the descriptor is not -1. */
struct attempt {
	struct watch watch;
	struct dial *dial;
	struct address peer;
};

enum progress { FAILED, UNDER_WAY, CONNECTED };

struct failure {
	struct failure *next;
	char line[];
};

/* What has failed in one round, and what it all comes to. */
struct round {
	enum cause cause;	/* CAUSE_NONE: nothing failed so far */
	struct failure *first, *last;
};

struct dial {
	struct loop *loop;
	struct dial_request request;
	const struct options *options;
	struct timer step, limit;
	int spare;		/* a descriptor kept for a socket; else -1 */
	uint64_t random;

	struct look_up source, host;
	uint16_t source_port;
	struct address fixed_address;	/* of what is not looked up */
	uint16_t *ports;	/* in the order in which they are tried */
	size_t port_count, port;

	struct attempt *attempts;	/* one an address of the host */
	size_t attempt_count, next;
	int64_t backlog_pause;

	bool retries;
	int64_t give_up, round_pause;
	struct round now, before;
};

/* Notes a failure in the round under way; printf(3). */
__attribute__((format(printf, 3, 4)))
void dial_fail(struct dial *dial, enum cause cause, const char *format, ...);

/* Keeps a descriptor for the next socket, if there is one; or gives it up. */
void dial_keep_spare(struct dial *dial);
void dial_drop_spare(struct dial *dial);

/* Forgets a round's failures; or tells those that no verbosity has told. */
void round_forget(struct round *round);
void round_tell(struct round *round);

/*
 * The host as the user gave it, and the address where that says more: "PATH",
 * "ADDR" or "HOST (ADDR)", in `text` of SUBJECT bytes.
 */
void attempt_host(const struct attempt *attempt, char *text);

/*
 * Notes its failure, for `reason`; or for what a system call said, behind
 * `what` ("" or "bind to ADDR: ").
 */
void attempt_fail(struct attempt *attempt, enum cause cause,
		  const char *reason);
void attempt_fail_errno(struct attempt *attempt, const char *what, int error);

/*
 * Makes the attempt's socket, with all that comes before connecting. Returns
 * 0, or -1 with the failure noted.
 */
int attempt_open(struct attempt *attempt);

/*
 * Connects it. FAILED: that is noted, and it is closed. UNDER_WAY: its watch
 * tells, or (a Unix socket with a full backlog) dial->step calls
 * dial_backlog_again().
 */
enum progress attempt_connect(struct attempt *attempt);

/* Goes on where the watch of one under way tells that it is ready. */
enum progress attempt_go_on(struct attempt *attempt);

/* dial.c's, for dial->step. */
void dial_backlog_again(struct timer *timer);

#endif
