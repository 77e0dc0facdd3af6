/*
 * run.c: one run of the program: what client and server have in common
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "compat.h"
#include "diag.h"
#include "options.h"
#include "server.h"
#include "session.h"

static const int ending_signals[RUN_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

void
run_end(struct run *run, struct outcome outcome)
{
	run->outcome = outcome;
	loop_stop(run->loop);
}

void
run_end_failed(struct run *run, const char *what)
{
	diag_error("%s failed: %s", what, diag_strerror(errno));
	run_end(run, outcome_of(CAUSE_LOCAL));
}

static void
run_data_ended(void *owner, struct outcome outcome)
{
	run_end(owner, outcome);
}

static void
run_session(struct run *run, const struct connection *connection)
{
	const struct session_request request = {
		.options = run->options, .fd = connection->fd,
		.input = STDIN_FILENO, .output = STDOUT_FILENO,
		.accepted = connection->accepted, .peer = connection->peer,
		.ended = run_data_ended, .owner = run,
	};

	run->session = session_start(run->loop, &request);
	if (run->session == NULL)
		run_end_failed(run, "starting a session");
}

/* What the kernel took 0 for, which decides what the socket can do. */
static int
real_protocol(const struct connection *connection)
{
	if (connection->protocol == 0 && connection->type == SOCK_DGRAM &&
	    (connection->family == AF_INET || connection->family == AF_INET6))
		return IPPROTO_UDP;
	return connection->protocol;
}

static void
run_exchange(struct run *run, const struct connection *connection)
{
	const struct exchange_request request = {
		.options = run->options, .fd = connection->fd,
		.family = connection->family, .type = connection->type,
		.protocol = real_protocol(connection),
		.input = STDIN_FILENO, .output = STDOUT_FILENO,
		.role = connection->role, .accepted = connection->accepted,
		.shared = connection->shared,
		.peer = connection->peer,
		.ended = run_data_ended, .owner = run,
	};

	run->exchange = exchange_start(run->loop, &request);
	if (run->exchange == NULL)
		run_end_failed(run, "starting to exchange messages");
}

void
run_connection(struct run *run, const struct connection *connection)
{
	if (connection->type == SOCK_STREAM)
		run_session(run, connection);
	else
		run_exchange(run, connection);
}

static void
run_signalled(struct signal_watch *watch)
{
	struct run *run = watch->owner;

	unixpath_remove(run->guarded);
	run_end(run, (struct outcome){ .signal = watch->signal });
}

int
run_guard(struct run *run, struct unixpath *path)
{
	size_t i;

	run->guarded = path;
	for (i = 0; i < RUN_SIGNALS; i++) {
		run->signals[i] = (struct signal_watch){
			.signal = ending_signals[i],
			.caught = run_signalled, .owner = run,
		};
		if (loop_signal(run->loop, &run->signals[i]) == -1)
			return -1;
	}
	return 0;
}

static void
run_expired(struct timer *timer)
{
	struct run *run = container_of(timer, struct run, max_time);
	const char *limit = "--max-time ran out";

	if (run->session != NULL) {
		run_end(run, session_expire(run->session, limit));
		return;
	}
	if (run->exchange != NULL) {
		run_end(run, exchange_expire(run->exchange, limit));
		return;
	}
	diag_error("%s", limit);
	run_end(run, outcome_of(CAUSE_TIMED_OUT));
}

static void
run_loop(struct run *run)
{
	if (loop_run(run->loop) == -1)
		run_end_failed(run, "waiting for events");
}

struct outcome
run(const struct options *options)
{
	struct run run = {
		.options = options,
		.max_time = { .expired = run_expired },
	};

	run.loop = loop_new();
	if (run.loop == NULL) {
		diag_error("out of memory");
		return outcome_of(CAUSE_LOCAL);
	}
	loop_timer(run.loop, &run.max_time, clock_after(options->max_time));
	if (options->listen || options->endpoint.kind == ENDPOINT_FD) {
		struct server *server = server_start(&run);

		run_loop(&run);
		server_free(server);
	} else {
		struct client *client = client_start(&run);

		run_loop(&run);
		client_free(client);
	}
	session_free(run.session);
	exchange_free(run.exchange);
	loop_free(run.loop);
	return run.outcome;
}
