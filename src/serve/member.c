/*
 * member.c: one client of a hub: what is to be sent to it, and its end
 *
 * Theory of operation. What is sent goes to the socket at once; what the
 * socket does not take waits in a queue that exists only so long. When another
 * piece might not fit in, the member is full: its hub then sends nothing to
 * anybody, so that nothing is lost, but not for long. A member that is full
 * has a second to take half of what waits; one that does not is reset, so
 * that it sees that something is missing.
 *
 * It ends as a session does (session.c): when both directions are over it
 * lingers until the peer has acknowledged everything.
 */
#include "serve/member.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "net/connection.h"
#include "serve/run.h"

/* What may wait; that much more would not fit in makes a member full. */
#define QUEUE_MOST ((size_t)1024 * 1024)
#define QUEUE_FULL (QUEUE_MOST - MEMBER_PIECE - sizeof(size_t))

/* How long a member may be full. */
#define FULL_LIMIT (1 * SECOND)

#ifdef TCP_KEEPIDLE
/* Seconds between two questions whether a member is still there. */
static const int probe_pause = 5;
#endif

const char *
member_name(const struct member *member, char *text)
{
	address_text(&member->peer, text);
	return text[0] != '\0' ? text : "a client";
}

static void
member_fail(struct member *member, enum cause cause)
{
	member->told = true;
	if (member->outcome.status == 0)
		member->outcome = outcome_of(cause);
}

/* Remembers that something moved, where somebody wants to know. */
static void
member_moved(struct member *member)
{
	if (member->idle_limit == NEVER)
		return;
	member->last_moved = clock_now();
	member->unacknowledged = linger_unacknowledged(&member->linger);
}

uint64_t
member_undelivered(const struct member *member)
{
	uint64_t queued;

	if (member->phase == MEMBER_OVER)
		return 0;
	queued = linger_unacknowledged(&member->linger);
	/* The half-close stands in the queue, too, as if it were a byte. */
	if (queued > 0 && member->half_closed)
		queued--;
	return queue_held(&member->queue) + queued;
}

bool
member_takes(const struct member *member)
{
	return member->phase == MEMBER_OPEN && !member->ending;
}

static void
member_set_full(struct member *member, bool full)
{
	if (member->full == full)
		return;
	member->full = full;
	loop_timer(member->local.run->loop, &member->stalled, full ?
		   clock_after(FULL_LIMIT) : NEVER);
	member->events->changed(member);
}

/* Nothing can be sent any more: what waits is lost. */
static void
member_stop_sending(struct member *member)
{
	queue_discard(&member->queue);
	member->ending = member->half_closed = true;
	member_set_full(member, false);
	member->events->changed(member);
}

/* The connection broke, says `error`; how much was lost with it is told. */
static void
member_broke(struct member *member, int error)
{
	uint64_t lost = member_undelivered(member);
	char name[ADDRESS_TEXT];

	if (!member->told && lost > 0)
		diag_error("connection to %s broke: %s (%" PRIu64
			   " bytes not sent)", member_name(member, name),
			   diag_strerror(error), lost);
	else if (!member->told)
		diag_error("connection to %s broke: %s",
			   member_name(member, name), diag_strerror(error));
	member_fail(member, cause_of_errno(error));
	member_stop_sending(member);
	/* Where it is our own memory that failed the socket is still alive. */
	(void)shutdown(member->channel.fd, SHUT_RDWR);
}

/* One message is lost, which is no reason to end. */
static void
member_lost_message(struct member *member, size_t length)
{
	char name[ADDRESS_TEXT];

	diag_error("message of %zu bytes to %s is too long for the socket, "
		   "which takes %zu", length, member_name(member, name),
		   msgsock_most(member->messages));
}

/* Sends a message, as channel_write() does bytes: all of it or nothing. */
static enum moved
member_put_message(struct member *member, const unsigned char *data,
		   size_t length, size_t *put)
{
	const struct message message = {
		.data = (unsigned char *)(uintptr_t)data, .length = length,
	};
	size_t sent;

	*put = length;
	switch (msgsock_send(member->messages, NULL, &message, 1, &sent)) {
	case MSGSOCK_MOVED:
		return MOVED;
	case MSGSOCK_AGAIN:
	case MSGSOCK_BEHIND:
	case MSGSOCK_END:
		return AGAIN;
	case MSGSOCK_FAIL:
		break;
	}
	if (errno != EMSGSIZE)
		return FAIL;
	member_lost_message(member, length);
	return MOVED;
}

static enum moved
member_put(struct member *member, const unsigned char *data, size_t length,
	   size_t *put)
{
	enum moved moved = member->messages != NULL ?
	    member_put_message(member, data, length, put) :
	    channel_write(&member->channel, data, length, put);

	if (moved == MOVED)
		member_moved(member);
	return moved;
}

/* Sends what waits, or some of it. Returns as channel_write(). */
static enum moved
member_put_queue(struct member *member)
{
	struct queue *queue = &member->queue;
	const unsigned char *data = queue->data + queue->start;
	size_t length = queue_held(queue), before = 0, put;
	enum moved moved;

	if (member->messages != NULL) {
		before = sizeof(length);
		memcpy(&length, data, before);
	}
	moved = member_put(member, data + before, length, &put);
	if (moved == MOVED)
		queue_take(queue, before + put);
	return moved;
}

static void
member_drain(struct member *member)
{
	enum moved moved = MOVED;

	while (moved == MOVED && queue_held(&member->queue) > 0)
		moved = member_put_queue(member);
	if (moved == FAIL)
		member_broke(member, errno);
	if (queue_held(&member->queue) <= QUEUE_FULL / 2)
		member_set_full(member, false);
}

/* Lets it wait. */
static void
member_enqueue(struct member *member, const unsigned char *data,
	       size_t length)
{
	struct queue *queue = &member->queue;

	if (queue_reserve(queue, sizeof(length) + length) == -1) {
		member_broke(member, errno);
		return;
	}
	if (member->messages != NULL)
		queue_add(queue, &length, sizeof(length));
	queue_add(queue, data, length);
	if (queue_held(queue) > QUEUE_FULL)
		member_set_full(member, true);
}

/* What is waited for now. */
static void
member_watch(struct member *member)
{
	struct loop *loop = member->local.run->loop;
	short events = 0;

	if (!member->peer_ended && (!member->held || member->quitting))
		events |= POLLIN;
	if (queue_held(&member->queue) > 0)
		events |= POLLOUT;
	/* With no events, a hang-up is reported all the same: once. */
	if (events == 0 && member->hung_up)
		loop_unwatch(loop, &member->watch);
	else
		loop_watch(loop, &member->watch, events);
}

void
member_send(struct member *member, const unsigned char *data, size_t length)
{
	size_t put = 0;

	member->fresh = false;
	if (queue_held(&member->queue) > 0) {
		member_enqueue(member, data, length);
		return;
	}
	switch (member_put(member, data, length, &put)) {
	case MOVED:
		/* A socket that did not take all will take nothing now. */
		if (put == length)
			return;
		member_enqueue(member, data + put, length - put);
		break;
	case AGAIN:
	case END:
		member_enqueue(member, data, length);
		break;
	case FAIL:
		member_broke(member, errno);
		break;
	}
	member_watch(member);
}

enum moved
member_read(struct member *member, void *data, size_t size, size_t *got)
{
	enum moved moved = channel_read(&member->channel, data, size, got);

	if (moved == MOVED)
		member_moved(member);
	if (moved == FAIL)
		member_broke(member, errno);
	if (moved == FAIL || moved == END)
		member->peer_ended = true;
	return moved;
}

enum moved
member_receive(struct member *member, const struct received **received,
	       size_t *count)
{
	switch (msgsock_receive(member->messages, received, count)) {
	case MSGSOCK_MOVED:
		member_moved(member);
		return MOVED;
	case MSGSOCK_AGAIN:
	case MSGSOCK_BEHIND:
		return AGAIN;
	case MSGSOCK_END:
		member->peer_ended = true;
		return END;
	case MSGSOCK_FAIL:
		break;
	}
	member_broke(member, errno);
	member->peer_ended = true;
	return FAIL;
}

/* Its end: the hub is told once, and has the struct until it finishes it. */
static void
member_over(struct member *member)
{
	struct loop *loop = member->local.run->loop;

	if (member->phase == MEMBER_OVER)
		return;
	queue_discard(&member->queue);
	member_set_full(member, false);
	member->phase = MEMBER_OVER;
	linger_stop(&member->linger);
	loop_unwatch(loop, &member->watch);
	loop_timer(loop, &member->stalled, NEVER);
	loop_timer(loop, &member->quit, NEVER);
	loop_timer(loop, &member->idle, NEVER);
	(void)close(member->channel.fd);
	member->channel.fd = -1;
	member->events->changed(member);
	member->events->over(member);
}

void
member_abandon(struct member *member)
{
	if (member->phase == MEMBER_OVER)
		return;
	/* No orderly end: what is missing would not be missed. */
	linger_reset(member->channel.fd);
	member_over(member);
}

void
member_give_up(struct member *member, const char *limit)
{
	uint64_t undelivered = member_undelivered(member);
	char name[ADDRESS_TEXT];

	if (undelivered == 0) {
		member_over(member);
		return;
	}
	if (!member->told)
		diag_error("connection to %s ended: %s (%" PRIu64
			   " bytes not sent)", member_name(member, name),
			   limit, undelivered);
	member_fail(member, CAUSE_TIMED_OUT);
	member_abandon(member);
}

/* Both directions are over: half-close, then wait for acknowledgements. */
static void
member_linger(struct member *member)
{
	struct loop *loop = member->local.run->loop;

	if (member->told) {
		member_over(member);
		return;
	}
	member->phase = MEMBER_LINGER;
	loop_unwatch(loop, &member->watch);
	loop_timer(loop, &member->quit, NEVER);
	member->events->changed(member);
	if (!member->local.run->options->no_shutdown && !member->half_closed) {
		member->half_closed = true;
		(void)shutdown(member->channel.fd, SHUT_WR);
	}
	linger_start(&member->linger, member->peer_ended || member->hung_up,
		     NEVER);
}

static void
linger_ended(struct lingering *linger, enum linger_end end, int error)
{
	struct member *member = container_of(linger, struct member, linger);

	if (end == LINGER_BROKE)
		member_broke(member, error);
	member_over(member);
}

/* The peer has ended, and is gone: what is for it goes nowhere. */
static void
member_gone(struct member *member)
{
	int error = 0;
	socklen_t length = sizeof(error);

	(void)getsockopt(member->channel.fd, SOL_SOCKET, SO_ERROR, &error,
			 &length);
	/* A Unix socket whose peer read all that was sent has no error. */
	if (error == 0)
		error = EPIPE;
	if (member_undelivered(member) > 0)
		member_broke(member, error);
	else
		member_stop_sending(member);
}

void
member_settle(struct member *member)
{
	if (member->phase != MEMBER_OPEN)
		return;
	if (member->peer_ended && member->hung_up && !member->half_closed)
		member_gone(member);
	if (queue_held(&member->queue) == 0 && member->ending &&
	    (member->peer_ended || member->quitting)) {
		member_linger(member);
		return;
	}
	if (queue_held(&member->queue) == 0 && member->ending &&
	    !member->half_closed &&
	    !member->local.run->options->no_shutdown) {
		member->half_closed = true;
		(void)shutdown(member->channel.fd, SHUT_WR);
	}
	member_watch(member);
}

void
member_end(struct member *member)
{
	member->ending = true;
	member->events->changed(member);
}

void
member_quit_after(struct member *member, int64_t time)
{
	loop_timer(member->local.run->loop, &member->quit, clock_after(time));
}

void
member_probe(struct member *member)
{
	const int on = 1;
	int is_on = 0;
	socklen_t length = sizeof(is_on);

	(void)getsockopt(member->channel.fd, SOL_SOCKET, SO_KEEPALIVE, &is_on,
			 &length);
	if (is_on || member->peer.sa.sa_family == AF_UNIX)
		return;
	/* Once its kernel has forgotten it, that resets (RFC 9293, 3.5.2). */
	(void)setsockopt(member->channel.fd, SOL_SOCKET, SO_KEEPALIVE, &on,
			 sizeof(on));
#ifdef TCP_KEEPIDLE
	(void)setsockopt(member->channel.fd, IPPROTO_TCP, TCP_KEEPIDLE,
			 &probe_pause, sizeof(probe_pause));
	(void)setsockopt(member->channel.fd, IPPROTO_TCP, TCP_KEEPINTVL,
			 &probe_pause, sizeof(probe_pause));
#endif
}

void
member_quit(struct member *member)
{
	member->quitting = true;
	member_end(member);
}

/* While the rest is sent: a peer stuck in writing would not read it. */
static void
member_discard(struct member *member)
{
	int error = linger_discard(&member->linger);

	if (error != 0)
		member_broke(member, error);
	member->peer_ended = member->linger.no_more;
}

static void
member_ready(struct watch *watch, short events)
{
	struct member *member = container_of(watch, struct member, watch);
	const short gone = POLLERR | POLLHUP | POLLNVAL;

	if ((events & gone) != 0)
		member->hung_up = true;
	if ((events & (POLLOUT | gone)) != 0 &&
	    queue_held(&member->queue) > 0)
		member_drain(member);
	if ((events & (POLLIN | gone)) != 0 && !member->peer_ended) {
		if (member->quitting)
			member_discard(member);
		else if (!member->held)
			member->events->readable(member);
	}
	member_settle(member);
}

static void
stalled_expired(struct timer *timer)
{
	struct member *member = container_of(timer, struct member, stalled);

	member_give_up(member, "it takes too little of what is sent");
}

static void
quit_expired(struct timer *timer)
{
	struct member *member = container_of(timer, struct member, quit);

	if (member_undelivered(member) > 0) {
		member_give_up(member, "time to quit");
		return;
	}
	member_end(member);
	member_settle(member);
}

/* -w or --idle-timeout, the shorter of them. */
static int64_t
idle_limit(const struct options *options)
{
	return options->idle_quiet < options->idle_timeout ?
	    options->idle_quiet : options->idle_timeout;
}

/*
 * From the last byte that moved in either direction; one that the peer has
 * acknowledged has moved, too.
 */
static void
idle_expired(struct timer *timer)
{
	struct member *member = container_of(timer, struct member, idle);
	const struct options *options = member->local.run->options;
	bool quiet = member->idle_limit == options->idle_quiet;
	char name[ADDRESS_TEXT];

	/* One that waits to be read is not to blame. */
	if (member->held ||
	    linger_unacknowledged(&member->linger) != member->unacknowledged)
		member_moved(member);
	if (member->last_moved + member->idle_limit > clock_now()) {
		loop_timer(member->local.run->loop, timer,
			   member->last_moved + member->idle_limit);
		return;
	}
	if (member_undelivered(member) == 0 && !quiet) {
		if (!member->told)
			diag_error("connection to %s ended: nothing moved "
				   "for the --idle-timeout",
				   member_name(member, name));
		member_fail(member, CAUSE_TIMED_OUT);
	}
	member_give_up(member, quiet ? "idle time (-w) ran out" :
		       "--idle-timeout ran out");
}

static void
finish_expired(struct timer *timer)
{
	struct member *member = container_of(timer, struct member, finish);

	member->local.ended(member->local.owner, member->outcome);
}

void
member_finish(struct member *member)
{
	/* From the loop: the owner may free us, and may be our own caller. */
	loop_timer(member->local.run->loop, &member->finish, 0);
}

static struct outcome
member_expire(struct local *local, const char *limit)
{
	struct member *member = container_of(local, struct member, local);

	if (member_undelivered(member) == 0 && !member->told)
		diag_error("%s", limit);
	member_give_up(member, limit);
	return outcome_of(CAUSE_TIMED_OUT);
}

static void
member_local_free(struct local *local)
{
	member_free(container_of(local, struct member, local));
}

static const struct local_kind member_kind = {
	member_expire, member_local_free,
};

static void
member_open_timers(struct member *member)
{
	struct loop *loop = member->local.run->loop;

	member->watch = (struct watch){
		.fd = member->channel.fd, .ready = member_ready,
	};
	member->stalled.expired = stalled_expired;
	member->quit.expired = quit_expired;
	member->idle.expired = idle_expired;
	member->finish.expired = finish_expired;
	member->linger.ended = linger_ended;
	member->idle_limit = idle_limit(member->local.run->options);
	member_moved(member);
	loop_timer(loop, &member->idle, clock_after(member->idle_limit));
}

static struct msgsock *
open_messages(const struct connection *connection)
{
	const struct msgsock_options how = {
		.connected = true, .ends = true, .checksum_offset = -1,
	};

	return msgsock_new(connection->fd, connection->family,
			   connection->type, connection->protocol, &how);
}

struct member *
member_new(const struct local_request *request,
	   const struct member_events *events, void *hub)
{
	const struct connection *connection = request->connection;
	struct member *member = calloc(1, sizeof(*member));

	if (member == NULL) {
		(void)close(connection->fd);
		return NULL;
	}
	local_open(&member->local, &member_kind, request);
	member->events = events;
	member->hub = hub;
	member->peer = connection->peer;
	channel_socket(&member->channel, connection->fd);
	linger_open(&member->linger, request->run->loop, connection->fd,
		    connection->family);
	ring_open(&member->all);
	ring_open(&member->waiting);
	member_open_timers(member);
	if (connection->type != SOCK_STREAM) {
		member->messages = open_messages(connection);
		if (member->messages == NULL) {
			member_free(member);
			return NULL;
		}
	}
	return member;
}

void
member_free(struct member *member)
{
	struct loop *loop = member->local.run->loop;

	ring_remove(&member->all);
	ring_remove(&member->waiting);
	linger_stop(&member->linger);
	loop_unwatch(loop, &member->watch);
	loop_timer(loop, &member->stalled, NEVER);
	loop_timer(loop, &member->quit, NEVER);
	loop_timer(loop, &member->idle, NEVER);
	loop_timer(loop, &member->finish, NEVER);
	if (member->channel.fd != -1)
		(void)close(member->channel.fd);
	msgsock_free(member->messages);
	queue_discard(&member->queue);
	line_free(&member->line);
	free(member);
}
