/*
 * loop.c: the one event loop
 *
 * Theory of operation. Watches stand in two parallel arrays, one of them
 * being what poll(2) takes, so that changing an interest costs no system
 * call and waiting costs one. Timers stand in a binary heap. Signals that
 * somebody watches are blocked except while ppoll(2) waits, so a handler
 * (which only sets a flag) can never run between looking at the flag and
 * going to sleep.
 *
 * A callback may remove any watch. Removing one moves the last watch into
 * its place; because the arrays are walked from the end and an entry's
 * events are cleared before its callback runs, no watch is called for events
 * that are not its own and none is called twice.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "compat.h"

struct loop {
	struct pollfd *polls;
	struct watch **watches;
	size_t watch_count, watch_room;

	struct timer **timers;	/* a heap: the earliest first */
	size_t timer_count, timer_room;

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
	return loop;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	free(loop->polls);
	free(loop->watches);
	free(loop->timers);
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

int
loop_watch(struct loop *loop, struct watch *watch, short events)
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

void
loop_unwatch(struct loop *loop, struct watch *watch)
{
	size_t hole, last;

	if (watch->slot == 0)
		return;
	hole = watch->slot - 1;
	last = --loop->watch_count;
	if (hole != last) {
		loop->polls[hole] = loop->polls[last];
		loop->watches[hole] = loop->watches[last];
		loop->watches[hole]->slot = hole + 1;
	}
	watch->slot = 0;
}

static void
heap_place(struct loop *loop, size_t index, struct timer *timer)
{
	loop->timers[index] = timer;
	timer->slot = index + 1;
}

/* Moves the timer at `index` to where its time belongs. */
static void
heap_sift(struct loop *loop, size_t index)
{
	struct timer *timer = loop->timers[index];
	size_t child;

	while (index > 0 && timer->when < loop->timers[(index - 1) / 2]->when) {
		heap_place(loop, index, loop->timers[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	while ((child = 2 * index + 1) < loop->timer_count) {
		if (child + 1 < loop->timer_count &&
		    loop->timers[child + 1]->when < loop->timers[child]->when)
			child++;
		if (timer->when <= loop->timers[child]->when)
			break;
		heap_place(loop, index, loop->timers[child]);
		index = child;
	}
	heap_place(loop, index, timer);
}

static void
timer_remove(struct loop *loop, struct timer *timer)
{
	size_t hole = timer->slot - 1;
	size_t last = --loop->timer_count;

	timer->slot = 0;
	if (hole != last) {
		loop->timers[hole] = loop->timers[last];
		heap_sift(loop, hole);
	}
}

int
loop_timer(struct loop *loop, struct timer *timer, int64_t when)
{
	if (when == NEVER) {
		if (timer->slot != 0)
			timer_remove(loop, timer);
		return 0;
	}
	if (timer->slot == 0) {
		if (loop->timer_count == loop->timer_room) {
			size_t room = loop->timer_room + 8 + loop->timer_room;
			struct timer **timers = realloc(
			    loop->timers, room * sizeof(struct timer *));

			if (timers == NULL)
				return -1;
			loop->timers = timers;
			loop->timer_room = room;
		}
		loop->timers[loop->timer_count] = timer;
		timer->slot = ++loop->timer_count;
	}
	timer->when = when;
	heap_sift(loop, timer->slot - 1);
	return 0;
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

static void
run_signals(struct loop *loop)
{
	struct signal_watch *watch;

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

	if (loop->timer_count == 0)
		return;
	now = clock_now();
	while (!loop->stopped && loop->timer_count > 0 &&
	       loop->timers[0]->when <= now) {
		struct timer *timer = loop->timers[0];

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
	int64_t left;

	if (loop->timer_count == 0)
		return NULL;
	left = loop->timers[0]->when - clock_now();
	if (left < 0)
		left = 0;
	time->tv_sec = (time_t)(left / SECOND);
	time->tv_nsec = (long)(left % SECOND);
	return time;
}

int
loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		struct timespec time;
		int ready;

		/* Before waiting: what is due now costs no system call. */
		run_timers(loop);
		if (loop->stopped)
			break;
		if (loop->watch_count == 0 && loop->timer_count == 0) {
			errno = EDEADLK;	/* nothing could ever happen */
			return -1;
		}
		ready = ppoll(loop->polls, (nfds_t)loop->watch_count,
			      wait_time(loop, &time),
			      loop->signals != NULL ? &loop->waiting : NULL);
		if (ready == -1 && errno != EINTR && errno != EAGAIN)
			return -1;
		run_signals(loop);
		run_watches(loop, ready);
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
