/*
 * session.c: one connection and its local side
 *
 * Theory of operation. A session is two lanes: `up` from the local input to
 * the socket, `down` from the socket to the local output. Each ends by
 * itself: the end of input half-closes the socket, the end of what the peer
 * sends closes the output, and when both are over the session lingers until
 * the peer has acknowledged everything, and ends.
 *
 * Whatever else ends a session (a time limit, -q, -W, a full disk, a reader
 * that went away) first cuts the input, lets `up` send what it holds,
 * half-closes, and lingers: it reads and discards, because closing a socket
 * with unread input would make the kernel reset the connection and throw its
 * send queue away (RFC 1122, 4.2.2.13).
 *
 * Every event leads to session_step(): run the lanes, see what their states
 * mean, and tell the loop what is waited for now. A descriptor that is
 * finished is never watched again.
 */
#include "serve/session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "cli/options.h"
#include "io/lane.h"
#include "net/channel.h"
#include "net/linger.h"

/* How long to linger where the user waits for the end, not for the peer. */
#define LINGER_BOUND (2 * SECOND)

/*
 * A client with nothing to say takes so much silence for the peer's waiting
 * for it. Many listeners stop sending when the end of data comes, so it is not
 * to come before.
 */
#define NOTHING_TO_SAY (1 * SECOND)

/* How often a job in the background looks whether it is in front now. */
#define FOREGROUND_LOOK (500 * MILLISECOND)

enum phase {
	PHASE_OPEN,		/* data flows */
	PHASE_LINGER,		/* half-closed; what comes is discarded */
	PHASE_OVER,		/* `ended` is about to be called */
};

struct session {
	const struct options *options;
	struct loop *loop;
	struct address peer;
	bool accepted;
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;

	struct channel input, output, socket;
	struct watch input_watch, output_watch, socket_watch;
	struct lane up, down;
	struct telnet telnet;

	enum phase phase;
	struct outcome outcome;	/* the first failure; else status 0 */
	bool half_closed;	/* the socket's sending side is shut down */
	bool defer_end;		/* nothing to say: end after the peer's end, */
	struct timer silence;	/* or, of a client, after NOTHING_TO_SAY */
	bool output_closed;
	bool hung_up;		/* the socket reported a hang-up or an error */
	bool bounded;		/* lingers for LINGER_BOUND at most */
	bool quit_started;	/* -q's time is running */
	bool quitting;		/* what comes is discarded from now on */

	struct timer idle;	/* -w, --idle-timeout; NEVER without */
	int64_t idle_limit;
	int64_t last_moved;	/* when a byte last moved */
	uint64_t moved_then;	/* how many had by then */
	struct timer quit;	/* -q, --peer-quit */
	struct timer pause;	/* -i */
	struct timer foreground;
	struct timer bound;	/* what is bounded must be over then */
	struct timer finish;	/* calls `ended` from the loop */
	struct lingering linger;
	int64_t linger_until;
};

static void session_step(struct session *session);

/* The first failure decides; later ones are its consequences. */
static void
session_fail(struct session *session, struct outcome outcome)
{
	if (session->outcome.status == 0 && session->outcome.signal == 0)
		session->outcome = outcome;
}

static bool
session_failed(const struct session *session)
{
	return session->outcome.status != 0 || session->outcome.signal != 0;
}

/* Bytes read from the input that the peer does not have for certain. */
static uint64_t
session_unsent(const struct session *session)
{
	uint64_t queued = linger_unacknowledged(&session->linger);

	/* The half-close stands in the queue, too, as if it were a byte. */
	if (queued > 0 && session->half_closed)
		queued--;
	return store_held(&session->up.store) + queued;
}

/* Remembers when bytes last moved, where somebody wants to know. */
static void
session_note_moved(struct session *session)
{
	uint64_t moved;

	if (session->idle_limit == NEVER && !session->defer_end)
		return;
	moved = session->up.read + session->up.written + session->down.read +
	    session->down.written - linger_unacknowledged(&session->linger);
	if (moved == session->moved_then)
		return;
	session->moved_then = moved;
	session->last_moved = clock_now();
}

static const char *
session_name(const struct session *session, char *text)
{
	address_text(&session->peer, text);
	return text[0] != '\0' ? text : "peer";
}

/* The connection broke, says `error`; how much was lost with it is told. */
static void
session_broke(struct session *session, int error)
{
	char name[ADDRESS_TEXT];
	uint64_t lost = session_unsent(session);

	session->linger_until = 0;	/* nothing will be acknowledged now */
	if (session_failed(session))
		return;
	if (lost > 0)
		diag_error("connection to %s broke: %s (%" PRIu64
			   " bytes not sent)", session_name(session, name),
			   diag_strerror(error), lost);
	else
		diag_error("connection to %s broke: %s",
			   session_name(session, name), diag_strerror(error));
	session_fail(session, outcome_of(cause_of_errno(error)));
}

/* Asks the socket itself whether the connection broke. */
static void
session_broke_if_so(struct session *session)
{
	int error = 0;
	socklen_t length = sizeof(error);

	(void)getsockopt(session->socket.fd, SOL_SOCKET, SO_ERROR, &error,
			 &length);
	if (error != 0)
		session_broke(session, error);
}

/* The peer is not there any more: what is for it goes nowhere. */
static void
session_gone(struct session *session)
{
	session_broke_if_so(session);
	/* A Unix socket whose peer read all that was sent has no error. */
	if (store_held(&session->up.store) > 0)
		session_broke(session, EPIPE);
	lane_abandon(&session->up);
}

/* The local output takes no more, says `error`. */
static void
session_output_failed(struct session *session, int error)
{
	struct sigaction action;

	if (error == EPIPE &&
	    sigaction(SIGPIPE, NULL, &action) == 0 &&
	    action.sa_handler != SIG_IGN) {
		/* The reader has gone: end as cat would. */
		session_fail(session, (struct outcome){ .signal = SIGPIPE });
		return;
	}
	if (!session_failed(session))
		diag_error("write to standard output failed: %s",
			   diag_strerror(error));
	session_fail(session, outcome_of(CAUSE_LOCAL));
}

static void
session_half_close(struct session *session)
{
	if (session->half_closed)
		return;
	session->half_closed = true;
	(void)shutdown(session->socket.fd, SHUT_WR);
}

/* Nothing more is read from the local input. */
static void
session_cut_input(struct session *session)
{
	lane_cut(&session->up);
	loop_timer(session->loop, &session->pause, NEVER);
	if (session->up.state == LANE_PAUSE)
		session->up.state = LANE_ROOM;
	session->up.by_line = false;
}

/*
 * Ends the session early: what was read is still sent, what comes is
 * discarded. With `bounded` for LINGER_BOUND at the most.
 */
static void
session_quit(struct session *session, bool bounded)
{
	session_cut_input(session);
	lane_cut(&session->down);
	session->defer_end = false;
	session->quitting = true;
	if (bounded && !session->bounded) {
		session->bounded = true;
		session->linger_until = clock_after(LINGER_BOUND);
		loop_timer(session->loop, &session->bound,
			   session->linger_until);
	}
}

static void
session_over(struct session *session)
{
	session->phase = PHASE_OVER;
	linger_stop(&session->linger);
	loop_unwatch(session->loop, &session->input_watch);
	loop_unwatch(session->loop, &session->output_watch);
	loop_unwatch(session->loop, &session->socket_watch);
	/* From the loop: the caller may free us, and may be our own caller. */
	loop_timer(session->loop, &session->finish, 0);
}

/* Bytes that came and were not written, the kernel's included. */
static uint64_t
session_unwritten(const struct session *session)
{
	int waiting = 0;

	if (session->down.state != LANE_ROOM ||
	    ioctl(session->socket.fd, FIONREAD, &waiting) == -1 ||
	    waiting < 0)
		waiting = 0;
	return store_held(&session->down.store) + (uint64_t)waiting;
}

/*
 * Time is up for what `limit` names: tells what was not delivered, which is a
 * failure. Returns whether there was anything.
 */
static bool
session_tell_undelivered(struct session *session, const char *limit)
{
	uint64_t unsent = session_unsent(session);
	uint64_t unwritten = session_unwritten(session);
	/* Where bytes go straight through, no store holds them. */
	bool unread = session->up.state == LANE_ROOM;
	char name[ADDRESS_TEXT];

	if (unsent == 0 && unwritten == 0 && !unread)
		return false;
	session->linger_until = 0;	/* it will not be now */
	if (!session_failed(session))
		diag_error("%s: %" PRIu64 " bytes to %s not acknowledged%s, %"
			   PRIu64 " bytes not written to standard output",
			   limit, unsent, session_name(session, name),
			   unread ? " and more input not sent" : "",
			   unwritten);
	session_fail(session, outcome_of(CAUSE_TIMED_OUT));
	return true;
}

/* Ends at once; what is still undelivered is told. */
static void
session_give_up(struct session *session, const char *limit)
{
	(void)session_tell_undelivered(session, limit);
	session_over(session);
}

/* Both lanes are over: half-close, then wait for the acknowledgements. */
static void
session_linger(struct session *session)
{
	if (session->phase != PHASE_OPEN)
		return;
	session->phase = PHASE_LINGER;
	loop_unwatch(session->loop, &session->input_watch);
	loop_unwatch(session->loop, &session->output_watch);
	loop_timer(session->loop, &session->quit, NEVER);
	loop_timer(session->loop, &session->foreground, NEVER);
	loop_timer(session->loop, &session->silence, NEVER);
	if (!session->options->no_shutdown)
		session_half_close(session);
	loop_unwatch(session->loop, &session->socket_watch);
	loop_timer(session->loop, &session->bound, NEVER);
	linger_start(&session->linger, session->hung_up,
		     session->linger_until);
}

static void
linger_ended(struct lingering *linger, enum linger_end end, int error)
{
	struct session *session = container_of(linger, struct session,
					       linger);

	if (end == LINGER_BROKE)
		session_broke(session, error);
	if (end == LINGER_TIMED_OUT)
		session_give_up(session, "time to linger ran out");
	else
		session_over(session);
}

/* Ends the session after `time`, or sooner if so asked before. */
static void
session_quit_after(struct session *session, int64_t time)
{
	int64_t when = clock_after(time);

	if (!session->quit.set || when < session->quit.when)
		loop_timer(session->loop, &session->quit, when);
}

/* The end of local input has been sent on. */
static void
session_input_ended(struct session *session)
{
	const struct options *options = session->options;

	if (session->up.state == LANE_SOURCE_FAILED) {
		if (!session_failed(session))
			diag_error("read from standard input failed: %s",
				   diag_strerror(session->up.error));
		session_fail(session, outcome_of(CAUSE_LOCAL));
	}
	if (options->no_shutdown || session->defer_end ||
	    options->recv_only)
		return;
	session_half_close(session);
}

/* The peer has ended its direction and all of it was written out. */
static void
session_peer_ended(struct session *session)
{
	const struct options *options = session->options;

	session->defer_end = false;
	if (session->hung_up)
		session_gone(session);	/* while the output was slow */
	if (options->recv_only || options->peer_quit == 0 ||
	    session->input.kind == CHANNEL_TERMINAL) {
		session_quit(session, true);
		return;
	}
	if (options->peer_quit != NEVER)
		session_quit_after(session, options->peer_quit);
}

/* Closes the local output: a pipeline behind us sees the end. */
static void
session_close_output(struct session *session)
{
	if (session->output_closed)
		return;
	session->output_closed = true;
	loop_unwatch(session->loop, &session->output_watch);
	if (channel_close(&session->output) == -1 && errno != EBADF)
		session_output_failed(session, errno);
}

/*
 * Sends answers to telnet options, between two pieces of what `up` sends.
 * Until they are gone nothing more is received, so that a peer that asks
 * without end and never reads costs no memory.
 */
static void
session_answer_telnet(struct session *session)
{
	struct telnet *telnet = &session->telnet;
	size_t put;

	if (telnet->answer_length == 0)
		return;
	if (session->half_closed ||
	    session->up.state == LANE_DRAIN_FAILED) {
		telnet->answer_length = 0;	/* nobody is to hear them */
		return;
	}
	switch (channel_write(&session->socket, telnet->answers,
			      telnet->answer_length, &put)) {
	case MOVED:
		break;
	case FAIL:
		session_broke(session, errno);
		telnet->answer_length = 0;
		return;
	case AGAIN:
	case END:
		return;
	}
	telnet->answer_length -= put;
	memmove(telnet->answers, telnet->answers + put,
		telnet->answer_length);
}

/* What the states of the lanes mean for the session. */
static void
session_settle_down(struct session *session)
{
	switch (session->down.state) {
	case LANE_SOURCE_FAILED:
		session_broke(session, session->down.error);
		lane_abandon(&session->up);
		session->hung_up = true;
		session_close_output(session);
		break;
	case LANE_DRAIN_FAILED:
		session_output_failed(session, session->down.error);
		session_close_output(session);
		session_quit(session, true);
		break;
	case LANE_DONE:
		if (session->output_closed)
			break;
		session_close_output(session);
		if (session->down.counted_out)
			session_quit(session, false);	/* -W */
		else
			session_peer_ended(session);
		break;
	case LANE_INPUT:
	case LANE_ROOM:
	case LANE_PAUSE:
		break;
	}
}

static void
session_settle_up(struct session *session)
{
	const struct options *options = session->options;

	switch (session->up.state) {
	case LANE_DRAIN_FAILED:
		/* What the peer sent before is still to be read. */
		session_broke(session, session->up.error);
		store_discard(&session->up.store);
		break;
	case LANE_DONE:
	case LANE_SOURCE_FAILED:
		session_input_ended(session);
		if (!options->recv_only &&
		    (options->send_only || options->quit_after == 0))
			session_quit(session, false);
		break;
	case LANE_PAUSE:
		if (!session->pause.set)
			loop_timer(session->loop, &session->pause,
				   clock_after(options->line_interval));
		break;
	case LANE_INPUT:
	case LANE_ROOM:
		break;
	}
}

/* Starts -q's time at the end of input, whatever is still to be sent. */
static void
session_start_quit(struct session *session)
{
	int64_t time = session->options->quit_after;

	if (!session->up.ended || session->quit_started ||
	    session->options->recv_only || time == NEVER || time == 0)
		return;
	session->quit_started = true;
	session_quit_after(session, time);
}

/* Whether the local input is to be read at all. */
static bool
input_readable(struct session *session)
{
	if (channel_in_foreground(&session->input))
		return true;
	loop_timer(session->loop, &session->foreground,
		   clock_after(FOREGROUND_LOOK));
	return false;
}

static void
watch_input(struct session *session)
{
	if (session->up.state == LANE_INPUT && input_readable(session))
		loop_watch(session->loop, &session->input_watch,
			   POLLIN);
	else
		loop_unwatch(session->loop, &session->input_watch);
}

static void
watch_output(struct session *session)
{
	enum channel_kind kind = session->output.kind;

	if (session->output_closed)
		return;
	if (session->down.state == LANE_ROOM)
		loop_watch(session->loop, &session->output_watch,
			   POLLOUT);
	else if ((kind == CHANNEL_PIPE || kind == CHANNEL_SOCKET) &&
		 !session->down.discard)
		/* To hear that its reader has gone. */
		loop_watch(session->loop, &session->output_watch, 0);
	else
		loop_unwatch(session->loop, &session->output_watch);
}

/*
 * Whether what comes is read to be discarded while `up` still sends: a peer
 * that is stuck in writing would not read either.
 */
static bool
session_discards(const struct session *session)
{
	return session->quitting && lane_over(&session->down) &&
	    !session->hung_up;
}

static void
watch_socket(struct session *session)
{
	short events = 0;

	if (session->telnet.answer_length > 0)
		events |= POLLOUT;
	else if (session->down.state == LANE_INPUT ||
		 session_discards(session))
		events |= POLLIN;
	if (session->up.state == LANE_ROOM)
		events |= POLLOUT;
	/* With no events, a hang-up is reported all the same: once. */
	if (events != 0 || !session->hung_up)
		loop_watch(session->loop, &session->socket_watch,
			   events);
	else
		loop_unwatch(session->loop, &session->socket_watch);
}

static void
session_step(struct session *session)
{
	if (session->phase != PHASE_OPEN)
		return;
	session_note_moved(session);
	session_answer_telnet(session);
	session_settle_down(session);
	session_start_quit(session);
	session_settle_up(session);
	/* Ending one direction may have ended the other. */
	session_settle_down(session);
	if (lane_over(&session->up) && lane_over(&session->down)) {
		session_linger(session);
		return;
	}
	watch_input(session);
	watch_output(session);
	watch_socket(session);
}

static void
input_ready(struct watch *watch, short events)
{
	struct session *session = container_of(watch, struct session,
					       input_watch);

	(void)events;
	lane_run(&session->up);
	session_step(session);
}

static void
output_ready(struct watch *watch, short events)
{
	struct session *session = container_of(watch, struct session,
					       output_watch);

	if (session->down.state == LANE_ROOM) {
		lane_run(&session->down);
	} else if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
		session->down.state = LANE_DRAIN_FAILED;
		session->down.error = EPIPE;
	}
	session_step(session);
}

/*
 * The peer is gone while nothing was wanted of the socket. If its end has
 * been read before, only now does SO_ERROR tell why; before that, reading
 * will (data first, then the error).
 */
static void
session_hung_up(struct session *session)
{
	session->hung_up = true;
	if (!lane_over(&session->down))
		return;		/* session_peer_ended() comes back to it */
	session_gone(session);
}

static void
socket_ready(struct watch *watch, short events)
{
	struct session *session = container_of(watch, struct session,
					       socket_watch);
	const short gone = POLLERR | POLLHUP | POLLNVAL;

	if (session->down.state == LANE_INPUT &&
	    (events & (POLLIN | gone)) != 0)
		lane_run(&session->down);
	else if (session_discards(session) && (events & POLLIN) != 0)
		session->hung_up = linger_discard(&session->linger) != 0 ||
		    session->linger.no_more;
	else if (session->up.state != LANE_ROOM && (events & gone) != 0)
		session_hung_up(session);
	if (session->up.state == LANE_ROOM &&
	    (events & (POLLOUT | gone)) != 0)
		lane_run(&session->up);
	session_step(session);
}

/* -w or --idle-timeout, the shorter of them. */
static int64_t
idle_limit(const struct options *options)
{
	return options->idle_quiet < options->idle_timeout ?
	    options->idle_quiet : options->idle_timeout;
}

/*
 * -w or --idle-timeout, from the last byte that moved in either direction;
 * one that the peer has acknowledged has moved, too.
 */
static void
idle_expired(struct timer *timer)
{
	struct session *session = container_of(timer, struct session, idle);
	bool quiet = session->idle_limit == session->options->idle_quiet;

	session_note_moved(session);
	if (session->last_moved + session->idle_limit > clock_now()) {
		loop_timer(session->loop, timer,
			   session->last_moved + session->idle_limit);
		return;
	}
	if (!session_tell_undelivered(session, quiet ?
				      "idle time (-w) ran out" :
				      "--idle-timeout ran out") && !quiet) {
		if (!session_failed(session))
			diag_error("nothing moved for the --idle-timeout");
		session_fail(session, outcome_of(CAUSE_TIMED_OUT));
	}
	session_over(session);
}

static void
quit_expired(struct timer *timer)
{
	struct session *session = container_of(timer, struct session, quit);

	if (session_unsent(session) > 0 || session->up.state == LANE_ROOM) {
		(void)session_tell_undelivered(session, "time to quit");
		lane_abandon(&session->up);
	}
	/* What came before is still written out. */
	session_quit(session, false);
	session_step(session);
}

static void
pause_expired(struct timer *timer)
{
	struct session *session = container_of(timer, struct session, pause);

	lane_run(&session->up);
	session_step(session);
}

/* Nothing has come for a while: the peer may wait for our end. */
static void
silence_expired(struct timer *timer)
{
	struct session *session = container_of(timer, struct session,
					       silence);

	session_note_moved(session);
	if (session->last_moved + NOTHING_TO_SAY > clock_now()) {
		loop_timer(session->loop, timer,
			   session->last_moved + NOTHING_TO_SAY);
		return;
	}
	session->defer_end = false;
	session_step(session);
}

static void
foreground_expired(struct timer *timer)
{
	struct session *session = container_of(timer, struct session,
					       foreground);

	session_step(session);
}

/* It could not even be sent in the time that there was. */
static void
bound_expired(struct timer *timer)
{
	session_give_up(container_of(timer, struct session, bound),
			"time to linger ran out");
}

static void
finish_expired(struct timer *timer)
{
	struct session *session = container_of(timer, struct session, finish);

	session->ended(session->owner, session->outcome);
}

static void
session_open_watches(struct session *session)
{
	session->input_watch = (struct watch){
		.fd = session->input.fd, .ready = input_ready,
	};
	session->output_watch = (struct watch){
		.fd = session->output.fd, .ready = output_ready,
	};
	session->socket_watch = (struct watch){
		.fd = session->socket.fd, .ready = socket_ready,
	};
	session->idle.expired = idle_expired;
	session->quit.expired = quit_expired;
	session->pause.expired = pause_expired;
	session->foreground.expired = foreground_expired;
	session->silence.expired = silence_expired;
	session->bound.expired = bound_expired;
	session->finish.expired = finish_expired;
	session->linger.ended = linger_ended;
	session->linger_until = NEVER;
	session->idle_limit = idle_limit(session->options);
	if (session->idle_limit != NEVER) {
		session->last_moved = clock_now();
		loop_timer(session->loop, &session->idle,
			   clock_after(session->idle_limit));
	}
}

/* Returns 0, or -1 with errno. */
static int
session_open_stores(struct session *session)
{
	const struct options *options = session->options;
	const struct store_request up = {
		.choice = options->store, .size = options->block_size,
		.bytes = options->crlf || options->line_interval != NEVER,
		.filter = options->crlf,
	}, down = {
		.choice = options->store, .size = options->block_size,
		.bytes = options->telnet || options->send_only ||
		    options->max_packets != 0,
		.filter = options->telnet,
	};

	if (store_open(&session->up.store, &up) == -1)
		return -1;
	return store_open(&session->down.store, &down);
}

/* Of a client; -q says when the end is sent. */
static bool
has_nothing_to_say(const struct session *session)
{
	const struct options *options = session->options;

	return !options->recv_only && !options->send_only &&
	    options->quit_after == NEVER && channel_is_null(&session->input);
}

/* Holds a client's end of data back until the peer's, or a silence. */
static void
session_defer_end(struct session *session)
{
	session->defer_end = true;
	session->last_moved = clock_now();
	loop_timer(session->loop, &session->silence,
		   session->last_moved + NOTHING_TO_SAY);
}

static void
session_open_lanes(struct session *session,
		   const struct session_request *request)
{
	const struct options *options = session->options;

	session->up.source = &session->input;
	session->up.drain = &session->socket;
	session->up.by_line = options->line_interval != NEVER;
	session->up.store.filter.crlf = options->crlf;
	session->down.source = &session->socket;
	session->down.drain = &session->output;
	session->down.discard = options->send_only;
	session->down.reads_left = options->max_packets;
	if (options->telnet)
		session->down.store.filter.telnet = &session->telnet;
	if (options->recv_only)
		lane_cut(&session->up);
	else if (channel_in_foreground(&session->input))
		lane_run(&session->up);
	if (request->accepted)
		session->defer_end = session->up.state == LANE_DONE &&
		    session->up.read == 0;
	else if (has_nothing_to_say(session))
		session_defer_end(session);
}

struct session *
session_start(struct loop *loop, const struct session_request *request)
{
	const struct options *options = request->options;
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		(void)close(request->fd);
		return NULL;
	}
	session->options = options;
	session->loop = loop;
	session->peer = request->peer;
	session->ended = request->ended;
	session->owner = request->owner;
	channel_open(&session->input, request->input);
	channel_open(&session->output, request->output);
	channel_socket(&session->socket, request->fd);
	linger_open(&session->linger, loop, request->fd,
		    request->peer.sa.sa_family);
	if (session_open_stores(session) == -1) {
		session_free(session);
		return NULL;
	}
	session_open_watches(session);
	session_open_lanes(session, request);
	session_step(session);
	return session;
}

struct outcome
session_expire(struct session *session, const char *limit)
{
	if (!session_tell_undelivered(session, limit) &&
	    !session_failed(session))
		diag_error("%s", limit);
	session_fail(session, outcome_of(CAUSE_TIMED_OUT));
	return session->outcome;
}

void
session_free(struct session *session)
{
	if (session == NULL)
		return;
	loop_unwatch(session->loop, &session->input_watch);
	loop_unwatch(session->loop, &session->output_watch);
	loop_unwatch(session->loop, &session->socket_watch);
	loop_timer(session->loop, &session->idle, NEVER);
	loop_timer(session->loop, &session->quit, NEVER);
	loop_timer(session->loop, &session->pause, NEVER);
	loop_timer(session->loop, &session->foreground, NEVER);
	loop_timer(session->loop, &session->silence, NEVER);
	loop_timer(session->loop, &session->bound, NEVER);
	loop_timer(session->loop, &session->finish, NEVER);
	linger_stop(&session->linger);
	(void)close(session->socket.fd);
	store_close(&session->up.store);
	store_close(&session->down.store);
	free(session);
}
