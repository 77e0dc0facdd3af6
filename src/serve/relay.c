/*
 * relay.c: bytes between two stream sockets, both ways
 *
 * Theory of operation. A relay has two sides and two lanes, each from one
 * side to the other. A lane that is done half-closes the side that it drains
 * into. One side may be gone while the other still has something to say: what
 * can be delivered is, and what comes for the side that is gone is read and
 * discarded meanwhile, because a peer that is stuck in writing would not read
 * either. When both lanes are over both sides linger. A side that broke is no
 * end of data: the other one, once it has all that came before, is reset, so
 * that half of an answer cannot be taken for the whole.
 *
 * Every event leads to relay_step(), as in session.c.
 */
#include "serve/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "cli/options.h"
#include "io/lane.h"
#include "net/channel.h"
#include "net/linger.h"

enum { REMOTE, LOCAL, SIDES };

struct side {
	struct relay *relay;
	const char *name;
	struct channel channel;
	struct watch watch;
	struct lane lane;	/* from here to the other side */
	struct lingering linger;
	bool half_closed;	/* nothing more is sent to this side */
	bool deaf;		/* it takes nothing more */
	bool hung_up;		/* and says nothing more */
	bool told;		/* that it broke */
	bool resets;		/* the other one did, or not all came: no end */
	bool lingering;
};

struct relay {
	const struct options *options;
	struct loop *loop;
	struct side sides[SIDES];
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;
	struct outcome outcome;
	bool over;		/* the lanes are */

	int64_t idle_limit, last_moved;
	uint64_t moved_then;
	int64_t quit_after;	/* the local side's end */
	struct timer idle;
	struct timer quit;	/* -q, --peer-quit */
	struct timer finish;	/* calls `ended` from the loop */
};

static struct side *
other_side(struct side *side)
{
	return &side->relay->sides[side == side->relay->sides];
}

static void
relay_fail(struct relay *relay, enum cause cause)
{
	if (relay->outcome.status == 0)
		relay->outcome = outcome_of(cause);
}

/* Bytes on their way to `side`. */
static uint64_t
side_unsent(struct side *side)
{
	uint64_t queued = linger_unacknowledged(&side->linger);

	if (queued > 0 && side->half_closed)
		queued--;	/* the half-close itself */
	return store_held(&other_side(side)->lane.store) + queued;
}

/* The connection to `side` broke; what was lost with it is told. */
static void
side_broke(struct side *side, int error)
{
	uint64_t lost = side_unsent(side);

	if (side->told)
		return;
	side->told = true;
	if (lost > 0)
		diag_error("connection to %s broke: %s (%" PRIu64
			   " bytes not sent)", side->name,
			   diag_strerror(error), lost);
	else
		diag_error("connection to %s broke: %s", side->name,
			   diag_strerror(error));
	relay_fail(side->relay, cause_of_errno(error));
}

static void
side_half_close(struct side *side)
{
	const struct options *options = side->relay->options;

	if (side->half_closed)
		return;
	side->half_closed = true;
	/* --no-shutdown is meant for the remote side alone. */
	if (!options->no_shutdown || side == side->relay->sides + LOCAL ||
	    side->relay->over)
		(void)shutdown(side->channel.fd, SHUT_WR);
}

/* Nothing that is sent to `side` will arrive. */
static void
side_gone(struct side *side)
{
	struct lane *lane = &other_side(side)->lane;

	side->deaf = true;
	if (store_held(&lane->store) > 0)
		side_broke(side, EPIPE);
	lane_abandon(lane);
}

/* Asks the socket itself whether the connection broke. */
static void
side_hung_up(struct side *side)
{
	int error = 0;
	socklen_t length = sizeof(error);

	side->hung_up = true;
	if (!lane_over(&side->lane))
		return;		/* it goes on once all that came is moved */
	(void)getsockopt(side->channel.fd, SOL_SOCKET, SO_ERROR, &error,
			 &length);
	if (error != 0)
		side_broke(side, error);
	side_gone(side);
}

/* -q after the end of the local side, --peer-quit after the remote one's. */
static void
relay_quit_after(struct relay *relay, const struct side *ended)
{
	int64_t time = ended == &relay->sides[REMOTE] ?
	    relay->options->peer_quit : relay->quit_after;

	if (time < NEVER - 1 && !relay->quit.set)
		loop_timer(relay->loop, &relay->quit, clock_after(time));
}

/* What the state of the lane that starts at `side` means. */
static void
side_settle(struct side *side)
{
	struct side *other = other_side(side);

	switch (side->lane.state) {
	case LANE_SOURCE_FAILED:
		side_broke(side, side->lane.error);
		side->hung_up = true;
		other->resets = true;
		if (!side->deaf)
			side_gone(side);
		return;
	case LANE_DRAIN_FAILED:
		if (!other->deaf) {
			side_broke(other, side->lane.error);
			other->deaf = true;
		}
		store_discard(&side->lane.store);
		return;
	case LANE_DONE:
		if (other->half_closed || other->deaf)
			break;
		relay_quit_after(side->relay, side);
		if (side->hung_up)
			side_hung_up(side);
		break;
	case LANE_INPUT: case LANE_ROOM: case LANE_PAUSE:
		return;
	}
	side_half_close(other);
}

/* Whether what comes from `side` is read only to be discarded. */
static bool
side_discards(struct side *side)
{
	return lane_over(&side->lane) && other_side(side)->deaf &&
	    !side->hung_up && !side->linger.no_more;
}

static void
side_watch(struct side *side)
{
	struct loop *loop = side->relay->loop;
	short events = 0;

	if (side->lane.state == LANE_INPUT || side_discards(side))
		events |= POLLIN;
	if (other_side(side)->lane.state == LANE_ROOM)
		events |= POLLOUT;
	/* With no events a hang-up is reported all the same: once. */
	if (events != 0 || !side->hung_up)
		loop_watch(loop, &side->watch, events);
	else
		loop_unwatch(loop, &side->watch);
}

static void
relay_note_moved(struct relay *relay)
{
	uint64_t moved = 0;
	size_t i;

	if (relay->idle_limit == NEVER)
		return;
	for (i = 0; i < SIDES; i++)
		moved += relay->sides[i].lane.read +
		    relay->sides[i].lane.written -
		    linger_unacknowledged(&relay->sides[i].linger);
	if (moved == relay->moved_then)
		return;
	relay->moved_then = moved;
	relay->last_moved = clock_now();
}

static void
relay_finish_if_over(struct relay *relay)
{
	if (!relay->sides[REMOTE].lingering && !relay->sides[LOCAL].lingering)
		loop_timer(relay->loop, &relay->finish, 0);
}

static void
linger_ended(struct lingering *linger, enum linger_end end, int error)
{
	struct side *side = container_of(linger, struct side, linger);

	side->lingering = false;
	if (end == LINGER_BROKE)
		side_broke(side, error);
	relay_finish_if_over(side->relay);
}

/* Both lanes are over: half-close, and wait for the acknowledgements. */
static void
relay_linger(struct relay *relay)
{
	size_t i;

	relay->over = true;
	loop_timer(relay->loop, &relay->quit, NEVER);
	for (i = 0; i < SIDES; i++) {
		loop_unwatch(relay->loop, &relay->sides[i].watch);
		relay->sides[i].lingering = true;
	}
	for (i = 0; i < SIDES; i++) {
		struct side *side = &relay->sides[i];

		if (!side->resets)
			(void)shutdown(side->channel.fd, SHUT_WR);
		side->half_closed = !side->resets;
		/* Of one that broke nothing will be acknowledged. */
		linger_start(&side->linger, side->hung_up ||
			     side->lane.state == LANE_DONE,
			     side->told || side->deaf ? 0 : NEVER);
	}
}

static void
relay_step(struct relay *relay)
{
	if (relay->over)
		return;
	relay_note_moved(relay);
	side_settle(&relay->sides[REMOTE]);
	side_settle(&relay->sides[LOCAL]);
	/* The end of one direction may have ended the other. */
	side_settle(&relay->sides[REMOTE]);
	if (lane_over(&relay->sides[REMOTE].lane) &&
	    lane_over(&relay->sides[LOCAL].lane)) {
		relay_linger(relay);
		return;
	}
	side_watch(&relay->sides[REMOTE]);
	side_watch(&relay->sides[LOCAL]);
}

static void
side_ready(struct watch *watch, short events)
{
	struct side *side = container_of(watch, struct side, watch);
	struct lane *out = &side->lane, *in = &other_side(side)->lane;
	const short gone = POLLERR | POLLHUP | POLLNVAL;
	bool wanted = in->state == LANE_ROOM;

	if (out->state == LANE_INPUT && (events & (POLLIN | gone)) != 0) {
		lane_run(out);
		side->hung_up = side->hung_up || (events & gone) != 0;
	} else if (side_discards(side) && (events & POLLIN) != 0) {
		side->hung_up = linger_discard(&side->linger) != 0 ||
		    side->linger.no_more;
	} else if (!wanted && (events & gone) != 0) {
		side_hung_up(side);
	}
	if (wanted && (events & (POLLOUT | gone)) != 0)
		lane_run(in);
	relay_step(side->relay);
}

/* Ends at once, whatever is still under way. */
static void
relay_cut(struct relay *relay)
{
	size_t i;

	for (i = 0; i < SIDES; i++)
		lane_abandon(&relay->sides[i].lane);
	relay_step(relay);
}

/*
 * What has come and does not go on to the remote side any more is told, and is
 * no clean end. A local side need not take everything: programs often do not.
 */
static void
relay_tell_cut(struct relay *relay)
{
	struct side *remote = &relay->sides[REMOTE];
	struct side *local = &relay->sides[LOCAL];

	if (lane_over(&local->lane) || remote->told ||
	    (local->lane.state != LANE_ROOM &&
	     store_held(&local->lane.store) == 0))
		return;
	diag_error("time to quit: not all that %s sent has reached %s",
		   local->name, remote->name);
	remote->told = remote->resets = true;
	relay_fail(relay, CAUSE_TIMED_OUT);
}

static void
quit_expired(struct timer *timer)
{
	struct relay *relay = container_of(timer, struct relay, quit);

	relay_tell_cut(relay);
	relay_cut(relay);
}

/* Tells what does not arrive any more; returns whether there is any. */
static bool
relay_tell_undelivered(struct relay *relay, const char *limit)
{
	struct side *remote = &relay->sides[REMOTE];
	struct side *local = &relay->sides[LOCAL];
	uint64_t to_remote = side_unsent(remote), to_local = side_unsent(local);

	if (to_remote == 0 && to_local == 0)
		return false;
	diag_error("%s: %" PRIu64 " bytes to %s and %" PRIu64 " bytes to %s "
		   "not acknowledged", limit, to_remote, remote->name,
		   to_local, local->name);
	relay_fail(relay, CAUSE_TIMED_OUT);
	return true;
}

static void
idle_expired(struct timer *timer)
{
	struct relay *relay = container_of(timer, struct relay, idle);
	bool quiet = relay->idle_limit == relay->options->idle_quiet;
	size_t i;

	relay_note_moved(relay);
	if (relay->last_moved + relay->idle_limit > clock_now()) {
		loop_timer(relay->loop, timer,
			   relay->last_moved + relay->idle_limit);
		return;
	}
	if (!relay_tell_undelivered(relay, quiet ? "idle time (-w) ran out" :
				    "--idle-timeout ran out") && !quiet) {
		diag_error("nothing moved between %s and %s for the "
			   "--idle-timeout", relay->sides[REMOTE].name,
			   relay->sides[LOCAL].name);
		relay_fail(relay, CAUSE_TIMED_OUT);
	}
	relay->over = true;
	for (i = 0; i < SIDES; i++) {
		loop_unwatch(relay->loop, &relay->sides[i].watch);
		linger_stop(&relay->sides[i].linger);
	}
	loop_timer(relay->loop, &relay->finish, 0);
}

static void
finish_expired(struct timer *timer)
{
	struct relay *relay = container_of(timer, struct relay, finish);

	relay->ended(relay->owner, relay->outcome);
}

static int
side_open(struct side *side, struct relay *relay, const struct relay_end *end,
	  bool crlf)
{
	const struct options *options = relay->options;
	const struct store_request store = {
		.choice = options->store, .size = options->block_size,
		.bytes = crlf, .filter = crlf,
	};

	side->watch = (struct watch){ .fd = end->fd, .ready = side_ready };
	linger_open(&side->linger, relay->loop, end->fd, end->family);
	side->linger.ended = linger_ended;
	side->lane.source = &side->channel;
	side->lane.drain = &other_side(side)->channel;
	if (store_open(&side->lane.store, &store) == -1)
		return -1;
	side->lane.store.filter.crlf = crlf;
	side->lane.state = LANE_INPUT;
	loop_watch(relay->loop, &side->watch, POLLIN);
	return 0;
}

/* -w or --idle-timeout, the shorter of them. */
static void
relay_open_timers(struct relay *relay)
{
	const struct options *options = relay->options;

	relay->idle.expired = idle_expired;
	relay->quit.expired = quit_expired;
	relay->finish.expired = finish_expired;
	relay->idle_limit = options->idle_quiet < options->idle_timeout ?
	    options->idle_quiet : options->idle_timeout;
	if (relay->idle_limit == NEVER)
		return;
	relay->last_moved = clock_now();
	loop_timer(relay->loop, &relay->idle, clock_after(relay->idle_limit));
}

struct relay *
relay_start(struct loop *loop, const struct relay_request *request)
{
	const struct relay_end *ends[] = { &request->remote, &request->local };
	struct relay *relay = calloc(1, sizeof(*relay));
	size_t i;

	if (relay == NULL) {
		(void)close(request->remote.fd);
		(void)close(request->local.fd);
		return NULL;
	}
	relay->options = request->options;
	relay->loop = loop;
	relay->quit_after = request->grace != 0 ? request->grace :
	    request->options->quit_after;
	relay->ended = request->ended;
	relay->owner = request->owner;
	for (i = 0; i < SIDES; i++) {
		relay->sides[i].relay = relay;
		relay->sides[i].name = ends[i]->name;
		channel_socket(&relay->sides[i].channel, ends[i]->fd);
	}
	if (side_open(&relay->sides[REMOTE], relay, ends[REMOTE],
		      false) == -1 ||
	    side_open(&relay->sides[LOCAL], relay, ends[LOCAL],
		      request->options->crlf) == -1) {
		relay_free(relay);
		errno = ENOMEM;
		return NULL;
	}
	relay_open_timers(relay);
	return relay;
}

struct outcome
relay_expire(struct relay *relay, const char *limit)
{
	if (!relay_tell_undelivered(relay, limit))
		diag_error("%s", limit);
	relay_fail(relay, CAUSE_TIMED_OUT);
	return relay->outcome;
}

/* Closes it: with a reset where that is due. */
static void
side_close(struct side *side)
{
	if (side->resets)
		linger_reset(side->channel.fd);
	(void)close(side->channel.fd);
}

void
relay_free(struct relay *relay)
{
	size_t i;

	if (relay == NULL)
		return;
	for (i = 0; i < SIDES; i++) {
		struct side *side = &relay->sides[i];

		loop_unwatch(relay->loop, &side->watch);
		if (side->linger.loop != NULL)
			linger_stop(&side->linger);
		store_close(&side->lane.store);
		side_close(side);
	}
	loop_timer(relay->loop, &relay->idle, NEVER);
	loop_timer(relay->loop, &relay->quit, NEVER);
	loop_timer(relay->loop, &relay->finish, NEVER);
	free(relay);
}
