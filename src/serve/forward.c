/*
 * forward.c: another endpoint as the local side of a stream: --to
 *
 * The back-end is dialled for each connection anew.
 */
#include "serve/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "net/connection.h"
#include "net/linger.h"
#include "net/handed.h"
#include "open/dial.h"
#include "serve/relay.h"
#include "serve/run.h"

struct forward {
	struct local local;
	int fd;			/* of the connection, until there is a relay */
	struct address peer;
	struct unixpath bound;	/* never: a stream needs no name */
	struct dial *dial;
	struct relay *relay;
	char name[ADDRESS_TEXT];
};

static struct outcome
forward_expire(struct local *local, const char *limit)
{
	struct forward *forward = container_of(local, struct forward, local);

	if (forward->relay != NULL)
		return relay_expire(forward->relay, limit);
	diag_error("%s", limit);
	return outcome_of(CAUSE_TIMED_OUT);
}

static void
forward_free(struct local *local)
{
	struct forward *forward = container_of(local, struct forward, local);

	dial_free(forward->dial);
	relay_free(forward->relay);
	if (forward->fd != -1)
		(void)close(forward->fd);
	free(forward);
}

static const struct local_kind forward_kind = {
	forward_expire, forward_free,
};

static void
forward_relayed(void *owner, struct outcome outcome)
{
	struct forward *forward = owner;

	forward->local.ended(forward->local.owner, outcome);
}

/*
 * There is no back-end: the connection is reset, so that the client cannot
 * take it for an answer that is empty.
 */
static void
forward_refuse(struct forward *forward, enum cause cause)
{
	linger_reset(forward->fd);
	forward->local.ended(forward->local.owner, outcome_of(cause));
}

/* The relay, between the connection and `fd`. 0, or -1 with errno. */
static int
forward_relay(struct forward *forward, int fd, int family)
{
	const struct options *options = forward->local.run->options;
	const struct relay_request request = {
		.options = options,
		.remote = { .fd = forward->fd, .name = forward->name,
			    .family = forward->peer.sa.sa_family },
		.local = { .fd = fd, .name = options->to_text,
			   .family = family },
		.ended = forward_relayed, .owner = forward,
	};

	forward->fd = -1;	/* the relay's now */
	forward->relay = relay_start(forward->local.run->loop, &request);
	return forward->relay != NULL ? 0 : -1;
}

/* The back-end is there, or it is not and that has been told. */
static void
forward_connected(void *owner, int fd, const struct address *peer,
		  enum cause cause)
{
	struct forward *forward = owner;

	if (fd == -1) {
		forward_refuse(forward, cause);
		return;
	}
	if (forward_relay(forward, fd, peer->sa.sa_family) == 0)
		return;
	diag_error("relaying failed: %s", diag_strerror(errno));
	forward->local.ended(forward->local.owner, outcome_of(CAUSE_LOCAL));
}

enum cause
forward_prepare(const struct endpoint *to)
{
	struct handed handed;
	enum cause cause;

	if (to->kind != ENDPOINT_FD)
		return CAUSE_NONE;
	cause = handed_inspect(to->fd, &handed);
	if (cause != CAUSE_NONE ||
	    (handed.connected && handed.type == SOCK_STREAM))
		return cause;
	diag_error("--to fd:%d is no connected stream", to->fd);
	return CAUSE_LOCAL;
}

/* Starts to dial, or takes what is connected. 0, or -1 with errno. */
static int
forward_dial(struct forward *forward)
{
	struct run *run = forward->local.run;
	const struct endpoint *to = &run->to.endpoint;
	const struct dial_request dial = {
		.options = &run->to, .endpoint = to, .ports = run->to.ports,
		.done = forward_connected, .owner = forward,
		.bound = &forward->bound,
	};
	struct address own = { .length = sizeof(own.storage) };

	if (to->kind == ENDPOINT_FD)
		return getsockname(to->fd, &own.sa, &own.length) == -1 ? -1 :
		    forward_relay(forward, to->fd, own.sa.sa_family);
	run->to.type = SOCK_STREAM;
	forward->dial = dial_start(run->loop, &dial);
	return forward->dial != NULL ? 0 : -1;
}

struct local *
forward_start(const struct local_request *request)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	if (forward == NULL) {
		(void)close(request->connection->fd);
		return NULL;
	}
	local_open(&forward->local, &forward_kind, request);
	forward->fd = request->connection->fd;
	forward->peer = request->connection->peer;
	address_text(&forward->peer, forward->name);
	if (forward->name[0] == '\0')
		(void)snprintf(forward->name, sizeof(forward->name), "peer");
	if (forward_dial(forward) == -1) {
		int error = errno;

		forward_free(&forward->local);
		errno = error;
		return NULL;
	}
	return &forward->local;
}
