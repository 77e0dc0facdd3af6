/*
 * linger.c: waiting for the acknowledgements before a socket is closed
 *
 * No event tells that the send queue is empty, so it is looked at: often at
 * first, because over a fast network that is soon, then more seldom.
 */
#include "net/linger.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/compat.h"

#define LOOK_FIRST (1 * MILLISECOND)
#define LOOK_LAST (50 * MILLISECOND)

/* How long a peer may acknowledge nothing, where it is given a grace. */
#define STALL_LIMIT (60 * SECOND)

/* Bytes to discard at once, and how often before looking at the queue. */
#define DISCARD_SIZE 16384
#define DISCARD_TURNS 64

static void linger_look(struct lingering *linger);

static void
linger_ready(struct watch *watch, short events)
{
	(void)events;
	linger_look(container_of(watch, struct lingering, watch));
}

static void
linger_expired(struct timer *timer)
{
	linger_look(container_of(timer, struct lingering, timer));
}

void
linger_reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void
linger_open(struct lingering *linger, struct loop *loop, int fd, int family)
{
	linger->loop = loop;
	linger->fd = fd;
	linger->acknowledges = family != AF_UNIX;
	linger->look = LOOK_FIRST;
	linger->grace = 0;
	linger->error = 0;
	linger->watch = (struct watch){ .fd = fd, .ready = linger_ready };
	linger->timer = (struct timer){ .expired = linger_expired };
}

uint64_t
linger_unacknowledged(const struct lingering *linger)
{
	int queued = 0;

	/* SIOCOUTQ has the same number as TIOCOUTQ, which libc knows. */
	if (!linger->acknowledges ||
	    ioctl(linger->fd, TIOCOUTQ, &queued) == -1 || queued < 0)
		return 0;
	return (uint64_t)queued;
}

int
linger_discard(struct lingering *linger)
{
	char discarded[DISCARD_SIZE];
	unsigned turn;

	for (turn = 0; turn < DISCARD_TURNS; turn++) {
		ssize_t got = recv(linger->fd, discarded, sizeof(discarded),
				   MSG_DONTWAIT);

		if (got > 0)
			continue;
		if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK ||
				  errno == EINTR))
			return 0;
		linger->no_more = true;
		loop_unwatch(linger->loop, &linger->watch);
		linger->error = got == -1 ? errno : 0;
		return linger->error;
	}
	return 0;
}

/*
 * After the peer's end reading does not tell of a reset: the socket does, but
 * only once, so that what reading told is remembered. A program that had the
 * socket may have been told instead of us; but what is connected to nobody
 * any more will not be acknowledged, if the queue still counts it: the last
 * acknowledgement ends a connection, too.
 */
static int
linger_error(const struct lingering *linger)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	int error = 0;
	socklen_t length = sizeof(error);

	if (linger->error != 0)
		return linger->error;
	(void)getsockopt(linger->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error == 0 && getpeername(linger->fd, (struct sockaddr *)&peer,
				      &size) == -1 && errno == ENOTCONN &&
	    linger_unacknowledged(linger) > 0)
		error = ECONNRESET;
	return error;
}

static void
linger_end(struct lingering *linger, enum linger_end end, int error)
{
	linger_stop(linger);
	linger->ended(linger, end, error);
}

/* When to stop waiting, the peer's acknowledgements being what they are. */
static int64_t
linger_patience(struct lingering *linger, uint64_t queued)
{
	int64_t patience = queued == 0 ? linger->grace : STALL_LIMIT;

	if (linger->grace == 0)
		return linger->until;
	if (queued != linger->queued) {
		linger->queued = queued;
		linger->moved = clock_now();
	}
	return linger->moved + patience < linger->until ?
	    linger->moved + patience : linger->until;
}

/* Looks whether all has arrived, or it is time to stop waiting for that. */
static void
linger_look(struct lingering *linger)
{
	int error = linger->no_more ? 0 : linger_discard(linger);
	uint64_t queued = linger_unacknowledged(linger);
	int64_t until = linger_patience(linger, queued), next = until;
	bool all = queued == 0;

	if (error == 0 && !all && linger->no_more)
		error = linger_error(linger);
	/* Who had everything may well reset what we did not want to hear. */
	if (error != 0 && !(all && linger->grace > 0)) {
		linger_end(linger, LINGER_BROKE, error);
		return;
	}
	if ((all && (linger->grace == 0 || linger->no_more)) ||
	    clock_now() >= until) {
		linger_end(linger, all ? LINGER_ACKNOWLEDGED :
			   LINGER_TIMED_OUT, 0);
		return;
	}
	/* The peer's end is an event; an acknowledgement is none. */
	if (!all) {
		next = clock_after(linger->look);
		if (linger->look < LOOK_LAST)
			linger->look *= 2;
	}
	loop_timer(linger->loop, &linger->timer,
		   next < until ? next : until);
}

void
linger_start(struct lingering *linger, bool no_more, int64_t until)
{
	linger->no_more = no_more;
	linger->until = until;
	linger->queued = UINT64_MAX;	/* not looked at yet */
	if (!no_more)
		loop_watch(linger->loop, &linger->watch, POLLIN);
	linger_look(linger);
}

void
linger_stop(struct lingering *linger)
{
	loop_unwatch(linger->loop, &linger->watch);
	loop_timer(linger->loop, &linger->timer, NEVER);
}
