/*
 * flow.c: messages relayed: --to and programs on datagrams and seqpackets
 *
 * Theory of operation. A socket in front hears the clients; each has a flow,
 * which is a ferry (ferry.h) and its place in two orders. A table finds the
 * flow of a client by its address, and by the address of ours that it spoke
 * to, because answers leave from there. A list has the flows in the order in
 * which they last moved: from its start they end when they have idled for
 * long enough, and make way for new ones where there are too many. So what a
 * message costs does not depend on how many others are idle. A front that is
 * connected is the same with one flow, which is in no table.
 *
 * A flow that is over leaves all orders at once, and is freed from the loop,
 * because callers may still hold it.
 */
#include "serve/flow.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "net/connection.h"
#include "serve/ferry.h"
#include "serve/front.h"
#include "serve/peertable.h"
#include "serve/run.h"

/* How long a client of datagrams may be silent without --idle-timeout. */
#define FLOW_IDLE (60 * SECOND)

/* Messages that are handed over at once. */
#define FLOW_BATCH 64

/* Batches received before others get a turn. */
#define FLOW_TURNS 8

struct flow;

/* Flows, in the order in which they came into it. */
struct order {
	struct flow *oldest, *newest;
};

/* One client. */
struct flow {
	struct ferry ferry;
	struct flows *flows;
	struct peer_entry entry;
	struct order *order;	/* that it is in; NULL: over */
	struct flow *older, *newer;
	int64_t moved;
	/* Of those that wait for room in the front, next, and what points to
	 * this one. */
	struct flow *roomless, **roomless_link;
	struct flow *dead;	/* next of those to be freed */
};

struct flows {
	struct local local;
	struct front front;
	struct watch watch;		/* of the front */
	struct peertable table;
	struct order moving;		/* by when they last did */
	struct order finishing;		/* idled: waiting for programs */
	size_t count;			/* in both */
	struct flow *roomless, *dead;
	bool one;			/* there is one, and its end is ours */
	bool had_one;
	bool over;
	int64_t idle_limit;
	struct timer idle;
	struct timer bury;		/* frees the dead */
	struct timer finish;		/* calls `ended` from the loop */
	struct outcome outcome;
};

static struct loop *
loop_of(const struct flows *flows)
{
	return flows->local.run->loop;
}

static const struct options *
options_of(const struct flows *flows)
{
	return flows->local.run->options;
}

static void
flows_stop(struct flows *flows)
{
	loop_unwatch(loop_of(flows), &flows->watch);
	loop_timer(loop_of(flows), &flows->idle, NEVER);
}

static void
flows_end(struct flows *flows, struct outcome outcome)
{
	if (flows->over)
		return;
	flows->over = true;
	/* What was told first says why. */
	if (flows->outcome.status == 0)
		flows->outcome = outcome;
	flows_stop(flows);
	loop_timer(loop_of(flows), &flows->finish, 0);
}

static void
finish_expired(struct timer *timer)
{
	struct flows *flows = container_of(timer, struct flows, finish);

	flows->local.ended(flows->local.owner, flows->outcome);
}

/*
 * Orders
 */

static void
order_add(struct order *order, struct flow *flow)
{
	flow->order = order;
	flow->newer = NULL;
	flow->older = order->newest;
	if (flow->older != NULL)
		flow->older->newer = flow;
	else
		order->oldest = flow;
	order->newest = flow;
}

static void
order_remove(struct flow *flow)
{
	struct order *order = flow->order;

	if (flow->newer != NULL)
		flow->newer->older = flow->older;
	else
		order->newest = flow->older;
	if (flow->older != NULL)
		flow->older->newer = flow->newer;
	else
		order->oldest = flow->newer;
	flow->order = NULL;
}

/* The flow of who has but one. An idle one is finishing, and is still it. */
static struct flow *
only_flow(const struct flows *flows)
{
	return flows->moving.oldest != NULL ? flows->moving.oldest :
	    flows->finishing.oldest;
}

static void
roomless_remove(struct flow *flow)
{
	if (flow->roomless_link == NULL)
		return;
	*flow->roomless_link = flow->roomless;
	if (flow->roomless != NULL)
		flow->roomless->roomless_link = flow->roomless_link;
	flow->roomless_link = NULL;
}

static void
roomless_add(struct flows *flows, struct flow *flow)
{
	if (flow->roomless_link != NULL)
		return;
	flow->roomless = flows->roomless;
	flow->roomless_link = &flows->roomless;
	if (flow->roomless != NULL)
		flow->roomless->roomless_link = &flow->roomless;
	flows->roomless = flow;
}

/*
 * Idling
 */

static void
flow_moves(struct flow *flow)
{
	struct flows *flows = flow->flows;

	order_add(&flows->moving, flow);
	if (flows->idle_limit == NEVER)
		return;
	flow->moved = clock_now();
	if (!flows->idle.set && !flows->over)
		loop_timer(loop_of(flows), &flows->idle,
			   flow->moved + flows->idle_limit);
}

/* What it means to the run that its one flow has idled for too long. */
static void
tell_idle(struct flows *flows, const struct flow *flow)
{
	size_t held = ferry_held(&flow->ferry);

	if (held > 0)
		diag_error("idle time ran out: %zu messages not sent", held);
	else if (flows->idle_limit == options_of(flows)->idle_timeout)
		diag_error("nothing moved for the --idle-timeout");
	else
		return;		/* -w, or our own limit */
	flows->outcome = outcome_of(CAUSE_TIMED_OUT);
}

static void
flow_idled(struct flows *flows, struct flow *flow)
{
	if (flows->one)
		tell_idle(flows, flow);
	peertable_remove(&flows->table, &flow->entry);
	order_remove(flow);
	order_add(&flows->finishing, flow);
	ferry_finish(&flow->ferry);
}

static void
idle_expired(struct timer *timer)
{
	struct flows *flows = container_of(timer, struct flows, idle);
	const struct order *moving = &flows->moving;
	int64_t now = clock_now();

	while (moving->oldest != NULL &&
	       moving->oldest->moved + flows->idle_limit <= now)
		flow_idled(flows, moving->oldest);
	if (moving->oldest != NULL && !flows->over)
		loop_timer(loop_of(flows), timer,
			   moving->oldest->moved + flows->idle_limit);
}

/*
 * One flow
 */

static void
flow_free(struct flow *flow)
{
	ferry_close(&flow->ferry);
	free(flow);
}

static void
flows_bury(struct flows *flows)
{
	while (flows->dead != NULL) {
		struct flow *flow = flows->dead;

		flows->dead = flow->dead;
		flow_free(flow);
	}
}

static void
bury_expired(struct timer *timer)
{
	flows_bury(container_of(timer, struct flows, bury));
}

static void
flow_remove(struct flow *flow)
{
	struct flows *flows = flow->flows;

	peertable_remove(&flows->table, &flow->entry);
	roomless_remove(flow);
	order_remove(flow);
	flows->count--;
	flow->dead = flows->dead;
	flows->dead = flow;
	loop_timer(loop_of(flows), &flows->bury, 0);
}

static void flow_succeed(struct flow *flow);

static void
flow_over(struct ferry *ferry, struct outcome outcome)
{
	struct flow *flow = container_of(ferry, struct flow, ferry);
	bool present = flow->entry.present;

	flow_remove(flow);
	if (flow->flows->one)
		flows_end(flow->flows, outcome);
	else if (present && ferry->backend.is_program)
		flow_succeed(flow);
}

static void
flow_moved(struct ferry *ferry)
{
	struct flow *flow = container_of(ferry, struct flow, ferry);

	if (flow->order != &flow->flows->moving)
		return;
	order_remove(flow);
	flow_moves(flow);
}

/* What the front is watched for follows from what the flows want. */
static void
front_watch(struct flows *flows)
{
	int events = POLLIN;

	if (flows->over)
		return;
	if (flows->front.alone)
		events = ferry_wants(&only_flow(flows)->ferry);
	else if (flows->roomless != NULL)
		events |= POLLOUT;
	if (events == -1)
		loop_unwatch(loop_of(flows), &flows->watch);
	else
		loop_watch(loop_of(flows), &flows->watch, (short)events);
}

static void
flow_settled(struct ferry *ferry)
{
	struct flow *flow = container_of(ferry, struct flow, ferry);
	int wants = ferry_wants(ferry);

	if (wants != -1 && (wants & POLLOUT) != 0)
		roomless_add(flow->flows, flow);
	else
		roomless_remove(flow);
	front_watch(flow->flows);
}

/* Returns NULL with errno where it cannot be started. */
static struct flow *
flow_new(struct flows *flows, const struct correspondent *client)
{
	struct flow *flow = calloc(1, sizeof(*flow));

	if (flow == NULL)
		return NULL;
	flow->flows = flows;
	flow->ferry.front = &flows->front;
	flow->ferry.client = *client;
	flow->entry.who = &flow->ferry.client;
	flow->ferry.moved = flow_moved;
	flow->ferry.settled = flow_settled;
	flow->ferry.over = flow_over;
	if (ferry_start(&flow->ferry) == -1) {
		int error = errno;

		flow_free(flow);
		errno = error;
		return NULL;
	}
	flows->count++;
	flows->had_one = true;
	flow_moves(flow);
	return flow;
}

/*
 * Clients that share the front
 */

/* Makes room for one more flow, at the cost of who needs it least. */
static void
make_room(struct flows *flows)
{
	struct flow *flow = flows->finishing.oldest;

	if (flows->count < options_of(flows)->max_conns)
		return;
	if (flow == NULL)
		flow = flows->moving.oldest;
	ferry_close(&flow->ferry);
	flow_remove(flow);
}

/* Whether somebody who has no flow may have one. */
static bool
may_have_flow(const struct flows *flows, const struct correspondent *client)
{
	char text[ADDRESS_TEXT];

	if (flows->one && flows->had_one)
		return false;
	if (options_of(flows)->verbose > 0)
		diag_note("Connection received on %s",
			  address_text(&client->peer, text));
	return true;
}

/* A new flow; NULL where there is to be none, or it failed and was told. */
static struct flow *
flow_admit(struct flows *flows, const struct correspondent *client)
{
	struct flow *flow;

	if (!may_have_flow(flows, client))
		return NULL;
	make_room(flows);
	flow = flow_new(flows, client);
	if (flow == NULL) {
		diag_error("serving a client failed: %s",
			   diag_strerror(errno));
		if (flows->one)
			flows_end(flows, outcome_of(CAUSE_LOCAL));
		return NULL;
	}
	peertable_add(&flows->table, &flow->entry);
	return flow;
}

/* Gives what is left of one flow to the one that follows it. */
static void
hand_over(struct flow *from, struct flow *to)
{
	struct msgqueue *unread = ferry_unread(&from->ferry);
	struct message batch[FLOW_BATCH];
	size_t count;

	while (unread->count > 0) {
		count = msgqueue_look(unread, batch, FLOW_BATCH);
		(void)ferry_take(&to->ferry, batch, count);
		msgqueue_drop(unread, count);
	}
}

/* Its program has ended before it read all: another one gets the rest. */
static void
flow_succeed(struct flow *flow)
{
	struct flow *next = NULL;

	if (ferry_unread(&flow->ferry)->count > 0)
		next = flow_admit(flow->flows, &flow->ferry.client);
	if (next != NULL)
		hand_over(flow, next);
}

/*
 * What was queued before the socket told our addresses came to one that is
 * not known. It is learnt from the client's next message.
 */
static struct peer_entry *
find_learning(struct flows *flows, const struct correspondent *client)
{
	struct peer_entry *entry = peertable_find(&flows->table, client);
	struct correspondent unknown = *client;

	if (entry != NULL || client->local.length == 0)
		return entry;
	unknown.local = (struct address){ .length = 0 };
	entry = peertable_find(&flows->table, &unknown);
	if (entry == NULL)
		return NULL;
	peertable_remove(&flows->table, entry);
	container_of(entry, struct flow, entry)->ferry.client = *client;
	peertable_add(&flows->table, entry);
	return entry;
}

/* Gives messages to their client's flow. */
static void
flows_take(struct flows *flows, const struct correspondent *client,
	   const struct message *messages, size_t count)
{
	struct peer_entry *entry = find_learning(flows, client);
	struct flow *flow = NULL, *next;
	size_t taken = 0;

	if (entry != NULL) {
		flow = container_of(entry, struct flow, entry);
		taken = ferry_take(&flow->ferry, messages, count);
		if (taken == count)
			return;
		/* What stood behind has ended: the rest is for a new one. */
		peertable_remove(&flows->table, entry);
	}
	next = flow_admit(flows, client);
	if (next == NULL)
		return;
	if (flow != NULL)
		hand_over(flow, next);
	(void)ferry_take(&next->ferry, messages + taken, count - taken);
}

/* How many messages, from the first on, are of one client. */
static size_t
run_of_client(const struct received *received, size_t count)
{
	size_t run = 1;

	while (run < count && (received[run].from == received[0].from ||
			       peer_same(received[run].from,
					 received[0].from)))
		run++;
	return run;
}

/* Gives what came to whom it is for. */
static void
flows_deliver(struct flows *flows, const struct received *received,
	      size_t count)
{
	struct message batch[MSGSOCK_BATCH];
	size_t done = 0, run, i;

	while (done < count && !flows->over) {
		run = flows->front.alone ? count :
		    run_of_client(received + done, count - done);
		for (i = 0; i < run; i++)
			batch[i] = received[done + i].message;
		if (flows->front.alone)
			(void)ferry_take(&only_flow(flows)->ferry, batch,
					 run);
		else
			flows_take(flows, received[done].from, batch, run);
		done += run;
	}
}

/*
 * The front
 */

/* Reading failed. Returns whether there may be more to read. */
static bool
front_failed(struct flows *flows, int error)
{
	if (error == EMSGSIZE) {
		diag_error("a message was lost: %s", diag_strerror(error));
		return true;
	}
	/* Of many peers one is no reason to end. */
	return !flows->front.alone ||
	    ferry_client_failed(&only_flow(flows)->ferry, error);
}

/* Moves a batch; returns whether there may be another. */
static bool
front_receive(struct flows *flows)
{
	const struct received *received;
	size_t count;

	switch (msgsock_receive(flows->front.socket, &received, &count)) {
	case MSGSOCK_MOVED:
		flows_deliver(flows, received, count);
		return msgsock_more(flows->front.socket);
	case MSGSOCK_FAIL:
		return front_failed(flows, errno);
	case MSGSOCK_END:
		ferry_client_ended(&only_flow(flows)->ferry);
		return false;
	case MSGSOCK_AGAIN:
	case MSGSOCK_BEHIND:
		break;
	}
	return false;
}

static bool
front_reads(const struct flows *flows)
{
	int wants = POLLIN;

	if (flows->over)
		return false;
	if (flows->front.alone)
		wants = ferry_wants(&only_flow(flows)->ferry);
	return wants != -1 && (wants & POLLIN) != 0;
}

/* Who finds no room will wait again. */
static void
front_room(struct flows *flows)
{
	struct flow *each, *next;

	for (each = flows->roomless; each != NULL; each = next) {
		next = each->roomless;
		ferry_room(&each->ferry);
	}
}

static void
front_ready(struct watch *watch, short events)
{
	struct flows *flows = container_of(watch, struct flows, watch);
	unsigned turn;

	front_room(flows);
	for (turn = 0; turn < FLOW_TURNS && (events & ~POLLOUT) != 0 &&
	     front_reads(flows); turn++)
		if (!front_receive(flows))
			return;
	/* Nothing was wanted: it is the hang-up of who has ended. */
	if (turn == 0 && (events & (POLLHUP | POLLERR)) != 0 &&
	    flows->front.ends && !flows->over &&
	    ferry_wants(&only_flow(flows)->ferry) == 0)
		ferry_client_gone(&only_flow(flows)->ferry);
}

/*
 * Starting and ending
 */

static struct outcome
flows_expire(struct local *local, const char *limit)
{
	struct flows *flows = container_of(local, struct flows, local);
	size_t held = flows->one && only_flow(flows) != NULL ?
	    ferry_held(&only_flow(flows)->ferry) : 0;

	if (held > 0)
		diag_error("%s: %zu messages not sent", limit, held);
	else if (!flows->one && flows->count > 0)
		diag_error("%s with %zu client%s served", limit, flows->count,
			   flows->count == 1 ? "" : "s");
	else
		diag_error("%s", limit);
	return outcome_of(CAUSE_TIMED_OUT);
}

static void
flows_free(struct local *local)
{
	struct flows *flows = container_of(local, struct flows, local);

	while (flows->finishing.oldest != NULL)
		flow_remove(flows->finishing.oldest);
	while (flows->moving.oldest != NULL)
		flow_remove(flows->moving.oldest);
	flows_bury(flows);
	flows_stop(flows);
	loop_timer(loop_of(flows), &flows->bury, NEVER);
	loop_timer(loop_of(flows), &flows->finish, NEVER);
	peertable_close(&flows->table);
	front_close(&flows->front);
	free(flows);
}

static const struct local_kind flows_kind = { flows_expire, flows_free };

/* The one flow of a front that is alone. Returns 0, or -1 with errno. */
static int
open_alone(struct flows *flows)
{
	const struct connection *connection = &flows->front.connection;
	struct correspondent client = { .interface = 0 };

	if (connection->role == EXCHANGE_OPEN_CLIENT)
		client.peer = connection->peer;
	return flow_new(flows, &client) != NULL ? 0 : -1;
}

static int
flows_open(struct flows *flows)
{
	const struct options *options = options_of(flows);
	bool alone = flows->front.alone;

	flows->one = alone || !options->keep_open;
	flows->watch = (struct watch){
		.fd = flows->front.connection.fd, .ready = front_ready,
	};
	flows->idle.expired = idle_expired;
	flows->bury.expired = bury_expired;
	flows->finish.expired = finish_expired;
	flows->idle_limit = options->idle_timeout;
	if (alone && options->idle_quiet < flows->idle_limit)
		flows->idle_limit = options->idle_quiet;
	else if (!alone && flows->idle_limit == NEVER)
		flows->idle_limit = FLOW_IDLE;
	if (alone)
		return open_alone(flows);
	if (peertable_open(&flows->table) == -1)
		return -1;
	loop_watch(loop_of(flows), &flows->watch, POLLIN);
	return 0;
}

struct local *
flow_start(const struct local_request *request)
{
	struct flows *flows = calloc(1, sizeof(*flows));
	int error;

	if (flows == NULL) {
		(void)close(request->connection->fd);
		errno = ENOMEM;
		return NULL;
	}
	local_open(&flows->local, &flows_kind, request);
	if (front_open(&flows->front, request->run,
		       request->connection) == 0 && flows_open(flows) == 0)
		return &flows->local;
	error = errno;
	flows_free(&flows->local);
	errno = error;
	return NULL;
}
