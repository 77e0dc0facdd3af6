/*
 * loop.h: the one event loop: descriptors, timers, signals
 *
 * Watches and timers live inside their owners; the loop only points to them,
 * so both must stay where they are until unwatched or cancelled. Callbacks
 * may add, change and remove any watch or timer, their own included.
 */
#ifndef LOOP_H
#define LOOP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/*
 * Interest in a descriptor. POLLERR and POLLHUP are reported even where
 * `events` is 0, as poll(2) does; a descriptor that is finished with must be
 * unwatched, or it would be reported for ever.
 */
struct watch {
	int fd;
	void (*ready)(struct watch *watch, short events);
	/* the loop's own: */
	size_t slot;		/* 1 + index; 0: not watched; or FAR, LATE */
	short events;
	struct watch *next, *previous;	/* of those that are LATE */
};

/* A point in time at which `expired` is called once. */
struct timer {
	void (*expired)(struct timer *timer);
	/* the loop's own: */
	int64_t when;
	bool set;
	struct timer *child, *next, *previous;
};

/*
 * A signal that somebody wants to hear of. It is ignored silently if it was
 * ignored when the program started.
 */
struct signal_watch {
	int signal;
	void (*caught)(struct signal_watch *watch);
	void *owner;		/* for the callback */
	/* the loop's own: */
	struct signal_watch *next;
};

/*
 * Makes the loop. Blocks SIGPIPE and SIGTTIN for the life of the process:
 * both then arrive as EPIPE and EIO where they belong. Returns NULL with
 * errno when out of memory.
 */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/*
 * Watches `watch->fd` for `events` (POLLIN, POLLOUT, or 0 to hear only of
 * errors and hang-ups); on a watch that is already there, changes them.
 */
void loop_watch(struct loop *loop, struct watch *watch, short events);

/* Stops watching; harmless where `watch` is not watched. */
void loop_unwatch(struct loop *loop, struct watch *watch);

/* Sets or moves the timer to `when` (clock.h); NEVER cancels it. */
void loop_timer(struct loop *loop, struct timer *timer, int64_t when);

/* Adds a signal; it stays for the life of the loop. Returns 0 or -1. */
int loop_signal(struct loop *loop, struct signal_watch *watch);

/*
 * Whether a timer is due or a signal waits that somebody watches: for what
 * has to wait by itself, which is then to return to the loop.
 */
bool loop_is_due(const struct loop *loop);

/*
 * Runs until loop_stop(). Returns 0, or -1 with errno when waiting itself
 * failed.
 */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
