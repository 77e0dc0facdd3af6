/*
 * client.c: the run of a client: dial, then a session
 */
#include "client.h"

#include <stdlib.h>

#include "dial.h"
#include "options.h"
#include "run.h"

struct client {
	struct run *run;
	struct dial *dial;
};

static void
client_connected(void *owner, int fd, const struct address *peer,
		 enum cause cause)
{
	struct client *client = owner;

	if (fd == -1)
		run_end(client->run, outcome_of(cause));
	else
		run_session(client->run, fd, peer, false);
}

struct client *
client_start(struct run *run)
{
	struct client *client = calloc(1, sizeof(*client));
	const struct dial_request request = {
		.options = run->options, .endpoint = &run->options->endpoint,
		.ports = run->options->ports,
		.done = client_connected, .owner = client,
	};

	if (client != NULL) {
		client->run = run;
		client->dial = dial_start(run->loop, &request);
	}
	if (client == NULL || client->dial == NULL) {
		run_end_failed(run, "starting to connect");
		free(client);
		return NULL;
	}
	return client;
}

void
client_free(struct client *client)
{
	if (client == NULL)
		return;
	dial_free(client->dial);
	free(client);
}
