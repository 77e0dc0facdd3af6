/*
 * run.c: one run of the program: what all that serves it may know of it
 */
#include "serve/run.h"

#include <errno.h>

#include "base/diag.h"

void
run_end(struct run *run, struct outcome outcome)
{
	if (run->dying)
		return;
	run->outcome = outcome;
	loop_stop(run->loop);
}

void
run_end_failed(struct run *run, const char *what)
{
	diag_error("%s failed: %s", what, diag_strerror(errno));
	run_end(run, outcome_of(CAUSE_LOCAL));
}
