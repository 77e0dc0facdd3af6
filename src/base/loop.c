/*
 * loop.c: the one event loop
 *
 * Theory of operation. Watches stand in two parallel arrays, one of them
 * being what poll(2) takes, so that changing an interest costs no system
 * call and waiting costs one. That is best for a few; what each of thousands
 * of idle clients would cost at every wait is too much. So once there are more
 * than a few, all watches become far: an epoll(7) instance has them, in which
 * idle ones cost nothing. Those that it refuses (files) stay near, and it is
 * itself a near watch then. Where there is no epoll all are near.
 *
 * A watch for which there is no memory, in the arrays or the kernel, is late:
 * it stands in a list, which needs none, until there is again, and waiting is
 * short meanwhile. So watching cannot fail, and nobody has to know what to do
 * without.
 *
 * Timers stand in a pairing heap, which needs no memory either. Signals that somebody watches are blocked
 * except while ppoll(2) waits, so a handler (which only sets a flag) can
 * never run between looking at the flag and going to sleep.
 *
 * A callback may remove any watch. Removing one moves the last watch into
 * its place; because the arrays are walked from the end and an entry's
 * events are cleared before its callback runs, no watch is called for events
 * that are not its own and none is called twice.
 */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/compat.h"

/* The slot of a watch that is late, and how soon to try again. */
#define LATE (SIZE_MAX - 1)
#define LATE_PAUSE (10 * MILLISECOND)

#if SOCKCAT_LINUX
#include <sys/epoll.h>
#include <unistd.h>

/* Up to so many watches poll(2) costs less than epoll(7). */
#define NEAR_MOST 16

/* Events of far watches that are taken at once. */
#define FAR_BATCH 64

/* The slot of a watch that is far. */
#define FAR SIZE_MAX

struct far {
	struct watch watch;	/* of the epoll instance; fd -1: none yet */
	struct epoll_event batch[FAR_BATCH];
	int count, next;	/* of `batch`; what is not yet called */
};
#endif

struct loop {
	struct pollfd *polls;
	struct watch **watches;
	size_t watch_count, watch_room;
	struct watch *late;

#if SOCKCAT_LINUX
	struct far far;
#endif

	struct timer *timers;	/* a heap: the earliest; or NULL */

	struct signal_watch *signals;
	sigset_t waiting;	/* the signal mask while waiting */
	bool stopped;
};

static volatile sig_atomic_t signal_caught[NSIG];

static void
signal_note(int number)
{
	signal_caught[number] = 1;
}

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	sigset_t block;

	if (loop == NULL)
		return NULL;
	sigemptyset(&block);
	sigaddset(&block, SIGPIPE);
	sigaddset(&block, SIGTTIN);
	sigprocmask(SIG_BLOCK, &block, &loop->waiting);
	sigaddset(&loop->waiting, SIGPIPE);
	sigaddset(&loop->waiting, SIGTTIN);
#if SOCKCAT_LINUX
	loop->far.watch.fd = -1;
#endif
	return loop;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
#if SOCKCAT_LINUX
	if (loop->far.watch.fd != -1)
		(void)close(loop->far.watch.fd);
#endif
	free(loop->polls);
	free(loop->watches);
	free(loop);
}

/* Makes room for one more watch; 0, or -1 with errno. */
static int
watches_grow(struct loop *loop)
{
	size_t room = loop->watch_room != 0 ? 2 * loop->watch_room : 8;
	struct pollfd *polls;
	struct watch **watches;

	if (loop->watch_count < loop->watch_room)
		return 0;
	polls = realloc(loop->polls, room * sizeof(*polls));
	if (polls == NULL)
		return -1;
	loop->polls = polls;
	watches = realloc(loop->watches, room * sizeof(struct watch *));
	if (watches == NULL)
		return -1;
	loop->watches = watches;
	loop->watch_room = room;
	return 0;
}

static int
near_watch(struct loop *loop, struct watch *watch, short events)
{
	if (watch->slot == 0) {
		if (watches_grow(loop) == -1)
			return -1;
		watch->slot = ++loop->watch_count;
		loop->watches[watch->slot - 1] = watch;
		loop->polls[watch->slot - 1].revents = 0;
	}
	loop->polls[watch->slot - 1].fd = watch->fd;
	loop->polls[watch->slot - 1].events = events;
	return 0;
}

static void
near_unwatch(struct loop *loop, struct watch *watch)
{
	size_t hole = watch->slot - 1;
	size_t last = --loop->watch_count;

	if (hole != last) {
		loop->polls[hole] = loop->polls[last];
		loop->watches[hole] = loop->watches[last];
		loop->watches[hole]->slot = hole + 1;
	}
	watch->slot = 0;
}

#if SOCKCAT_LINUX

/* Calls those who are ready of the far ones. */
static void
far_dispatch(struct loop *loop)
{
	struct far *far = &loop->far;

	while (far->next < far->count && !loop->stopped) {
		const struct epoll_event *event = &far->batch[far->next++];
		struct watch *watch = event->data.ptr;

		/* EPOLLIN … have the numbers of POLLIN … (epoll_ctl(2)). */
		if (watch != NULL)
			watch->ready(watch, (short)event->events);
	}
	far->count = 0;
}

static void
far_ready(struct watch *self, short events)
{
	struct far *far = container_of(self, struct far, watch);

	(void)events;
	far->next = 0;
	far->count = epoll_wait(far->watch.fd, far->batch, FAR_BATCH, 0);
	far_dispatch(container_of(far, struct loop, far));
}

/* Lets the epoll instance have `watch`; 0, or -1 where it refuses. */
static int
far_take(struct loop *loop, struct watch *watch, short events)
{
	struct epoll_event event = {
		.events = (unsigned short)events, .data.ptr = watch,
	};

	if (epoll_ctl(loop->far.watch.fd, EPOLL_CTL_ADD, watch->fd,
		      &event) == -1)
		return -1;
	watch->slot = FAR;
	watch->events = events;
	return 0;
}

/* Nobody stays near who need not: one call is then enough to wait. */
static void
far_take_near(struct loop *loop)
{
	size_t index = loop->watch_count;

	while (index-- > 0) {
		struct watch *watch = loop->watches[index];
		short events = loop->polls[index].events;
		size_t slot = watch->slot;

		if (watch == &loop->far.watch ||
		    far_take(loop, watch, events) == -1)
			continue;
		watch->slot = slot;
		near_unwatch(loop, watch);
		watch->slot = FAR;
	}
}

/* The epoll instance, made when it is first needed. 0, or -1: none. */
static int
far_open(struct loop *loop)
{
	struct watch *watch = &loop->far.watch;

	if (watch->fd != -1)
		return 0;
	watch->fd = epoll_create1(EPOLL_CLOEXEC);
	watch->ready = far_ready;
	if (watch->fd != -1 && near_watch(loop, watch, POLLIN) == 0) {
		far_take_near(loop);
		return 0;
	}
	if (watch->fd != -1)
		(void)close(watch->fd);
	watch->fd = -1;
	return -1;
}

/* Whether a watch that is to be set belongs with the far ones, and is there. */
static bool
far_add(struct loop *loop, struct watch *watch, short events)
{
	if (loop->far.watch.fd == -1 &&
	    (loop->watch_count < NEAR_MOST || far_open(loop) == -1))
		return false;
	return far_take(loop, watch, events) == 0;
}

/* Of one that is there this takes no memory, and cannot fail. */
static void
far_change(struct loop *loop, struct watch *watch, short events)
{
	struct epoll_event event = {
		.events = (unsigned short)events, .data.ptr = watch,
	};

	if (watch->events == events)
		return;
	watch->events = events;
	(void)epoll_ctl(loop->far.watch.fd, EPOLL_CTL_MOD, watch->fd, &event);
}

static void
far_unwatch(struct loop *loop, struct watch *watch)
{
	struct far *far = &loop->far;
	int i;

	(void)epoll_ctl(far->watch.fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->slot = 0;
	/* What it was to be called for is not its own any more. */
	for (i = far->next; i < far->count; i++)
		if (far->batch[i].data.ptr == watch)
			far->batch[i].data.ptr = NULL;
}

#endif

static void
late_watch(struct loop *loop, struct watch *watch, short events)
{
	watch->events = events;
	if (watch->slot == LATE)
		return;
	watch->slot = LATE;
	watch->previous = NULL;
	watch->next = loop->late;
	if (watch->next != NULL)
		watch->next->previous = watch;
	loop->late = watch;
}

static void
late_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->previous != NULL)
		watch->previous->next = watch->next;
	else
		loop->late = watch->next;
	if (watch->next != NULL)
		watch->next->previous = watch->previous;
	watch->slot = 0;
}

/* Those for which there was no memory; there may be now. */
static void
late_try_again(struct loop *loop)
{
	struct watch *watch = loop->late, *next;

	loop->late = NULL;
	for (; watch != NULL; watch = next) {
		next = watch->next;
		watch->slot = 0;
		loop_watch(loop, watch, watch->events);
	}
}

void
loop_watch(struct loop *loop, struct watch *watch, short events)
{
	if (watch->slot == LATE) {
		watch->events = events;
		return;
	}
#if SOCKCAT_LINUX
	if (watch->slot == FAR) {
		far_change(loop, watch, events);
		return;
	}
	if (watch->slot == 0 && far_add(loop, watch, events))
		return;
#endif
	if (near_watch(loop, watch, events) == -1)
		late_watch(loop, watch, events);
}

void
loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->slot == 0)
		return;
	if (watch->slot == LATE) {
		late_unwatch(loop, watch);
		return;
	}
#if SOCKCAT_LINUX
	if (watch->slot == FAR) {
		far_unwatch(loop, watch);
		return;
	}
#endif
	near_unwatch(loop, watch);
}

/*
 * One heap of two, either of which may be NULL: the later one becomes the
 * first child of the other. A first child's `previous` is its parent.
 */
static struct timer *
heap_merge(struct timer *a, struct timer *b)
{
	struct timer *first = a, *child = b;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if (b->when < a->when) {
		first = b;
		child = a;
	}
	child->previous = first;
	child->next = first->child;
	if (child->next != NULL)
		child->next->previous = child;
	first->child = child;
	first->next = first->previous = NULL;
	return first;
}

/* One heap of all siblings from `timer` on: in pairs, then those from behind. */
static struct timer *
heap_merge_all(struct timer *timer)
{
	struct timer *pairs = NULL, *whole = NULL;

	while (timer != NULL) {
		struct timer *second = timer->next;
		struct timer *rest = second != NULL ? second->next : NULL;
		struct timer *pair = heap_merge(timer, second);

		pair->next = pairs;
		pairs = pair;
		timer = rest;
	}
	while (pairs != NULL) {
		struct timer *rest = pairs->next;

		pairs->next = pairs->previous = NULL;
		whole = heap_merge(whole, pairs);
		pairs = rest;
	}
	return whole;
}

static void
timer_remove(struct loop *loop, struct timer *timer)
{
	struct timer *below = heap_merge_all(timer->child);

	timer->set = false;
	timer->child = NULL;
	if (timer == loop->timers) {
		loop->timers = below;
		return;
	}
	if (timer->previous->child == timer)
		timer->previous->child = timer->next;
	else
		timer->previous->next = timer->next;
	if (timer->next != NULL)
		timer->next->previous = timer->previous;
	loop->timers = heap_merge(loop->timers, below);
}

void
loop_timer(struct loop *loop, struct timer *timer, int64_t when)
{
	if (timer->set)
		timer_remove(loop, timer);
	if (when == NEVER)
		return;
	timer->when = when;
	timer->set = true;
	timer->child = timer->next = timer->previous = NULL;
	loop->timers = heap_merge(loop->timers, timer);
}

int
loop_signal(struct loop *loop, struct signal_watch *watch)
{
	struct sigaction action = { .sa_handler = signal_note };
	struct sigaction before;
	sigset_t block;

	if (sigaction(watch->signal, NULL, &before) == -1)
		return -1;
	if (before.sa_handler == SIG_IGN)
		return 0;	/* nohup, or a job in the background */
	sigemptyset(&block);
	sigaddset(&block, watch->signal);
	if (sigprocmask(SIG_BLOCK, &block, NULL) == -1 ||
	    sigaction(watch->signal, &action, NULL) == -1)
		return -1;
	sigdelset(&loop->waiting, watch->signal);
	watch->next = loop->signals;
	loop->signals = watch;
	return 0;
}

/* Whether a signal waits that somebody watches. */
static bool
signal_waits(const struct loop *loop)
{
	const struct signal_watch *watch;
	sigset_t pending;

	if (loop->signals == NULL || sigpending(&pending) == -1)
		return false;
	for (watch = loop->signals; watch != NULL; watch = watch->next)
		if (sigismember(&pending, watch->signal) == 1)
			return true;
	return false;
}

bool
loop_is_due(const struct loop *loop)
{
	return signal_waits(loop) ||
	    (loop->timers != NULL && loop->timers->when <= clock_now());
}

/*
 * Lets those through that wait: where a descriptor is ready ppoll(2) and
 * epoll_pwait(2) return without that, and it may always be.
 */
static void
take_signals(const struct loop *loop)
{
	sigset_t before;

	if (!signal_waits(loop))
		return;
	(void)sigprocmask(SIG_SETMASK, &loop->waiting, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

static void
run_signals(struct loop *loop)
{
	struct signal_watch *watch;

	take_signals(loop);
	for (watch = loop->signals; watch != NULL; watch = watch->next) {
		if (signal_caught[watch->signal] != 0) {
			signal_caught[watch->signal] = 0;
			watch->caught(watch);
		}
	}
}

static void
run_timers(struct loop *loop)
{
	int64_t now;

	if (loop->timers == NULL)
		return;
	now = clock_now();
	while (!loop->stopped && loop->timers != NULL &&
	       loop->timers->when <= now) {
		struct timer *timer = loop->timers;

		timer_remove(loop, timer);
		timer->expired(timer);
	}
}

static void
run_watches(struct loop *loop, int ready)
{
	size_t index = loop->watch_count;

	while (ready > 0 && index-- > 0 && !loop->stopped) {
		short events;

		if (index >= loop->watch_count)
			continue;	/* callbacks removed several */
		events = loop->polls[index].revents;
		if (events == 0)
			continue;
		loop->polls[index].revents = 0;
		loop->watches[index]->ready(loop->watches[index], events);
		ready--;
	}
}

/* How long to wait for the earliest timer; NULL: without end. */
static struct timespec *
wait_time(const struct loop *loop, struct timespec *time)
{
	int64_t left = LATE_PAUSE;

	if (loop->timers == NULL && loop->late == NULL)
		return NULL;
	if (loop->timers != NULL)
		left = loop->timers->when - clock_now();
	if (loop->late != NULL && left > LATE_PAUSE)
		left = LATE_PAUSE;
	if (left < 0)
		left = 0;
	time->tv_sec = (time_t)(left / SECOND);
	time->tv_nsec = (long)(left % SECOND);
	return time;
}

#if SOCKCAT_LINUX

/* Whether all but the epoll instance itself are far. */
static bool
all_are_far(const struct loop *loop)
{
	return loop->far.watch.fd != -1 && loop->watch_count == 1;
}

/* The same in milliseconds, as epoll_wait(2) takes it: not too early. */
static int
wait_milliseconds(const struct loop *loop)
{
	struct timespec time;

	if (wait_time(loop, &time) == NULL)
		return -1;
	if (time.tv_sec >= INT_MAX / 1000)
		return INT_MAX;
	return (int)time.tv_sec * 1000 +
	    (int)((time.tv_nsec + MILLISECOND - 1) / MILLISECOND);
}

/* One wait of epoll's, and whom it is for. 0, or -1 with errno. */
static int
wait_far(struct loop *loop)
{
	struct far *far = &loop->far;

	far->next = 0;
	far->count = epoll_pwait(far->watch.fd, far->batch, FAR_BATCH,
				 wait_milliseconds(loop),
				 loop->signals != NULL ? &loop->waiting : NULL);
	if (far->count == -1 && errno != EINTR)
		return -1;
	run_signals(loop);
	far_dispatch(loop);
	return 0;
}

#else

static bool
all_are_far(const struct loop *loop)
{
	(void)loop;
	return false;
}

static int
wait_far(struct loop *loop)
{
	(void)loop;
	return 0;
}

#endif

static int
wait_near(struct loop *loop)
{
	struct timespec time;
	int ready = ppoll(loop->polls, (nfds_t)loop->watch_count,
			  wait_time(loop, &time),
			  loop->signals != NULL ? &loop->waiting : NULL);

	if (ready == -1 && errno != EINTR && errno != EAGAIN)
		return -1;
	run_signals(loop);
	run_watches(loop, ready);
	return 0;
}

int
loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		/* Before waiting: what is due now costs no system call. */
		run_timers(loop);
		if (loop->stopped)
			break;
		late_try_again(loop);
		if (loop->watch_count == 0 && loop->late == NULL &&
		    loop->timers == NULL && loop->signals == NULL) {
			errno = EDEADLK;	/* nothing could ever happen */
			return -1;
		}
		if ((all_are_far(loop) ? wait_far(loop) :
		     wait_near(loop)) == -1)
			return -1;
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
