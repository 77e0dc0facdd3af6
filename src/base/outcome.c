/*
 * outcome.c: how a run ended, and which exit status tells it
 */
#include "base/outcome.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

enum cause
cause_of_errno(int error)
{
	switch (error) {
	case 0:
		return CAUSE_NONE;
	case ECONNREFUSED:
		return CAUSE_REFUSED;
	case ETIMEDOUT:
		return CAUSE_TIMED_OUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
#ifdef ENONET	/* Linux's word for an ICMP "host isolated" */
	case ENONET:
#endif
		return CAUSE_UNREACHABLE;
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return CAUSE_IN_USE;
	case EACCES:
	case EPERM:
		return CAUSE_PERMISSION;
	case ENOENT:
	case ENOTDIR:
	case ENODEV:
	case ENXIO:
		return CAUSE_UNKNOWN_NAME;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return CAUSE_BROKEN;
	default:
		return CAUSE_LOCAL;
	}
}

static int
cause_rank(enum cause cause)
{
	switch (cause) {
	case CAUSE_NONE:
		return 0;
	case CAUSE_UNREACHABLE:
		return 2;
	case CAUSE_TIMED_OUT:
		return 3;
	case CAUSE_REFUSED:
		return 4;
	default:
		return 1;
	}
}

enum cause
cause_more_telling(enum cause a, enum cause b)
{
	return cause_rank(b) > cause_rank(a) ? b : a;
}

struct outcome
outcome_of(enum cause cause)
{
	return (struct outcome){ .status = (int)cause };
}

static void
die_by(int number)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(number, &standard, NULL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
}

_Noreturn void
outcome_exit(struct outcome outcome)
{
	if (outcome.signal != 0) {
		die_by(outcome.signal);
		/* Its default is not to kill: what a shell would report. */
		exit(128 + outcome.signal);
	}
	exit(outcome.status);
}
