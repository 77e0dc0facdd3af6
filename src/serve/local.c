/*
 * local.c: the local side of a connection: what its data goes to
 *
 * Chooses the kind, and is itself the two that move data through standard
 * input and output: a session of bytes, an exchange of messages.
 */
#include "serve/local.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/compat.h"
#include "cli/options.h"
#include "serve/exchange.h"
#include "serve/exec.h"
#include "serve/flow.h"
#include "serve/forward.h"
#include "serve/reply.h"
#include "serve/run.h"
#include "serve/session.h"

/* Standard input and output. */
struct standard {
	struct local local;
	struct session *session;	/* of a stream; else NULL */
	struct exchange *exchange;	/* of messages; else NULL */
};

void
local_open(struct local *local, const struct local_kind *kind,
	   const struct local_request *request)
{
	*local = (struct local){
		.kind = kind, .run = request->run,
		.ended = request->ended, .owner = request->owner,
	};
}

struct outcome
local_expire(struct local *local, const char *limit)
{
	return local->kind->expire(local, limit);
}

void
local_free(struct local *local)
{
	if (local != NULL)
		local->kind->free(local);
}

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
local_start(const struct local_request *request)
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
