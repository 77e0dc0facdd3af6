/*
 * front.c: the socket at which the clients of flows are heard
 */
#include "serve/front.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/options.h"
#include "net/msgsock.h"
#include "net/connection.h"
#include "open/access.h"

static struct msgsock_options
options_for(const struct front *front)
{
	const struct options *options = front->run->options;
	const struct connection *connection = &front->connection;
	bool raw = connection->type == SOCK_RAW;

	return (struct msgsock_options){
		.buffers = front->run->buffers,
		.connected = connection->role == EXCHANGE_CLIENT ||
		    connection->role == EXCHANGE_CONNECTION,
		.want_local = !front->alone,
		.ends = front->ends, .shared = connection->shared,
		.strip_header = raw && connection->family == AF_INET &&
		    !options->ip_header,
		.own_header = raw && options->ip_header,
		.checksum_offset = options->checksum_offset,
		.passes_on = true,
		.admits = !front->alone && front->run->access != NULL ?
		    access_admits : NULL,
		.owner = front->run->access,
	};
}

int
front_open(struct front *front, struct run *run,
	   const struct connection *connection)
{
	struct msgsock_options how;

	front->run = run;
	front->connection = *connection;
	front->alone = connection->role != EXCHANGE_LISTENER;
	front->ends = connection->role == EXCHANGE_CONNECTION;
	address_text(&connection->peer, front->name);
	if (front->name[0] == '\0')
		(void)snprintf(front->name, sizeof(front->name), "peer");
	/* One client needs no more than thousands do. */
	if (run->buffers == NULL)
		run->buffers = msgsock_buffers_new();
	if (run->buffers == NULL)
		return -1;
	how = options_for(front);
	front->socket = msgsock_new(connection->fd, connection->family,
				    connection->type, connection->protocol,
				    &how);
	return front->socket != NULL ? 0 : -1;
}

void
front_close(struct front *front)
{
	msgsock_free(front->socket);
	(void)close(front->connection.fd);
}
