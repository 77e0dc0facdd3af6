/*
 * child.h: programs that run for us, each in a process group of its own
 *
 * posix_spawn(3) starts them, without a copy of our address space. Each has
 * default signals, an empty mask, the two descriptors that it was given as
 * standard input and output, our standard error, and no other descriptor.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/loop.h"

struct child {
	/*
	 * Called once, from the loop, when the program has ended and so have
	 * those that it left running in its group, or 2 s have passed since:
	 * then these are sent SIGHUP. `status` is as the shell has it: its
	 * exit status, or 128 and the signal that killed it.
	 */
	void (*ended)(struct child *child, int status);
	/* child.c's own: */
	pid_t pid;		/* and its group; 0: not running */
	bool reaped;
	bool forgotten;		/* and copied: `ended` frees it */
	int status;		/* waitpid(2)'s */
	int64_t give_up;	/* when the rest of its group is left alone */
	struct timer timer;
	struct children *children;
	struct child *next, *previous;
};

/* All that run. One in a process: it hears of SIGCHLD. */
struct children {
	struct loop *loop;
	struct child *first;
	struct signal_watch signal;
	void (*gone)(void *owner);	/* see children_end() */
	void *owner;
	struct timer kill;
};

/*
 * Prepares, once, before the first is started: hears of SIGCHLD (also where
 * it was ignored when we were started), and sees to it that no descriptor
 * that we inherited reaches a program (close-on-exec on all from 3 on).
 * Returns 0, or -1 with errno.
 */
int children_open(struct children *children, struct loop *loop);

/*
 * Starts `path` with `argv` and `environment`, `input` and `output` as its
 * descriptors 0 and 1 (they stay the caller's, and may be the same; if they
 * are non-blocking that is the caller's to change). Returns 0, or -1 with
 * errno (of execve(2), too).
 */
int child_start(struct children *children, struct child *child,
		const char *path, char *const argv[],
		char *const environment[], int input, int output);

/* Sends `signal` to the program's group; harmless where it does not run. */
void child_signal(struct child *child, int signal);

/*
 * Not interested any more: `ended` will not be called. What still runs is
 * sent SIGTERM and, if need be, SIGKILL after 2 s; it is reaped all the same.
 * The struct may be freed afterwards.
 */
void child_forget(struct child *child);

/*
 * Ends all: sends `signal` to every group, SIGKILL to what is left 2 s later
 * (or at a second call), and calls `gone` from the loop when none is left.
 * `ended` is not called any more.
 */
void children_end(struct children *children, int signal,
		  void (*gone)(void *owner), void *owner);

/*
 * The run is over, and all owners have forgotten theirs: waits until they have
 * ended, 2 s at the most: then they are killed. Harmless where
 * children_open() was not called.
 */
void children_close(struct children *children);

#endif
