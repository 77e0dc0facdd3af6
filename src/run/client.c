/*
 * client.c: the run of a client: dial, then move data
 */
#include "run/client.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/diag.h"
#include "cli/options.h"
#include "net/connection.h"
#include "net/multicast.h"
#include "open/dial.h"
#include "open/packet.h"
#include "run/guard.h"
#include "serve/run.h"
#include "serve/serve.h"

struct client {
	struct run *run;
	struct dial *dial;
	struct unixpath path;	/* what -s bound a Unix socket to */
};

/* Many peers cannot share one program, or one connection. */
static bool
needs_one_peer(const struct options *options)
{
	return options->exec != NULL || options->sh_exec != NULL ||
	    options->to_text != NULL;
}

/* Who sends to many is answered by others: dial.c has not connected it. */
static enum exchange_role
role_of(const struct client *client, int fd)
{
	struct address peer = { .length = sizeof(peer.storage) };

	if (client->run->options->type == SOCK_SEQPACKET)
		return EXCHANGE_CONNECTION;
	return getpeername(fd, &peer.sa, &peer.length) == 0 ?
	    EXCHANGE_CLIENT : EXCHANGE_OPEN_CLIENT;
}

static void
client_connected(void *owner, int fd, const struct address *peer,
		 enum cause cause)
{
	struct client *client = owner;
	struct run *run = client->run;
	struct connection connection = {
		.fd = fd, .type = run->options->type,
		.protocol = run->options->protocol,
	};

	if (fd == -1) {
		run_end(run, outcome_of(cause));
		return;
	}
	connection.family = peer->sa.sa_family;
	connection.peer = *peer;
	if (connection.type != SOCK_STREAM) {
		connection.role = role_of(client, fd);
		cause = multicast_join(fd, connection.family,
				       run->options->groups,
				       run->options->group_count,
				       run->options->interface);
	}
	if (cause == CAUSE_NONE && connection.role == EXCHANGE_OPEN_CLIENT &&
	    needs_one_peer(run->options)) {
		diag_error("a program or a relay needs one peer, not a group "
			   "or a broadcast address");
		cause = CAUSE_USAGE;
	}
	if (cause == CAUSE_NONE) {
		serve_connection(run, &connection);
		return;
	}
	if (connection.type != SOCK_STREAM)
		(void)close(fd);
	run_end(run, outcome_of(cause));
}

/* The link layer has nobody to connect to. */
static void
client_start_packet(struct run *run)
{
	struct bound bound;
	enum cause cause = packet_open(run->options, &bound);
	struct connection connection = {
		.family = AF_PACKET, .type = run->options->type,
		.role = EXCHANGE_OPEN_CLIENT,
	};

	if (cause != CAUSE_NONE) {
		run_end(run, outcome_of(cause));
		return;
	}
	connection.fd = bound.fd;
	connection.peer = bound.address;
	serve_connection(run, &connection);
}

static void
client_dial(struct client *client)
{
	const struct options *options = client->run->options;
	const struct dial_request request = {
		.options = options, .endpoint = &options->endpoint,
		.ports = options->ports,
		.done = client_connected, .owner = client,
		.bound = &client->path,
	};

	/* It will bind the path that -s says. */
	if (options->family == AF_UNIX && options->source_host != NULL &&
	    run_guard(client->run, &client->path, NULL, NULL) == -1) {
		run_end_failed(client->run, "watching signals");
		return;
	}
	client->dial = dial_start(client->run->loop, &request);
	if (client->dial == NULL)
		run_end_failed(client->run, "starting to connect");
}

struct client *
client_start(struct run *run)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		run_end_failed(run, "starting to connect");
		return NULL;
	}
	client->run = run;
	if (run->options->family == AF_PACKET)
		client_start_packet(run);
	else
		client_dial(client);
	return client;
}

void
client_free(struct client *client)
{
	if (client == NULL)
		return;
	dial_free(client->dial);
	unixpath_remove(&client->path);
	free(client);
}
