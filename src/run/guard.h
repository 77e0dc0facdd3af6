/*
 * guard.h: what is cleaned up before a signal ends the run
 */
#ifndef GUARD_H
#define GUARD_H

struct run;
struct unixpath;

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
