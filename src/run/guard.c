/*
 * guard.c: what is cleaned up before a signal ends the run
 */
#include "run/guard.h"

#include <signal.h>
#include <stddef.h>

#include "serve/run.h"

static const int ending_signals[RUN_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

/* No program is left: die by the signal that asked for it. */
static void
run_programs_gone(void *owner)
{
	struct run *run = owner;

	loop_stop(run->loop);
}

static void
run_signalled(struct signal_watch *watch)
{
	struct run *run = watch->owner;

	if (run->guarded != NULL)
		unixpath_remove(run->guarded);
	if (run->stop != NULL)
		run->stop(run->stop_owner);
	run->outcome = (struct outcome){ .signal = watch->signal };
	run->dying = true;
	if (run->children.first != NULL)
		children_end(&run->children, watch->signal, run_programs_gone,
			     run);
	else
		loop_stop(run->loop);
}

int
run_guard(struct run *run, struct unixpath *path,
	  void (*stop)(void *owner), void *owner)
{
	size_t i;

	if (path != NULL)
		run->guarded = path;
	if (stop != NULL) {
		run->stop = stop;
		run->stop_owner = owner;
	}
	if (run->guards)
		return 0;
	run->guards = true;
	for (i = 0; i < RUN_SIGNALS; i++) {
		run->signals[i] = (struct signal_watch){
			.signal = ending_signals[i],
			.caught = run_signalled, .owner = run,
		};
		if (loop_signal(run->loop, &run->signals[i]) == -1)
			return -1;
	}
	return 0;
}
