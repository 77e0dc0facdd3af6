/*
 * outcome.h: how a run ended, and which exit status tells it
 *
 * A cause's number is the exit status that the man page documents.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

enum cause {
	CAUSE_NONE = 0,
	CAUSE_LOCAL = 1,	/* output, memory, descriptors, kernel support */
	CAUSE_USAGE = 2,
	CAUSE_UNKNOWN_NAME = 3,	/* name, service, interface, socket path */
	CAUSE_REFUSED = 4,
	CAUSE_TIMED_OUT = 5,
	CAUSE_UNREACHABLE = 6,
	CAUSE_IN_USE = 7,	/* address in use, or not one of this host */
	CAUSE_PERMISSION = 8,
	CAUSE_BROKEN = 9,	/* reset or aborted by the peer */
	CAUSE_PROXY = 10,
};

/*
 * What a run ends with: dies by `signal` where that is not 0, else exits
 * with `status`. Whoever makes a failing outcome has already told the user.
 */
struct outcome {
	int status;
	int signal;
};

/* The cause that errno value `error` of a socket call stands for. */
enum cause cause_of_errno(int error);

/*
 * Of two causes the one that tells the user more when several attempts
 * failed: refused, then timed out, then unreachable, then any other.
 */
enum cause cause_more_telling(enum cause a, enum cause b);

/* An outcome that exits with the cause's status. */
struct outcome outcome_of(enum cause cause);

/*
 * Ends the process as `outcome` says; a signal is set to its default action
 * and unblocked first, so that the parent sees the real cause. Never
 * returns.
 */
_Noreturn void outcome_exit(struct outcome outcome);

#endif
