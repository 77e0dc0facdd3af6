/*
 * start.c: one run, from its options to its outcome
 */
#include "run/start.h"

#include <stddef.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "net/activation.h"
#include "net/msgsock.h"
#include "open/ready.h"
#include "run/client.h"
#include "run/guard.h"
#include "run/server.h"
#include "serve/crowd.h"
#include "serve/forward.h"
#include "serve/local.h"
#include "serve/reply.h"
#include "serve/run.h"

static void
run_expired(struct timer *timer)
{
	struct run *run = container_of(timer, struct run, max_time);
	const char *limit = "--max-time ran out";

	if (run->local != NULL) {
		run_end(run, local_expire(run->local, limit));
		return;
	}
	if (run->crowd != NULL) {
		run_end(run, crowd_expire(run->crowd, limit));
		return;
	}
	diag_error("%s", limit);
	run_end(run, outcome_of(CAUSE_TIMED_OUT));
}

/* Whether a program is the local side. */
static bool
has_program(const struct options *options)
{
	return options->exec != NULL || options->sh_exec != NULL;
}

/*
 * Looks at what the local side needs, before anybody is connected to it.
 * Returns false where that has ended the run.
 */
static bool
run_prepare(struct run *run)
{
	const struct options *options = run->options;
	enum cause cause = CAUSE_NONE;

	if (has_program(options)) {
		cause = program_prepare(options->exec, options->sh_exec,
					&run->program);
		if (cause == CAUSE_NONE &&
		    (children_open(&run->children, run->loop) == -1 ||
		     run_guard(run, NULL, NULL, NULL) == -1)) {
			run_end_failed(run, "preparing to start programs");
			return false;
		}
	}
	if (options->to_text != NULL) {
		options_for_to(options, &run->to);
		cause = forward_prepare(&options->to);
	}
	if (options->reply != NULL)
		cause = reply_prepare(options->reply, &run->reply_fd);
	if (cause != CAUSE_NONE)
		run_end(run, outcome_of(cause));
	return cause == CAUSE_NONE;
}

/*
 * The kernel does not end the first process of a container by a signal that
 * it has no handler for (pid_namespaces(7)). Returns false where watching
 * them failed, which has ended the run.
 */
static bool
run_mind_signals(struct run *run)
{
	if (getpid() != 1 || run_guard(run, NULL, NULL, NULL) == 0)
		return true;
	run_end_failed(run, "watching signals");
	return false;
}

static void
run_loop(struct run *run)
{
	if (loop_run(run->loop) == -1)
		run_end_failed(run, "waiting for events");
}

static void
run_sides(struct run *run)
{
	const struct options *options = run->options;

	if (options->listen || options->endpoint.kind == ENDPOINT_FD) {
		struct server *server = server_start(run);

		run_loop(run);
		server_free(server);
	} else {
		struct client *client = client_start(run);

		run_loop(run);
		client_free(client);
	}
}

/* What was handed over is ours, before anything else is opened. */
static enum cause
run_claim(const struct options *options)
{
	enum cause cause = activation_claim(options->activated);

	return cause != CAUSE_NONE ? cause : ready_claim(options->ready_fd);
}

struct outcome
start(const struct options *options)
{
	struct run run = {
		.options = options, .reply_fd = -1,
		.max_time = { .expired = run_expired },
	};
	enum cause cause = run_claim(options);

	if (cause != CAUSE_NONE)
		return outcome_of(cause);
	run.loop = loop_new();
	if (run.loop == NULL) {
		diag_error("out of memory");
		return outcome_of(CAUSE_LOCAL);
	}
	loop_timer(run.loop, &run.max_time, clock_after(options->max_time));
	if (run_mind_signals(&run) && run_prepare(&run))
		run_sides(&run);
	local_free(run.local);
	crowd_free(run.crowd);
	msgsock_buffers_free(run.buffers);
	children_close(&run.children);
	program_free(&run.program);
	if (run.reply_fd != -1)
		(void)close(run.reply_fd);
	loop_free(run.loop);
	return run.outcome;
}
