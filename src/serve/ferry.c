/*
 * ferry.c: messages between one client and what stands behind, both ways
 *
 * Theory of operation. There are two ways (way.h). What comes from behind is
 * read here, and only while the way to the client holds nothing: a client that
 * is slow makes its own back-end wait. What the client sends is given to us. A
 * front that is alone is read only while the way up holds nothing; where many
 * share it that would make all wait for one, so that way is bounded.
 *
 * Ends. A seqpacket socket has one in each direction, which is passed on when
 * all before it is sent. Datagrams have none: when the other side has ended,
 * more is waited for as a client of datagrams does (exchange.c). Where many
 * share the front, it is over with the back-end's end; or with the program's,
 * once what it said is on its way.
 */
#include "serve/ferry.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "serve/front.h"
#include "serve/run.h"

/* How long one more message is waited for from a side that has no end. */
#define REPLY_WINDOW (1 * SECOND)

/* How long a program may go on after the end of its input. */
#define PROGRAM_PATIENCE (2 * SECOND)

/* How often to try again where poll(2) cannot tell when it is worth it. */
#define RETRY_PAUSE (10 * MILLISECOND)

/* Batches moved before others get a turn. */
#define FERRY_TURNS 8

static void ferry_settle(struct ferry *ferry);

static const struct options *
options_of(const struct ferry *ferry)
{
	return ferry->front->run->options;
}

static struct loop *
loop_of(const struct ferry *ferry)
{
	return ferry->front->run->loop;
}

size_t
ferry_held(const struct ferry *ferry)
{
	return ferry->up.queue.count + ferry->down.queue.count;
}

static void
ferry_fail(struct ferry *ferry, enum cause cause)
{
	if (ferry->outcome.status == 0)
		ferry->outcome = outcome_of(cause);
}

/*
 * Ends
 */

/* Each message that was lost has been told; and those that never left? */
static void
tell_lost(struct ferry *ferry)
{
	uint64_t lost = ferry->up.lost + ferry->down.lost;
	uint64_t dropped = ferry->up.dropped + ferry->down.dropped;

	if (ferry->front->alone && lost > 1)
		diag_error("%" PRIu64 " messages lost", lost);
	if (lost > 0)
		ferry_fail(ferry, CAUSE_LOCAL);
	if (dropped > 0 && options_of(ferry)->verbose > 0)
		diag_note("%" PRIu64 " messages dropped: they were not taken "
			  "in time", dropped);
}

static void
ferry_over(struct ferry *ferry)
{
	if (ferry->is_over)
		return;
	ferry->is_over = true;
	loop_unwatch(loop_of(ferry), &ferry->watch);
	loop_timer(loop_of(ferry), &ferry->retry, NEVER);
	loop_timer(loop_of(ferry), &ferry->quit, NEVER);
	tell_lost(ferry);
	ferry->over(ferry, ferry->outcome);
}

static void
connection_broke(struct ferry *ferry, const char *name, int error)
{
	diag_error("connection to %s broke: %s", name, diag_strerror(error));
	ferry_fail(ferry, cause_of_errno(error));
}

static void
send_failed(struct ferry *ferry, const struct way *way)
{
	char text[ADDRESS_TEXT];

	diag_error("send to %s failed: %s", way_name(way, text),
		   diag_strerror(way->error));
	ferry_fail(ferry, cause_of_errno(way->error));
}

/* One side has ended: for how long more of the other is waited for. */
static void
wait_for_rest(struct ferry *ferry, int64_t asked, bool other_ends)
{
	const struct options *options = options_of(ferry);
	int64_t time = asked;

	if (asked == NEVER && !other_ends) {
		ferry->window = options->idle_quiet != NEVER ?
		    options->idle_quiet : REPLY_WINDOW;
		time = ferry->window;
	}
	if (time != NEVER && !ferry->quit.set)
		loop_timer(loop_of(ferry), &ferry->quit, clock_after(time));
}

/* The client will send no more: a program has to come to its end. */
static void
end_program(struct ferry *ferry)
{
	if (!ferry->client_ended)
		loop_timer(loop_of(ferry), &ferry->quit,
			   clock_after(PROGRAM_PATIENCE));
	ferry->client_ended = true;
}

/* What the client sends comes to its end, or cannot be delivered. */
static void
settle_up(struct ferry *ferry)
{
	if (ferry->up_over)
		return;
	if (ferry->up.state == WAY_BROKEN) {
		ferry->up_over = true;
		send_failed(ferry, &ferry->up);
	} else if (ferry->backend_gone) {
		ferry->up_over = true;
	} else if (ferry->client_ended && !way_holds(&ferry->up)) {
		ferry->up_over = true;
		backend_end_input(&ferry->backend);
		if (ferry->front->alone)
			wait_for_rest(ferry, options_of(ferry)->peer_quit,
				      ferry->backend.ends);
	}
}

/* The same for what comes from behind. */
static void
settle_down(struct ferry *ferry)
{
	const struct front *front = ferry->front;

	if (ferry->down_over)
		return;
	if (ferry->down.state == WAY_BROKEN) {
		ferry->down_over = true;
		/* Of many, one that is gone has no need of its answer. */
		if (front->alone)
			send_failed(ferry, &ferry->down);
		else
			end_program(ferry);
	} else if (ferry->client_gone) {
		ferry->down_over = true;
	} else if (ferry->backend_ended && !way_holds(&ferry->down)) {
		ferry->down_over = true;
		if (front->ends && !options_of(ferry)->no_shutdown)
			(void)shutdown(front->connection.fd, SHUT_WR);
		if (front->alone)
			wait_for_rest(ferry, options_of(ferry)->quit_after,
				      front->ends);
	}
}

/* Whether a way is broken to a side that has no end to wait for. */
static bool
is_cut_off(const struct ferry *ferry)
{
	return (ferry->up.state == WAY_BROKEN && !ferry->backend.ends) ||
	    (ferry->down.state == WAY_BROKEN && !ferry->front->ends);
}

static bool
has_come_to_end(const struct ferry *ferry)
{
	if (ferry->backend.is_program)
		return ferry->program_ended && ferry->down_over;
	if (is_cut_off(ferry))
		return true;
	return ferry->down_over && (ferry->up_over || !ferry->front->alone);
}

/*
 * The back-end's side
 */

static bool
reads_backend(const struct ferry *ferry)
{
	return ferry->backend.socket != NULL && !ferry->backend_ended &&
	    !ferry->down_over && !way_holds(&ferry->down);
}

static void
ferry_moved(struct ferry *ferry)
{
	if (ferry->window != 0)
		loop_timer(loop_of(ferry), &ferry->quit,
			   clock_after(ferry->window));
	ferry->moved(ferry);
}

static void
pass_down(struct ferry *ferry, const struct received *received, size_t count)
{
	struct message batch[MSGSOCK_BATCH];
	size_t i;

	if (ferry->mute)
		return;
	for (i = 0; i < count; i++)
		batch[i] = received[i].message;
	(void)way_send(&ferry->down, batch, count);
}

/* The back-end's end, or what stands for it. */
static void
backend_over(struct ferry *ferry)
{
	ferry->backend_ended = true;
	if (ferry->broken == 0)
		return;
	connection_broke(ferry, ferry->up.name, ferry->broken);
	ferry->backend_gone = true;
}

/* Reading failed. Returns whether there may be more to read. */
static bool
receive_failed(struct ferry *ferry, int error)
{
	if (error == EMSGSIZE) {
		diag_error("a message of %s was lost: %s", ferry->up.name,
			   diag_strerror(error));
		ferry->up.lost++;
		return true;
	}
	/* What came before a reset is there, behind its error. */
	if (ferry->backend.ends && ferry->broken == 0) {
		ferry->broken = error;
		return true;
	}
	ferry->broken = error;
	backend_over(ferry);
	return false;
}

/* Moves a batch; returns whether there may be another. */
static bool
receive_batch(struct ferry *ferry)
{
	struct msgsock *socket = ferry->backend.socket;
	const struct received *received;
	size_t count;

	switch (msgsock_receive(socket, &received, &count)) {
	case MSGSOCK_MOVED:
		break;
	case MSGSOCK_FAIL:
		return receive_failed(ferry, errno);
	case MSGSOCK_AGAIN:
	case MSGSOCK_BEHIND:
		/* Nobody is left who could say more. */
		if (ferry->program_ended)
			backend_over(ferry);
		return false;
	case MSGSOCK_END:
		backend_over(ferry);
		return false;
	}
	pass_down(ferry, received, count);
	ferry_moved(ferry);
	return msgsock_more(socket) || ferry->program_ended;
}

static void
ferry_receive(struct ferry *ferry)
{
	unsigned turn;

	for (turn = 0; turn < FERRY_TURNS && reads_backend(ferry); turn++)
		if (!receive_batch(ferry))
			return;
}

static void
backend_readable(struct watch *watch, short events)
{
	struct ferry *ferry = container_of(watch, struct ferry, watch);

	if ((events & ~POLLOUT) != 0) {
		if (ferry->backend_ended)
			ferry->backend_gone = true;
		ferry_receive(ferry);
	}
	if (ferry->up.state == WAY_ROOM)
		way_flush(&ferry->up);
	ferry_settle(ferry);
}

static void
ferry_watch(struct ferry *ferry)
{
	bool hang_up = ferry->backend.ends && ferry->backend_ended &&
	    !ferry->up_over;
	short events = 0;

	if (reads_backend(ferry))
		events |= POLLIN;
	if (ferry->up.state == WAY_ROOM)
		events |= POLLOUT;
	if (events == 0 && !hang_up)
		loop_unwatch(loop_of(ferry), &ferry->watch);
	else
		loop_watch(loop_of(ferry), &ferry->watch, events);
	if ((ferry->up.state == WAY_PAUSE || ferry->down.state == WAY_PAUSE) &&
	    !ferry->retry.set)
		loop_timer(loop_of(ferry), &ferry->retry,
			   clock_after(RETRY_PAUSE));
}

/* Sees what the last events have led to. */
static void
ferry_settle(struct ferry *ferry)
{
	if (ferry->is_over)
		return;
	settle_down(ferry);
	settle_up(ferry);
	if (has_come_to_end(ferry)) {
		ferry_over(ferry);
		return;
	}
	ferry_watch(ferry);
	ferry->settled(ferry);
}

static void
retry_expired(struct timer *timer)
{
	struct ferry *ferry = container_of(timer, struct ferry, retry);

	if (ferry->up.state == WAY_PAUSE)
		way_flush(&ferry->up);
	if (ferry->down.state == WAY_PAUSE)
		way_flush(&ferry->down);
	ferry_settle(ferry);
}

static void
quit_expired(struct timer *timer)
{
	struct ferry *ferry = container_of(timer, struct ferry, quit);
	size_t held = ferry_held(ferry);

	/* The wait for more is for what is still to come. */
	if (held > 0 && ferry->window != 0) {
		loop_timer(loop_of(ferry), timer, clock_after(ferry->window));
		return;
	}
	if (held > 0 && ferry->front->alone) {
		diag_error("time to quit: %zu messages not sent", held);
		ferry_fail(ferry, CAUSE_TIMED_OUT);
	}
	ferry_over(ferry);
}

/*
 * Opening
 */

static void
backend_is_ready(struct backend *backend, enum cause cause)
{
	struct ferry *ferry = container_of(backend, struct ferry, backend);

	if (ferry->is_over)
		return;
	if (cause != CAUSE_NONE) {
		ferry_fail(ferry, cause);
		ferry_over(ferry);
		return;
	}
	ferry->watch.fd = backend->fd;
	ferry->up.socket = backend->socket;
	ferry->up.to = backend->to;
	way_flush(&ferry->up);
	ferry_settle(ferry);
}

/*
 * What the program has not read is for the next one. Unless it has read
 * nothing at all: nor would the next.
 */
static void
take_unread(struct ferry *ferry)
{
	struct msgqueue unread = { .count = 0 };

	if (ferry->client_ended)
		return;
	backend_take_unread(&ferry->backend, &unread);
	if (unread.count < ferry->up.sent) {
		msgqueue_move(&unread, &ferry->up.queue);
		msgqueue_move(&ferry->up.queue, &unread);
	} else {
		ferry->up.dropped += unread.count + ferry->up.queue.count;
		msgqueue_clear(&unread);
		msgqueue_clear(&ferry->up.queue);
	}
}

static void
program_has_ended(struct backend *backend, int status)
{
	struct ferry *ferry = container_of(backend, struct ferry, backend);

	if (ferry->is_over)
		return;
	ferry->program_ended = true;
	ferry->outcome.status = status;
	loop_timer(loop_of(ferry), &ferry->quit,
		   clock_after(PROGRAM_PATIENCE));
	take_unread(ferry);
	ferry_receive(ferry);
	ferry_settle(ferry);
}

/* The address that the client spoke to, with the port, which PKTINFO lacks. */
static struct address
address_spoken_to(const struct ferry *ferry)
{
	struct address own = { .length = sizeof(own.storage) };
	struct address spoken = ferry->client.local;

	if (getsockname(ferry->front->connection.fd, &own.sa,
			&own.length) == -1)
		return spoken;
	address_unmap(&own);
	if (spoken.length == 0)
		return own;
	address_set_port(&spoken, address_port(&own));
	return spoken;
}

static int
start_program(struct ferry *ferry)
{
	struct address local = address_spoken_to(ferry);

	if (backend_run_program(&ferry->backend, &ferry->front->connection,
				&ferry->client.peer, &local) == -1)
		return -1;
	ferry->watch.fd = ferry->backend.fd;
	ferry->up.socket = ferry->backend.socket;
	loop_watch(loop_of(ferry), &ferry->watch, POLLIN);
	return 0;
}

static void
open_ways(struct ferry *ferry)
{
	const struct front *front = ferry->front;
	int family = front->connection.family;
	const struct address *peer = &ferry->client.peer;
	char text[ADDRESS_TEXT];

	ferry->up.bounded = !front->alone;
	ferry->down.socket = front->socket;
	if (front->alone)
		ferry->down.name = front->name;
	if (peer->length > 0)
		ferry->down.to = &ferry->client;
	/* A Unix socket without a peer of its own is always writable. */
	ferry->down.blind = ferry->down.to != NULL && family == AF_UNIX;
	ferry->down.enduring = !front->alone && family != AF_UNIX;
	ferry->mute = !front->alone && (peer->length == 0 ||
	    (family == AF_UNIX && address_host(peer, text)[0] == '\0'));
}

int
ferry_start(struct ferry *ferry)
{
	const struct options *options = options_of(ferry);

	backend_init(&ferry->backend, ferry->front->run);
	ferry->backend.ready = backend_is_ready;
	ferry->backend.ended = program_has_ended;
	ferry->watch.ready = backend_readable;
	ferry->retry.expired = retry_expired;
	ferry->quit.expired = quit_expired;
	open_ways(ferry);
	if (options->to_text != NULL) {
		ferry->up.name = options->to_text;
		return backend_dial(&ferry->backend,
				    &ferry->front->connection);
	}
	ferry->up.name = "the program";
	return start_program(ferry);
}

/*
 * The client's side
 */

size_t
ferry_take(struct ferry *ferry, const struct message *messages, size_t count)
{
	size_t taken;

	if (ferry->is_over || ferry->up_over || ferry->program_ended)
		return 0;
	taken = way_send(&ferry->up, messages, count);
	ferry_moved(ferry);
	ferry_settle(ferry);
	return taken;
}

int
ferry_wants(const struct ferry *ferry)
{
	const struct front *front = ferry->front;
	int events = 0;

	if (front->alone && ferry->up.socket != NULL && !ferry->up_over &&
	    !ferry->client_ended && !way_holds(&ferry->up))
		events |= POLLIN;
	if (ferry->down.state == WAY_ROOM)
		events |= POLLOUT;
	if (events != 0)
		return events;
	return front->ends && ferry->client_ended && !ferry->down_over ?
	    0 : -1;
}

void
ferry_room(struct ferry *ferry)
{
	if (ferry->down.state == WAY_ROOM)
		way_flush(&ferry->down);
	ferry_settle(ferry);
}

void
ferry_client_ended(struct ferry *ferry)
{
	ferry->client_ended = true;
	if (ferry->client_broken != 0) {
		connection_broke(ferry, ferry->front->name,
				 ferry->client_broken);
		ferry->client_gone = true;
	}
	ferry_settle(ferry);
}

void
ferry_client_gone(struct ferry *ferry)
{
	ferry->client_gone = true;
	ferry_settle(ferry);
}

bool
ferry_client_failed(struct ferry *ferry, int error)
{
	/* What came before a reset is there, behind its error. */
	if (ferry->front->ends && ferry->client_broken == 0) {
		ferry->client_broken = error;
		return true;
	}
	connection_broke(ferry, ferry->front->name, error);
	ferry_over(ferry);
	return false;
}

struct msgqueue *
ferry_unread(struct ferry *ferry)
{
	return &ferry->up.queue;
}

void
ferry_finish(struct ferry *ferry)
{
	if (!ferry->backend.is_program || ferry->client_ended) {
		ferry_over(ferry);
		return;
	}
	end_program(ferry);
	ferry_settle(ferry);
}

void
ferry_close(struct ferry *ferry)
{
	loop_unwatch(loop_of(ferry), &ferry->watch);
	loop_timer(loop_of(ferry), &ferry->retry, NEVER);
	loop_timer(loop_of(ferry), &ferry->quit, NEVER);
	backend_close(&ferry->backend);
	msgqueue_clear(&ferry->up.queue);
	msgqueue_clear(&ferry->down.queue);
}
