/*
 * serve.c: chooses what a connection's data goes to, and starts that
 *
 * Is itself the two kinds that move data through standard input and output: a
 * session of bytes, an exchange of messages.
 */
#include "serve/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/compat.h"
#include "cli/options.h"
#include "net/connection.h"
#include "serve/exchange.h"
#include "serve/exec.h"
#include "serve/flow.h"
#include "serve/forward.h"
#include "serve/local.h"
#include "serve/reply.h"
#include "serve/run.h"
#include "serve/session.h"

/* Standard input and output. */
struct standard {
	struct local local;
	struct session *session;	/* of a stream; else NULL */
	struct exchange *exchange;	/* of messages; else NULL */
};

static struct outcome
standard_expire(struct local *local, const char *limit)
{
	struct standard *standard = container_of(local, struct standard,
						 local);

	return standard->session != NULL ?
	    session_expire(standard->session, limit) :
	    exchange_expire(standard->exchange, limit);
}

static void
standard_free(struct local *local)
{
	struct standard *standard = container_of(local, struct standard,
						 local);

	session_free(standard->session);
	exchange_free(standard->exchange);
	free(standard);
}

static const struct local_kind standard_kind = {
	standard_expire, standard_free,
};

static void
standard_session(struct standard *standard,
		 const struct local_request *request)
{
	const struct connection *connection = request->connection;
	const struct session_request session = {
		.options = request->run->options, .fd = connection->fd,
		.input = STDIN_FILENO, .output = STDOUT_FILENO,
		.accepted = connection->accepted, .peer = connection->peer,
		.ended = request->ended, .owner = request->owner,
	};

	standard->session = session_start(request->run->loop, &session);
}

static void
standard_exchange(struct standard *standard,
		  const struct local_request *request)
{
	const struct connection *connection = request->connection;
	const struct exchange_request exchange = {
		.options = request->run->options, .fd = connection->fd,
		.family = connection->family, .type = connection->type,
		.protocol = connection->protocol,
		.input = STDIN_FILENO, .output = STDOUT_FILENO,
		.role = connection->role, .accepted = connection->accepted,
		.shared = connection->shared,
		.peer = connection->peer, .access = request->run->access,
		.ended = request->ended, .owner = request->owner,
	};

	standard->exchange = exchange_start(request->run->loop, &exchange);
}

static struct local *
standard_start(const struct local_request *request)
{
	struct standard *standard = calloc(1, sizeof(*standard));

	if (standard == NULL) {
		(void)close(request->connection->fd);
		return NULL;
	}
	local_open(&standard->local, &standard_kind, request);
	if (request->connection->type == SOCK_STREAM)
		standard_session(standard, request);
	else
		standard_exchange(standard, request);
	if (standard->session == NULL && standard->exchange == NULL) {
		int error = errno;

		free(standard);
		errno = error;
		return NULL;
	}
	return &standard->local;
}

struct local *
serve_start(const struct local_request *request)
{
	const struct options *options = request->run->options;
	bool stream = request->connection->type == SOCK_STREAM;
	bool everyone = !stream &&
	    request->connection->role == EXCHANGE_LISTENER;

	if (options->exec != NULL || options->sh_exec != NULL)
		return everyone ? flow_start(request) : exec_start(request);
	if (options->to_text != NULL)
		return stream ? forward_start(request) : flow_start(request);
	if (options->reply != NULL)
		return reply_start(request);
	return standard_start(request);
}

static void
serve_ended(void *owner, struct outcome outcome)
{
	run_end(owner, outcome);
}

void
serve_connection(struct run *run, const struct connection *connection)
{
	const struct local_request request = {
		.run = run, .connection = connection,
		.ended = serve_ended, .owner = run,
	};

	run->local = serve_start(&request);
	if (run->local == NULL)
		run_end_failed(run, "starting to move data");
}
