/*
 * dial.c: an endpoint → one connected socket
 *
 * Theory of operation. A dial consists of rounds: one, unless --retry-for
 * asks for more. A round looks up what is a name and then goes through the
 * ports in their order; each port is a race between all addresses. The race
 * starts an attempt as soon as the one before has failed or has had its head
 * start, and ends when one has connected or all have failed.
 *
 * Two timers drive it. `step` does what comes next, which is always one
 * thing: to begin, to start the next attempt, to try a full backlog again, to
 * start the next round. `limit` cuts what is under way.
 *
 * Failures (attempt.c) are gathered by round and told when it is known that
 * they matter.
 *
 * The owner may free the dial when it hears of the end, so whatever may lead
 * to that stands last in its function.
 */
#include "open/dialling.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "cli/options.h"
#include "net/protocol.h"
#include "net/resolve.h"

#define HEAD_START (250 * MILLISECOND)

/* Between two rounds; doubled each time. */
#define ROUND_PAUSE (20 * MILLISECOND)
#define ROUND_PAUSE_MAX (1 * SECOND)

/* What numbers come next is nobody's secret: xorshift (Marsaglia, 2003). */
static uint64_t
dial_random(struct dial *dial, uint64_t below)
{
	dial->random ^= dial->random << 13;
	dial->random ^= dial->random >> 7;
	dial->random ^= dial->random << 17;
	return dial->random % below;
}

/*
 * The end of a dial
 */

/* Closes the attempts that are under way. */
static void
attempts_end(struct dial *dial)
{
	for (size_t i = 0; i < dial->attempt_count; i++) {
		struct attempt *attempt = &dial->attempts[i];

		if (attempt->watch.fd == -1)
			continue;
		loop_unwatch(dial->loop, &attempt->watch);
		close(attempt->watch.fd);
		attempt->watch.fd = -1;
	}
}

void
dial_keep_spare(struct dial *dial)
{
	if (dial->spare == -1)
		dial->spare = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
}

void
dial_drop_spare(struct dial *dial)
{
	if (dial->spare != -1)
		(void)close(dial->spare);
	dial->spare = -1;
}

static void
look_up_end(struct look_up *look_up)
{
	resolve_free(look_up->resolve);
	look_up->resolve = NULL;
	look_up->answered = false;
}

static void
dial_stop(struct dial *dial)
{
	loop_timer(dial->loop, &dial->step, NEVER);
	loop_timer(dial->loop, &dial->limit, NEVER);
	look_up_end(&dial->source);
	look_up_end(&dial->host);
	attempts_end(dial);
	dial_drop_spare(dial);
	round_forget(&dial->before);
}

static void
dial_end_failed(struct dial *dial)
{
	enum cause cause = dial->now.cause;

	round_tell(&dial->now);
	dial_stop(dial);
	dial->request.done(dial->request.owner, -1, NULL, cause);
}

/* Ends the dial where there is not even memory to go on. */
static void
dial_end_broken(struct dial *dial)
{
	dial_fail(dial, CAUSE_LOCAL, "connecting failed: %s",
		  diag_strerror(errno));
	dial_end_failed(dial);
}

/*
 * Says so with -v. Of a datagram socket nothing is proven, and of a Unix
 * socket OpenBSD's nc says nothing either.
 */
static void
tell_connected(const struct attempt *attempt)
{
	const struct dial *dial = attempt->dial;
	const struct options *options = dial->options;
	const char *protocol = protocol_name(options->type, options->protocol);
	uint16_t port = address_port(&attempt->peer);
	const struct servent *service = NULL;
	char host[SUBJECT];

	if (options->verbose == 0 || dial->request.ports == NULL ||
	    options->type == SOCK_DGRAM)
		return;
	if (!options->numeric_only)
		service = getservbyport(htons(port), protocol);
	attempt_host(attempt, host);
	diag_note("Connection to %s %d port [%s/%s] succeeded!", host, port,
		  protocol, service != NULL ? service->s_name : "*");
}

static void
dial_end_connected(struct attempt *attempt)
{
	struct dial *dial = attempt->dial;
	int fd = attempt->watch.fd;

	attempt->watch.fd = -1;
	round_forget(&dial->now);
	dial_stop(dial);
	tell_connected(attempt);
	dial->request.done(dial->request.owner, fd, &attempt->peer,
			   CAUSE_NONE);
}

/*
 * A race, and the next port's
 */

static void race_go_on(struct dial *dial);
static void round_end(struct dial *dial);

static void
attempt_ready(struct watch *watch, short events)
{
	struct attempt *attempt = container_of(watch, struct attempt, watch);

	(void)events;
	if (attempt_go_on(attempt) == CONNECTED)
		dial_end_connected(attempt);
	else
		race_go_on(attempt->dial);
}

void
dial_backlog_again(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, step);
	struct attempt *attempt = &dial->attempts[0];

	switch (attempt_connect(attempt)) {
	case CONNECTED:
		dial_end_connected(attempt);
		break;
	case FAILED:
		race_go_on(dial);
		break;
	case UNDER_WAY:
		break;
	}
}

static void
head_start_over(struct timer *timer)
{
	race_go_on(container_of(timer, struct dial, step));
}

static bool
race_under_way(const struct dial *dial)
{
	for (size_t i = 0; i < dial->attempt_count; i++)
		if (dial->attempts[i].watch.fd != -1)
			return true;
	return false;
}

/* Sets the limit of what now begins. */
static void
dial_set_limit(struct dial *dial)
{
	int64_t limit = clock_after(dial->options->connect_timeout);

	if (limit > dial->give_up)
		limit = dial->give_up;
	loop_timer(dial->loop, &dial->limit, limit);
}

/* Whether there is a next port, and time for it; turns to it. */
static bool
next_port(struct dial *dial)
{
	if (dial->port + 1 >= dial->port_count ||
	    clock_now() >= dial->give_up)
		return false;
	dial_set_limit(dial);
	dial->port++;
	dial->next = 0;
	dial->backlog_pause = BACKLOG_PAUSE;
	return true;
}

/* Starts the attempt whose turn it is. */
static enum progress
race_start_next(struct dial *dial)
{
	struct attempt *attempt = &dial->attempts[dial->next++];

	if (dial->request.ports != NULL)
		address_set_port(&attempt->peer, dial->ports[dial->port]);
	if (attempt_open(attempt) == -1)
		return FAILED;
	return attempt_connect(attempt);
}

/*
 * Starts attempts, of this port and the next ones, until one is under way;
 * after the last has failed, that was the round.
 */
static void
race_go_on(struct dial *dial)
{
	loop_timer(dial->loop, &dial->step, NEVER);
	do {
		while (dial->next < dial->attempt_count) {
			enum progress progress = race_start_next(dial);

			if (progress == CONNECTED) {
				dial_end_connected(
					&dial->attempts[dial->next - 1]);
				return;
			}
			if (progress == FAILED)
				continue;
			if (dial->next == dial->attempt_count)
				return;
			dial->step.expired = head_start_over;
			loop_timer(dial->loop, &dial->step,
				   clock_after(HEAD_START));
			return;
		}
		if (race_under_way(dial))
			return;
	} while (next_port(dial));
	round_end(dial);
}

/* Makes an attempt of each of the host's addresses, and starts. */
static void
race_begin(struct dial *dial)
{
	const struct address *list = &dial->fixed_address;
	size_t count = 1;

	if (dial->host.host != NULL) {
		list = dial->host.list;
		count = dial->host.count;
	}
	free(dial->attempts);
	dial->attempt_count = 0;
	dial->attempts = calloc(count, sizeof(*dial->attempts));
	if (dial->attempts == NULL) {
		dial_end_broken(dial);
		return;
	}
	for (size_t i = 0; i < count; i++)
		dial->attempts[i] = (struct attempt){
			.watch = { .fd = -1, .ready = attempt_ready },
			.dial = dial, .peer = list[i],
		};
	dial->attempt_count = count;
	dial->next = 0;
	dial->port = 0;
	dial->backlog_pause = BACKLOG_PAUSE;
	race_go_on(dial);
}

/*
 * Looking up
 */

static void look_up_go_on(struct dial *dial);

static void
look_up_fail(struct look_up *look_up, enum cause cause,
	     const char *reason)
{
	const char *hint = "";

	if (look_up->answered && look_up->error == EAI_AGAIN &&
	    !look_up->dial->retries)
		hint = " (--retry-for TIME keeps trying)";
	dial_fail(look_up->dial, cause, "look-up of %s failed: %s%s",
		  look_up->host, reason, hint);
}

static void
look_up_answered(void *owner, int error,
		 const struct address *list, size_t count)
{
	struct look_up *look_up = owner;

	look_up->system_error = errno;
	look_up->error = error;
	look_up->list = list;
	look_up->count = count;
	look_up->answered = true;
	/* Otherwise it comes from resolve_start(), and so from look_up(). */
	if (look_up->resolve != NULL)
		look_up_go_on(look_up->dial);
}

/*
 * Looks up, or sees what came of it. CONNECTED means that the addresses are
 * there.
 */
static enum progress
look_up(struct look_up *look_up)
{
	const struct options *options = look_up->dial->options;
	const struct resolve_request request = {
		.host = look_up->host, .family = options->family,
		.numeric_only = options->numeric_only,
		.done = look_up_answered, .owner = look_up,
	};

	if (look_up->host == NULL)
		return CONNECTED;
	if (look_up->resolve == NULL) {
		look_up->resolve = resolve_start(look_up->dial->loop,
						 &request);
		if (look_up->resolve == NULL) {
			look_up_fail(look_up, cause_of_errno(errno),
				     diag_strerror(errno));
			return FAILED;
		}
	}
	if (!look_up->answered)
		return UNDER_WAY;
	if (look_up->error == 0)
		return CONNECTED;
	errno = look_up->system_error;
	look_up_fail(look_up, resolve_cause(look_up->error),
		     resolve_strerror(look_up->error));
	return FAILED;
}

/* Looks up what is still to be looked up, the source first; then connects. */
static void
look_up_go_on(struct dial *dial)
{
	enum progress progress = look_up(&dial->source);

	if (progress == CONNECTED)
		progress = look_up(&dial->host);
	if (progress == CONNECTED)
		race_begin(dial);
	else if (progress == FAILED)
		round_end(dial);
}

static bool
look_up_under_way(const struct look_up *look_up)
{
	return look_up->resolve != NULL && !look_up->answered;
}

/*
 * Rounds
 */

static void
round_begin(struct dial *dial)
{
	dial_set_limit(dial);
	look_up_go_on(dial);
}

static void
round_pause_over(struct timer *timer)
{
	round_begin(container_of(timer, struct dial, step));
}

/* Whether what went wrong in this round may go right in the next. */
static bool
round_may_change(const struct dial *dial)
{
	const struct look_up *wrong = &dial->host;

	if (dial->source.answered && dial->source.error != 0)
		wrong = &dial->source;
	if (wrong->answered && (wrong->error == RESOLVE_NOT_NUMERIC ||
				wrong->error == RESOLVE_OTHER_FAMILY))
		return false;
	return dial->now.cause == CAUSE_REFUSED ||
	       dial->now.cause == CAUSE_TIMED_OUT ||
	       dial->now.cause == CAUSE_UNREACHABLE ||
	       dial->now.cause == CAUSE_UNKNOWN_NAME;
}

/*
 * How long to wait for the next round; 0: there is to be none. Near the end
 * the pauses get shorter, so that the last round does not come long before.
 */
static int64_t
round_next_pause(struct dial *dial)
{
	int64_t left = dial->give_up - clock_now(), pause;

	if (!dial->retries || !round_may_change(dial))
		return 0;
	pause = dial->round_pause / 100 *
		(int64_t)(75 + dial_random(dial, 51));
	if (pause > left / 2)
		pause = left / 2;
	return pause >= ROUND_PAUSE / 2 ? pause : 0;
}

/* Everything has failed, or was cut off: again, or that was it. */
static void
round_end(struct dial *dial)
{
	int64_t pause;

	/* If all there was has been cut off, the round before says more. */
	if (dial->now.cause == CAUSE_NONE) {
		dial->now = dial->before;
		dial->before = (struct round){ .cause = CAUSE_NONE };
	}
	loop_timer(dial->loop, &dial->limit, NEVER);
	pause = round_next_pause(dial);
	if (pause == 0) {
		dial_end_failed(dial);
		return;
	}
	round_forget(&dial->before);
	dial->before = dial->now;
	dial->now = (struct round){ .cause = CAUSE_NONE };
	look_up_end(&dial->host);
	if (dial->source.error != 0)
		look_up_end(&dial->source);
	dial->round_pause *= 2;
	if (dial->round_pause > ROUND_PAUSE_MAX)
		dial->round_pause = ROUND_PAUSE_MAX;
	dial->step.expired = round_pause_over;
	loop_timer(dial->loop, &dial->step, clock_after(pause));
}

static void
attempts_time_out(struct dial *dial)
{
	for (size_t i = 0; i < dial->attempt_count; i++)
		if (dial->attempts[i].watch.fd != -1)
			attempt_fail_errno(&dial->attempts[i], "", ETIMEDOUT);
}

/*
 * Time is up: for this port, or with --retry-for for the dial. What was
 * merely cut off by the latter says less than the round before.
 */
static void
limit_reached(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, limit);
	struct look_up *look_up = &dial->host;
	bool counts = dial->before.cause == CAUSE_NONE ||
		      clock_now() < dial->give_up;

	if (look_up_under_way(&dial->source))
		look_up = &dial->source;
	if (look_up_under_way(look_up)) {
		if (counts)
			look_up_fail(look_up, CAUSE_TIMED_OUT,
				     diag_strerror(ETIMEDOUT));
		look_up_end(look_up);
		round_end(dial);
		return;
	}
	if (counts)
		attempts_time_out(dial);
	attempts_end(dial);
	dial->next = dial->attempt_count;
	race_go_on(dial);
}

/*
 * Starting
 */

static void
ports_shuffle(struct dial *dial)
{
	for (size_t left = dial->port_count; left > 1; left--) {
		size_t chosen = (size_t)dial_random(dial, left);
		uint16_t port = dial->ports[chosen];

		dial->ports[chosen] = dial->ports[left - 1];
		dial->ports[left - 1] = port;
	}
}

/* Notes why ports_parse() said -1 or -2. */
static void
ports_fail(struct dial *dial, int result, const char *error)
{
	dial_fail(dial, result == -1 ? CAUSE_USAGE : CAUSE_UNKNOWN_NAME, "%s",
		  error);
}

static int
read_ports(struct dial *dial)
{
	char error[PORTS_ERROR];
	struct port_range *ranges;
	size_t count;
	int result;

	if (dial->request.ports == NULL)
		return 0;
	result = ports_parse(dial->request.ports,
			     protocol_name(dial->options->type,
				dial->options->protocol), &ranges, &count,
			     error);
	if (result != 0) {
		ports_fail(dial, result, error);
		return -1;
	}
	dial->ports = ports_list(ranges, count, &dial->port_count);
	free(ranges);
	if (dial->ports == NULL) {
		dial_fail(dial, CAUSE_LOCAL, "%s", diag_strerror(ENOMEM));
		return -1;
	}
	if (dial->options->random_ports)
		ports_shuffle(dial);
	return 0;
}

static int
read_source_port(struct dial *dial)
{
	const char *text = dial->options->source_port;
	char error[PORTS_ERROR];
	struct port_range *ranges;
	size_t count;
	int result;

	if (text == NULL)
		return 0;
	result = ports_parse(text, protocol_name(dial->options->type,
				dial->options->protocol), &ranges,
			     &count, error);
	if (result != 0) {
		ports_fail(dial, result, error);
		return -1;
	}
	if (count > 1 || ranges[0].first != ranges[0].last) {
		dial_fail(dial, CAUSE_USAGE,
			  "the source port must be one port: %s", text);
		result = -1;
	}
	dial->source_port = ranges[0].first;
	free(ranges);
	return result;
}

static int
read_endpoint(struct dial *dial)
{
	const struct endpoint *endpoint = dial->request.endpoint;

	if (endpoint->kind == ENDPOINT_HOST) {
		dial->host.host = endpoint->host;
		dial->source.host = dial->options->source_host;
		return 0;
	}
#if SOCKCAT_LINUX
	if (endpoint->kind == ENDPOINT_VSOCK) {
		address_vsock(endpoint->cid, endpoint->vsock_port,
			      &dial->fixed_address);
		return 0;
	}
#endif
	if (address_unix(endpoint->path, strlen(endpoint->path),
			 endpoint->abstract, &dial->fixed_address) == 0)
		return 0;
	dial_fail(dial, CAUSE_USAGE, "connect to %s failed: %s",
		  endpoint->path, diag_strerror(errno));
	return -1;
}

static void
dial_begin(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, step);

	if (read_endpoint(dial) == -1 || read_ports(dial) == -1 ||
	    read_source_port(dial) == -1)
		dial_end_failed(dial);
	else
		round_begin(dial);
}

struct dial *
dial_start(struct loop *loop, const struct dial_request *request)
{
	const struct options *options = request->options;
	struct dial *dial = calloc(1, sizeof(*dial));

	if (dial == NULL)
		return NULL;
	dial->loop = loop;
	dial->request = *request;
	dial->options = options;
	dial->random = ((uint64_t)(uintptr_t)dial ^ (uint64_t)clock_now()) | 1;
	dial->step.expired = dial_begin;
	dial->limit.expired = limit_reached;
	dial->source.dial = dial;
	dial->host.dial = dial;
	/* No time at all would cut the first attempt off before it began. */
	dial->retries = options->retry_for != NEVER && options->retry_for > 0;
	dial->give_up = dial->retries ? clock_after(options->retry_for) :
					NEVER;
	dial->round_pause = ROUND_PAUSE;
	loop_timer(loop, &dial->step, clock_now());
	/* Whoever waits for it may have taken the last one but this. */
	dial->spare = -1;
	dial_keep_spare(dial);
	return dial;
}

void
dial_free(struct dial *dial)
{
	if (dial == NULL)
		return;
	dial_stop(dial);
	round_forget(&dial->now);
	free(dial->attempts);
	free(dial->ports);
	free(dial);
}
