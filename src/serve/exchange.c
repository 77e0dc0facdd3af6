/*
 * exchange.c: a socket of messages and its local side
 *
 * Theory of operation. Upwards bytes are read into a buffer, cut into
 * messages where they stand (frame.h) and handed to the socket in batches;
 * the buffer is refilled when all that was cut out of it is sent. Downwards
 * the socket hands over a batch of messages in its own buffers, and what
 * frames them is laid around them in one vector, so that no message is
 * copied. The next batch is received when the last is written.
 *
 * Datagrams have no end. A client waits, after the end of its input, until
 * no answer has come for a while; a listener never ends by itself.
 * A seqpacket socket has an end in each direction, as a stream does.
 */
#include "serve/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "cli/options.h"
#include "io/frame.h"
#include "io/input.h"
#include "io/lane.h"
#include "io/output.h"
#include "net/channel.h"
#include "net/connection.h"
#include "open/access.h"

/* How long a client waits for one more answer after the end of its input. */
#define REPLY_WINDOW (1 * SECOND)

/* How often to try again where poll(2) cannot tell when it is worth it. */
#define RETRY_PAUSE (10 * MILLISECOND)
#define BEHIND_PAUSE (MILLISECOND / 10)
#define REFUSED_PAUSE (100 * MILLISECOND)

/* How often a job in the background looks whether it is in front now. */
#define FOREGROUND_LOOK (500 * MILLISECOND)

/* Batches moved before the other direction gets a turn. */
#define EXCHANGE_TURNS 8

struct exchange {
	const struct options *options;
	struct loop *loop;
	enum exchange_role role;
	int family;
	struct correspondent to;	/* whom to answer */
	bool to_known;
	void (*ended)(void *owner, struct outcome outcome);
	void *owner;

	int fd;
	struct msgsock *socket;
	struct input input;
	struct output output;
	struct watch input_watch, output_watch, socket_watch;

	/* up: input → messages */
	enum lane_state up;
	uint64_t lost;			/* messages that could not be sent */
	bool doubted;			/* EMSGSIZE: another's, perhaps */
	struct message last;		/* what --retry-for may send again */
	bool again;			/* that is the next to be sent */
	bool sent;			/* a message, at least */

	/* down: messages → output */
	enum lane_state down;
	unsigned long receives_left;	/* -W; 0: no limit */
	bool counted_out;		/* they were used up */
	bool heard;			/* something came in this turn */
	bool waiting;			/* a client, after the end of input */
	bool output_closed;

	struct outcome outcome;
	bool over, half_closed, defer_end, hung_up;
	bool hears_errors;		/* there is a queue of them */
	int broken;			/* errno of a connection's reset */
	int64_t retry_until;		/* --retry-for: outlive refusals */
	int64_t idle_limit, last_moved;
	struct timer idle;
	struct timer quit;		/* -q, --peer-quit, the reply window */
	struct timer pause;		/* -i, or to try sending again */
	struct timer foreground;
	struct timer finish;		/* calls `ended` from the loop */
};

static void
exchange_fail(struct exchange *exchange, struct outcome outcome)
{
	if (exchange->outcome.status == 0 && exchange->outcome.signal == 0)
		exchange->outcome = outcome;
}

static bool
up_over(const struct exchange *exchange)
{
	return exchange->up == LANE_DONE || exchange->up == LANE_DRAIN_FAILED;
}

static bool
down_over(const struct exchange *exchange)
{
	return exchange->down == LANE_DONE ||
	    exchange->down == LANE_DRAIN_FAILED;
}

static const char *
peer_name(const struct exchange *exchange, char *text)
{
	if (!exchange->to_known || exchange->to.peer.length == 0)
		return "peer";
	address_text(&exchange->to.peer, text);
	return text[0] != '\0' ? text : "peer";
}

static void
exchange_moved(struct exchange *exchange)
{
	if (exchange->idle.set)
		exchange->last_moved = clock_now();
}

static void
exchange_quit_after(struct exchange *exchange, int64_t time)
{
	int64_t when = clock_after(time);

	if (!exchange->quit.set || when < exchange->quit.when)
		loop_timer(exchange->loop, &exchange->quit, when);
}

/* Both directions are over, or something ended them. */
static void
exchange_over(struct exchange *exchange)
{
	if (exchange->over)
		return;
	exchange->over = true;
	loop_unwatch(exchange->loop, &exchange->input_watch);
	loop_unwatch(exchange->loop, &exchange->output_watch);
	loop_unwatch(exchange->loop, &exchange->socket_watch);
	loop_timer(exchange->loop, &exchange->quit, NEVER);
	loop_timer(exchange->loop, &exchange->idle, NEVER);
	loop_timer(exchange->loop, &exchange->pause, NEVER);
	loop_timer(exchange->loop, &exchange->foreground, NEVER);
	if (exchange->lost > 1)
		diag_error("%" PRIu64 " messages lost", exchange->lost);
	if (!exchange->output_closed &&
	    channel_close(&exchange->output.channel) == -1 && errno != EBADF) {
		diag_error("write to standard output failed: %s",
			   diag_strerror(errno));
		exchange_fail(exchange, outcome_of(CAUSE_LOCAL));
	}
	exchange->output_closed = true;
	/* From the loop, because the caller may free us. */
	loop_timer(exchange->loop, &exchange->finish, 0);
}

/* A message is lost: told once each, counted at the end, status 1. */
__attribute__((format(printf, 2, 3)))
static void
message_lost(struct exchange *exchange, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	diag_error("%s", text);
	exchange->lost++;
	exchange_fail(exchange, outcome_of(CAUSE_LOCAL));
}

/* Whether --retry-for still has us keep trying. */
static bool
may_retry(const struct exchange *exchange)
{
	return exchange->options->retry_for != NEVER &&
	    exchange->role == EXCHANGE_CLIENT &&
	    exchange->retry_until > clock_now();
}

static bool
is_refusal(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH ||
	    error == ENETUNREACH;
}

static void
up_pause(struct exchange *exchange, int64_t time)
{
	exchange->up = LANE_PAUSE;
	loop_timer(exchange->loop, &exchange->pause, clock_after(time));
}

/*
 * An earlier message was refused, which with --retry-for was the last one,
 * because each has a call of its own then: once more, a little later.
 */
static void
send_again_later(struct exchange *exchange)
{
	exchange->again = exchange->last.data != NULL;
	exchange->waiting = false;
	loop_timer(exchange->loop, &exchange->quit, NEVER);
	up_pause(exchange, REFUSED_PAUSE);
}

/* Keeps a copy of what is sent, where it may have to be sent again. */
static void
keep_last(struct exchange *exchange, const struct message *message)
{
	unsigned char *copy;

	if (!may_retry(exchange) || exchange->again)
		return;
	copy = realloc(exchange->last.data, message->length + 1);
	if (copy == NULL)
		return;
	memcpy(copy, message->data, message->length);
	exchange->last = (struct message){
		.data = copy, .length = message->length,
	};
}

/* It was not the next message that was too long for the way it took. */
static void
earlier_lost(struct exchange *exchange)
{
	exchange->doubted = false;
	message_lost(exchange, "a message was lost: %s",
		     diag_strerror(EMSGSIZE));
}

/* The next message is too long, or an earlier one was. */
static void
send_too_long(struct exchange *exchange)
{
	struct input *input = &exchange->input;

	exchange->doubted = !exchange->doubted;
	if (exchange->doubted)
		return;
	message_lost(exchange, "message of %zu bytes is too long for the "
		     "socket, which takes %zu",
		     input->cut[input->cut_sent].length,
		     msgsock_most(exchange->socket));
	input->cut_sent++;
}

/* A listener's peer cannot be reached: that is no reason to end. */
static void
answer_failed(struct exchange *exchange, int error)
{
	char text[ADDRESS_TEXT];

	/* A Unix socket that is gone: what was for it is for the next. */
	if (exchange->family == AF_UNIX &&
	    (error == ECONNREFUSED || error == ENOENT ||
	     error == ECONNRESET || error == EPIPE)) {
		exchange->to_known = false;
		return;
	}
	message_lost(exchange, "send to %s failed: %s",
		     peer_name(exchange, text), diag_strerror(error));
	exchange->input.cut_sent++;
}

/* What sending the next message failed with, and what that means. */
static void
send_failed(struct exchange *exchange, int error)
{
	char text[ADDRESS_TEXT];

	if (error == EMSGSIZE) {
		send_too_long(exchange);
		return;
	}
	if (error == EINVAL && exchange->options->checksum_offset >= 0) {
		message_lost(exchange, "message of %zu bytes is too short for "
			     "a checksum at %d",
			     exchange->input.cut[exchange->input.cut_sent].length,
			     exchange->options->checksum_offset);
		exchange->input.cut_sent++;
		return;
	}
	if (error == ENOBUFS || error == ENOMEM) {
		up_pause(exchange, RETRY_PAUSE);
		return;
	}
	if (exchange->role == EXCHANGE_LISTENER) {
		answer_failed(exchange, error);
		return;
	}
	if (is_refusal(error) && may_retry(exchange)) {
		send_again_later(exchange);
		return;
	}
	diag_error("send to %s failed: %s%s", peer_name(exchange, text),
		   error == EACCES && exchange->family == AF_INET &&
		   !exchange->options->broadcast ?
		   "a broadcast address needs -b: " : "",
		   diag_strerror(error));
	exchange_fail(exchange, outcome_of(cause_of_errno(error)));
	exchange->up = LANE_DRAIN_FAILED;
	if (exchange->role != EXCHANGE_CONNECTION)
		exchange_over(exchange);
}

/* How many of the messages at hand may go now. */
static size_t
sendable(const struct exchange *exchange)
{
	const struct input *input = &exchange->input;
	size_t left = input->cut_count - input->cut_sent;

	return (exchange->options->line_interval != NEVER ||
		may_retry(exchange)) && left > 1 ? 1 : left;
}

/* Sends what is cut. Returns false where that has to wait. */
static bool
up_send(struct exchange *exchange)
{
	const struct correspondent *to =
	    exchange->role == EXCHANGE_CLIENT ||
	    exchange->role == EXCHANGE_CONNECTION ? NULL : &exchange->to;
	const struct message *next = exchange->again ? &exchange->last :
	    exchange->input.cut + exchange->input.cut_sent;
	enum msgsock_result result;
	size_t sent = 0;

	result = msgsock_send(exchange->socket, to, next, exchange->again ?
			      1 : sendable(exchange), &sent);
	if (sent > 0) {
		exchange->sent = true;
		keep_last(exchange, next);
		exchange_moved(exchange);
		if (exchange->doubted)
			earlier_lost(exchange);
		if (!exchange->again)
			exchange->input.cut_sent += sent;
		exchange->again = false;
	}
	switch (result) {
	case MSGSOCK_MOVED:
		if (exchange->options->line_interval == NEVER)
			return true;
		up_pause(exchange, exchange->options->line_interval);
		return false;
	case MSGSOCK_BEHIND:
		up_pause(exchange, BEHIND_PAUSE);
		return false;
	case MSGSOCK_END:
	case MSGSOCK_AGAIN:
		exchange->up = LANE_ROOM;
		/* A Unix socket without a peer of its own is always writable,
		 * whatever the receiver's queue (unix(7)). */
		if (to != NULL && exchange->family == AF_UNIX)
			up_pause(exchange, RETRY_PAUSE);
		return false;
	case MSGSOCK_FAIL:
		break;
	}
	exchange->up = LANE_INPUT;
	send_failed(exchange, errno);
	return exchange->up == LANE_INPUT && exchange->to_known;
}

/* One step upwards; returns whether another may be worth it. */
static bool
up_turn(struct exchange *exchange)
{
	if (exchange->again)
		return up_send(exchange);
	switch (input_messages(&exchange->input)) {
	case MOVED:
		return up_send(exchange);
	case AGAIN:
		exchange->up = LANE_INPUT;
		return false;
	case END:
		exchange->up = LANE_DONE;
		return false;
	case FAIL:
		diag_error("read from standard input failed: %s",
			   diag_strerror(errno));
		exchange_fail(exchange, outcome_of(CAUSE_LOCAL));
		return true;
	}
	return false;
}

static void
up_run(struct exchange *exchange)
{
	unsigned turn;

	/* Input waits until there is somebody to send it to. */
	if (!exchange->to_known || up_over(exchange))
		return;
	for (turn = 0; turn < EXCHANGE_TURNS; turn++)
		if (!up_turn(exchange))
			return;
	exchange->up = input_holds(&exchange->input) ? LANE_ROOM : LANE_INPUT;
}

/* input.h's `lost`. */
static void
input_lost(void *owner, uint64_t length, uint64_t wanted)
{
	struct exchange *exchange = owner;

	if (wanted == 0)
		message_lost(exchange, "message of %" PRIu64 " bytes is too "
			     "long for the socket, which takes %zu", length,
			     msgsock_most(exchange->socket));
	else if (wanted == UINT64_MAX)
		message_lost(exchange, "input ended inside a frame, after %"
			     PRIu64 " bytes", length);
	else
		message_lost(exchange, "input ended inside a frame, after %"
			     PRIu64 " of %" PRIu64 " bytes", length, wanted);
}

static void
output_failed(struct exchange *exchange, int error)
{
	struct sigaction action;

	exchange->down = LANE_DRAIN_FAILED;
	if (error == EPIPE && sigaction(SIGPIPE, NULL, &action) == 0 &&
	    action.sa_handler != SIG_IGN) {
		exchange_fail(exchange, (struct outcome){ .signal = SIGPIPE });
	} else {
		diag_error("write to standard output failed: %s",
			   diag_strerror(error));
		exchange_fail(exchange, outcome_of(CAUSE_LOCAL));
	}
	exchange_over(exchange);
}

/* The kernel tells of an earlier message's fate, or of the connection's. */
static bool
receive_failed(struct exchange *exchange, int error)
{
	char text[ADDRESS_TEXT];

	if (error == EMSGSIZE) {
		earlier_lost(exchange);
		return true;
	}
	if (exchange->role == EXCHANGE_LISTENER)
		return true;	/* one of many peers: go on */
	if (is_refusal(error) && may_retry(exchange)) {
		send_again_later(exchange);
		return true;
	}
	/* What came before a reset may still be there, behind its error. */
	if (exchange->role == EXCHANGE_CONNECTION && exchange->broken == 0) {
		exchange->broken = error;
		return true;
	}
	if (exchange->up == LANE_DRAIN_FAILED) {
		exchange->down = LANE_DONE;	/* it was told */
		return false;
	}
	diag_error("connection to %s broke: %s", peer_name(exchange, text),
		   diag_strerror(error));
	exchange_fail(exchange, outcome_of(cause_of_errno(error)));
	exchange->down = LANE_DONE;
	exchange_over(exchange);
	return false;
}

/* Remembers whom to answer. */
static void
answer_to(struct exchange *exchange, const struct received *last)
{
	char text[ADDRESS_TEXT];

	if (exchange->role != EXCHANGE_LISTENER)
		return;
	if (exchange->options->verbose > 0 &&
	    (!exchange->to_known ||
	     !address_equal(&exchange->to.peer, &last->from->peer)))
		diag_note("Connection received on %s",
			  address_text(&last->from->peer, text));
	exchange->to = *last->from;
	/* A Unix socket without a name cannot be answered. */
	exchange->to_known = last->from->peer.length != 0 &&
	    (last->from->peer.sa.sa_family != AF_UNIX ||
	     address_host(&last->from->peer, text)[0] != '\0');
}

/* Takes a batch from the socket; returns whether there is one to write. */
static bool
down_receive(struct exchange *exchange)
{
	const struct received *received;
	size_t count;

	switch (msgsock_receive(exchange->socket, &received, &count)) {
	case MSGSOCK_AGAIN:
	case MSGSOCK_BEHIND:
		exchange->down = LANE_INPUT;
		return false;
	case MSGSOCK_END:
		if (exchange->broken != 0)
			return receive_failed(exchange, exchange->broken);
		exchange->down = LANE_DONE;
		return false;
	case MSGSOCK_FAIL:
		exchange->down = LANE_INPUT;
		return receive_failed(exchange, errno);
	case MSGSOCK_MOVED:
		break;
	}
	exchange_moved(exchange);
	if (exchange->receives_left > 0) {
		if (count > exchange->receives_left)
			count = exchange->receives_left;
		exchange->receives_left -= count;
		exchange->counted_out = exchange->receives_left == 0;
	}
	answer_to(exchange, &received[count - 1]);
	exchange->heard = true;
	if (!exchange->options->send_only &&
	    output_take(&exchange->output, received, count) == -1)
		output_failed(exchange, errno);
	for (; exchange->output.too_long > 0; exchange->output.too_long--)
		message_lost(exchange, "a message that came is too long for "
			     "--frame len16");
	return !down_over(exchange);
}

static void
down_run(struct exchange *exchange)
{
	unsigned turn;
	bool more = true;

	for (turn = 0; turn < EXCHANGE_TURNS && !down_over(exchange); turn++) {
		switch (output_write(&exchange->output)) {
		case MOVED:
			break;
		case AGAIN:
		case END:
			exchange->down = LANE_ROOM;
			return;
		case FAIL:
			output_failed(exchange, errno);
			return;
		}
		if (exchange->counted_out) {
			exchange->down = LANE_DONE;
			exchange_over(exchange);
			return;
		}
		if (!more) {
			exchange->down = LANE_INPUT;
			return;
		}
		if (!down_receive(exchange))
			return;
		more = msgsock_more(exchange->socket);
	}
	/* It was the other direction's turn; there may be more. */
	if (!down_over(exchange))
		exchange->down = LANE_ROOM;
}

/* After the end of input a client waits for answers, each time anew. */
static void
client_waits(struct exchange *exchange)
{
	const struct options *options = exchange->options;
	int64_t window = REPLY_WINDOW;

	if (options->send_only || options->quit_after == 0) {
		exchange_over(exchange);
		return;
	}
	if (options->recv_only)
		return;
	if (options->quit_after != NEVER) {
		if (!exchange->waiting)
			exchange_quit_after(exchange, options->quit_after);
	} else if (!exchange->waiting || exchange->heard) {
		if (options->idle_quiet != NEVER)
			window = options->idle_quiet;
		loop_timer(exchange->loop, &exchange->quit,
			   clock_after(window));
	}
	exchange->waiting = true;
}

/* A listener ends only where it was told to. */
static void
listener_input_ended(struct exchange *exchange)
{
	const struct options *options = exchange->options;

	if (options->recv_only)
		return;
	if (options->send_only || options->quit_after == 0)
		exchange_over(exchange);
	else if (options->quit_after != NEVER)
		exchange_quit_after(exchange, options->quit_after);
}

/* What the end of input means to a seqpacket connection. */
static void
connection_input_ended(struct exchange *exchange)
{
	const struct options *options = exchange->options;

	if (!options->recv_only && !options->no_shutdown &&
	    !exchange->defer_end && !exchange->half_closed) {
		exchange->half_closed = true;
		(void)shutdown(exchange->fd, SHUT_WR);
	}
	if (options->recv_only)
		return;
	if (options->send_only || options->quit_after == 0)
		exchange_over(exchange);
	else if (options->quit_after != NEVER && !exchange->waiting)
		exchange_quit_after(exchange, options->quit_after);
	exchange->waiting = true;
}

static void
connection_peer_ended(struct exchange *exchange)
{
	const struct options *options = exchange->options;

	if (exchange->output_closed)
		return;
	exchange->output_closed = true;
	exchange->defer_end = false;
	loop_unwatch(exchange->loop, &exchange->output_watch);
	if (channel_close(&exchange->output.channel) == -1 && errno != EBADF)
		output_failed(exchange, errno);
	if (options->recv_only || options->peer_quit == 0 ||
	    exchange->input.channel.kind == CHANNEL_TERMINAL)
		exchange_over(exchange);
	else if (options->peer_quit != NEVER)
		exchange_quit_after(exchange, options->peer_quit);
}

/* The peer is gone while nothing was wanted of the socket. */
static void
connection_hung_up(struct exchange *exchange)
{
	exchange->hung_up = true;
	if (!down_over(exchange) || up_over(exchange))
		return;
	if (input_holds(&exchange->input))
		send_failed(exchange, EPIPE);
	else
		exchange->up = LANE_DONE;
}

static void
exchange_settle(struct exchange *exchange)
{
	if (exchange->role == EXCHANGE_CONNECTION) {
		if (exchange->down == LANE_DONE)
			connection_peer_ended(exchange);
		if (exchange->up == LANE_DONE)
			connection_input_ended(exchange);
		if (up_over(exchange) && down_over(exchange))
			exchange_over(exchange);
	} else if (exchange->up == LANE_DONE) {
		if (exchange->role != EXCHANGE_LISTENER)
			client_waits(exchange);
		else
			listener_input_ended(exchange);
	}
	exchange->heard = false;
}

static void
watch_or_not(struct exchange *exchange, struct watch *watch, bool wanted,
	     short events)
{
	if (wanted)
		loop_watch(exchange->loop, watch, events);
	else
		loop_unwatch(exchange->loop, watch);
}

static void
exchange_watch(struct exchange *exchange)
{
	enum channel_kind kind = exchange->output.channel.kind;
	bool reads = exchange->up == LANE_INPUT && exchange->to_known;
	short events = 0;

	if (reads && !channel_in_foreground(&exchange->input.channel)) {
		reads = false;
		loop_timer(exchange->loop, &exchange->foreground,
			   clock_after(FOREGROUND_LOOK));
	}
	watch_or_not(exchange, &exchange->input_watch, reads, POLLIN);
	if (!exchange->output_closed)
		watch_or_not(exchange, &exchange->output_watch,
			     exchange->down == LANE_ROOM ||
			     kind == CHANNEL_PIPE || kind == CHANNEL_SOCKET,
			     exchange->down == LANE_ROOM ? POLLOUT : 0);
	if (exchange->down == LANE_INPUT)
		events |= POLLIN;
	if (exchange->up == LANE_ROOM && exchange->to_known)
		events |= POLLOUT;
	/* A connection's hang-up is of interest in any case, once. */
	watch_or_not(exchange, &exchange->socket_watch, events != 0 ||
		     (exchange->role == EXCHANGE_CONNECTION &&
		      !exchange->hung_up), events);
}

static void
exchange_step(struct exchange *exchange)
{
	if (exchange->over)
		return;
	exchange_settle(exchange);
	if (!exchange->over)
		exchange_watch(exchange);
}

static void
input_ready(struct watch *watch, short events)
{
	struct exchange *exchange = container_of(watch, struct exchange,
						 input_watch);

	(void)events;
	up_run(exchange);
	exchange_step(exchange);
}

static void
output_ready(struct watch *watch, short events)
{
	struct exchange *exchange = container_of(watch, struct exchange,
						 output_watch);

	if (exchange->down == LANE_ROOM)
		down_run(exchange);
	else if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		output_failed(exchange, EPIPE);
	exchange_step(exchange);
}

/* The queue of errors that hear_errors() started: poll(2) tells of it. */
static void
drop_error_queue(const struct exchange *exchange)
{
#if SOCKCAT_LINUX
	struct msghdr header = { .msg_namelen = 0 };

	while (recvmsg(exchange->fd, &header,
		       MSG_ERRQUEUE | MSG_DONTWAIT) != -1)
		header.msg_flags = 0;
#else
	(void)exchange;
#endif
}

static void
socket_ready(struct watch *watch, short events)
{
	struct exchange *exchange = container_of(watch, struct exchange,
						 socket_watch);
	bool known = exchange->to_known;
	if (exchange->down == LANE_INPUT && (events & ~POLLOUT) != 0)
		down_run(exchange);
	else if (exchange->role == EXCHANGE_CONNECTION &&
		 exchange->up != LANE_ROOM && (events & ~POLLOUT) != 0)
		connection_hung_up(exchange);
	if (!exchange->over && (exchange->up == LANE_ROOM ||
				(!known && exchange->to_known)))
		up_run(exchange);
	/* Not before: it would take the error itself away, too. */
	if (exchange->hears_errors && (events & POLLERR) != 0)
		drop_error_queue(exchange);
	exchange_step(exchange);
}

static void
pause_expired(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange,
						 pause);

	up_run(exchange);
	exchange_step(exchange);
}

static void
foreground_expired(struct timer *timer)
{
	exchange_step(container_of(timer, struct exchange, foreground));
}

/* As session_tell_undelivered(). */
static bool
exchange_tell_undelivered(struct exchange *exchange, const char *limit)
{
	size_t unsent = exchange->input.cut_count - exchange->input.cut_sent;
	size_t unwritten = output_held(&exchange->output);

	if (unsent == 0 && unwritten == 0)
		return false;
	diag_error("%s: %zu messages not sent, %zu bytes not written to "
		   "standard output", limit, unsent, unwritten);
	exchange_fail(exchange, outcome_of(CAUSE_TIMED_OUT));
	return true;
}

static void
quit_expired(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange,
						 quit);

	/* The wait for answers is for those that are still to come. */
	if (exchange->role != EXCHANGE_CONNECTION &&
	    exchange->options->quit_after == NEVER &&
	    output_held(&exchange->output) > 0) {
		loop_timer(exchange->loop, timer, clock_after(REPLY_WINDOW));
		return;
	}
	(void)exchange_tell_undelivered(exchange, "time to quit");
	exchange_over(exchange);
}

static void
idle_expired(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange,
						 idle);
	int64_t when = exchange->last_moved + exchange->idle_limit;

	if (when > clock_now()) {
		loop_timer(exchange->loop, timer, when);
		return;
	}
	if (!exchange_tell_undelivered(exchange, "idle time ran out") &&
	    exchange->idle_limit != exchange->options->idle_quiet) {
		diag_error("nothing moved for the --idle-timeout");
		exchange_fail(exchange, outcome_of(CAUSE_TIMED_OUT));
	}
	exchange_over(exchange);
}

static void
finish_expired(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange,
						 finish);

	exchange->ended(exchange->owner, exchange->outcome);
}


/* How the options say messages stand in the local bytes. */
static struct frame_reader
reader_of(const struct exchange *exchange)
{
	const struct options *options = exchange->options;

	return (struct frame_reader){
		.framing = options->framing,
		.block = options->framing == FRAME_NONE ?
		    options->block_size : 0,
		.most = msgsock_most(exchange->socket),
	};
}

static struct msgsock *
open_socket(const struct exchange_request *request)
{
	const struct options *options = request->options;
	const struct msgsock_options how = {
		.connected = request->role == EXCHANGE_CLIENT ||
		    request->role == EXCHANGE_CONNECTION,
		.want_local = request->role == EXCHANGE_LISTENER &&
		    (request->family == AF_INET ||
		     request->family == AF_INET6),
		.shared = request->shared,
		.ends = request->role == EXCHANGE_CONNECTION,
		.strip_header = request->type == SOCK_RAW &&
		    request->family == AF_INET && !options->ip_header,
		.own_header = request->type == SOCK_RAW &&
		    options->ip_header,
		.checksum_offset = options->checksum_offset,
		.admits = request->access != NULL ? access_admits : NULL,
		.owner = request->access,
	};

	return msgsock_new(request->fd, request->family, request->type,
			   request->protocol, &how);
}

/*
 * Without this Linux tells a datagram socket of few ICMP errors: of a port
 * that nobody has, but not of a host that is not there (ip(7), ipv6(7)).
 */
static void
hear_errors(struct exchange *exchange)
{
#if SOCKCAT_LINUX
	bool ipv4 = exchange->family == AF_INET;
	const int on = 1;

	if (exchange->role == EXCHANGE_CLIENT &&
	    (ipv4 || exchange->family == AF_INET6))
		exchange->hears_errors = setsockopt(exchange->fd,
		    ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
		    ipv4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on)) == 0;
#else
	(void)exchange;
#endif
}

static void
open_watches(struct exchange *exchange)
{
	const struct options *options = exchange->options;

	exchange->input_watch = (struct watch){
		.fd = exchange->input.channel.fd, .ready = input_ready,
	};
	exchange->output_watch = (struct watch){
		.fd = exchange->output.channel.fd, .ready = output_ready,
	};
	exchange->socket_watch = (struct watch){
		.fd = exchange->fd, .ready = socket_ready,
	};
	exchange->idle.expired = idle_expired;
	exchange->quit.expired = quit_expired;
	exchange->pause.expired = pause_expired;
	exchange->foreground.expired = foreground_expired;
	exchange->finish.expired = finish_expired;
	/* A listener of datagrams never ends by itself: -w is not for it. */
	exchange->idle_limit = options->idle_timeout;
	if (exchange->role != EXCHANGE_LISTENER &&
	    options->idle_quiet < options->idle_timeout)
		exchange->idle_limit = options->idle_quiet;
	if (exchange->idle_limit == NEVER)
		return;
	exchange->last_moved = clock_now();
	loop_timer(exchange->loop, &exchange->idle,
		   clock_after(exchange->idle_limit));
}

/* The first steps: what is there to be sent is sent without waiting. */
static void
open_lanes(struct exchange *exchange, bool accepted)
{
	const struct options *options = exchange->options;

	exchange->receives_left = options->max_packets;
	exchange->up = options->recv_only ? LANE_DONE : LANE_INPUT;
	exchange->down = LANE_INPUT;
	if (channel_in_foreground(&exchange->input.channel))
		up_run(exchange);
	exchange->defer_end = accepted && exchange->up == LANE_DONE &&
	    !exchange->sent;
	exchange_step(exchange);
}

struct exchange *
exchange_start(struct loop *loop, const struct exchange_request *request)
{
	const struct options *options = request->options;
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	struct frame_reader reader;

	if (exchange == NULL) {
		(void)close(request->fd);
		return NULL;
	}
	exchange->options = options;
	exchange->loop = loop;
	exchange->role = request->role;
	exchange->family = request->family;
	exchange->to.peer = request->peer;
	exchange->to_known = request->role != EXCHANGE_LISTENER;
	exchange->ended = request->ended;
	exchange->owner = request->owner;
	exchange->fd = request->fd;
	exchange->retry_until = clock_after(options->retry_for == NEVER ? 0 :
					    options->retry_for);
	exchange->socket = open_socket(request);
	if (exchange->socket == NULL) {
		exchange_free(exchange);
		return NULL;
	}
	if (!request->shared)
		hear_errors(exchange);
	reader = reader_of(exchange);
	output_open(&exchange->output, request->output, options->framing,
		    options->show_peer ? &exchange->to.peer : NULL);
	if (input_open(&exchange->input, request->input, &reader,
		       options->crlf) == -1) {
		exchange_free(exchange);
		return NULL;
	}
	exchange->input.lost = input_lost;
	exchange->input.owner = exchange;
	open_watches(exchange);
	open_lanes(exchange, request->accepted);
	return exchange;
}

struct outcome
exchange_expire(struct exchange *exchange, const char *limit)
{
	if (!exchange_tell_undelivered(exchange, limit) &&
	    exchange->outcome.status == 0 && exchange->outcome.signal == 0)
		diag_error("%s", limit);
	exchange_fail(exchange, outcome_of(CAUSE_TIMED_OUT));
	return exchange->outcome;
}

void
exchange_free(struct exchange *exchange)
{
	if (exchange == NULL)
		return;
	loop_unwatch(exchange->loop, &exchange->input_watch);
	loop_unwatch(exchange->loop, &exchange->output_watch);
	loop_unwatch(exchange->loop, &exchange->socket_watch);
	loop_timer(exchange->loop, &exchange->quit, NEVER);
	loop_timer(exchange->loop, &exchange->idle, NEVER);
	loop_timer(exchange->loop, &exchange->pause, NEVER);
	loop_timer(exchange->loop, &exchange->foreground, NEVER);
	loop_timer(exchange->loop, &exchange->finish, NEVER);
	msgsock_free(exchange->socket);
	(void)close(exchange->fd);
	free(exchange->last.data);
	input_free(&exchange->input);
	output_free(&exchange->output);
	free(exchange);
}
