/*
 * run.c: one run of the program: what client and server have in common
 */
#include "run.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "compat.h"
#include "diag.h"
#include "options.h"
#include "server.h"
#include "session.h"

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
run_session_ended(void *owner, struct outcome outcome)
{
	run_end(owner, outcome);
}

void
run_session(struct run *run, int fd, const struct address *peer,
	    bool accepted)
{
	const struct session_request request = {
		.options = run->options,
		.fd = fd, .input = STDIN_FILENO, .output = STDOUT_FILENO,
		.accepted = accepted, .peer = *peer,
		.ended = run_session_ended, .owner = run,
	};

	run->session = session_start(run->loop, &request);
	if (run->session == NULL)
		run_end_failed(run, "starting a session");
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
	diag_error("%s", limit);
	run_end(run, outcome_of(CAUSE_TIMED_OUT));
}

/* Whatever the kernel cannot wait for any more. */
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
	if (options->listen) {
		struct server *server = server_start(&run);

		run_loop(&run);
		server_free(server);
	} else {
		struct client *client = client_start(&run);

		run_loop(&run);
		client_free(client);
	}
	session_free(run.session);
	loop_free(run.loop);
	return run.outcome;
}
