/*
 * server.c: the run of a listener: bind, accept, then a session
 *
 * Theory of operation. The name of the address is looked up, a socket is
 * bound for each address that it has, and all are watched. One client is
 * served; once it is there the listening sockets are closed, so that a second
 * one is refused at once instead of waiting for an answer that never comes.
 */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "compat.h"
#include "diag.h"
#include "handed.h"
#include "listen.h"
#include "multicast.h"
#include "options.h"
#include "packet.h"
#include "protocol.h"
#include "resolve.h"
#include "run.h"
#include "sockopt.h"

/* How long to wait where accept(2) fails for want of descriptors. */
#define ACCEPT_PAUSE (100 * MILLISECOND)

struct acceptor {
	struct watch watch;
	struct server *server;
};

struct server {
	struct run *run;
	struct resolve *resolve;
	uint16_t port;
	struct listening listening;
	struct acceptor *acceptors;	/* one for each socket */
	struct timer accept_timeout;
	struct timer accept_pause;
	int type, protocol;		/* of the sockets */
	bool told_shortage;		/* of descriptors or memory */
};

static void
server_stop_accepting(struct server *server)
{
	size_t i;

	for (i = 0; server->acceptors != NULL &&
	     i < server->listening.count; i++)
		loop_unwatch(server->run->loop, &server->acceptors[i].watch);
	loop_timer(server->run->loop, &server->accept_timeout, NEVER);
	loop_timer(server->run->loop, &server->accept_pause, NEVER);
	free(server->acceptors);
	server->acceptors = NULL;
	listen_close(&server->listening);
}

static int
server_watch(struct server *server)
{
	size_t i;

	for (i = 0; i < server->listening.count; i++)
		if (loop_watch(server->run->loop, &server->acceptors[i].watch,
			       POLLIN) == -1)
			return -1;
	return 0;
}

static void
accept_pause_expired(struct timer *timer)
{
	struct server *server = container_of(timer, struct server,
					     accept_pause);

	if (server_watch(server) == -1)
		run_end_failed(server->run, "watching for clients");
}

/* A client is no reason to end because it went away, nor is a shortage. */
static void
server_accept_failed(struct server *server)
{
	size_t i;

	switch (errno) {
	case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM:
		if (!server->told_shortage)
			diag_error("accept failed: %s; trying again",
				   diag_strerror(errno));
		server->told_shortage = true;
		for (i = 0; i < server->listening.count; i++)
			loop_unwatch(server->run->loop,
				     &server->acceptors[i].watch);
		loop_timer(server->run->loop, &server->accept_pause,
			   clock_after(ACCEPT_PAUSE));
		break;
	/* Of one client alone; accept(2): treat them like EAGAIN. */
	case EAGAIN: case EINTR: case ECONNABORTED: case EPROTO:
	case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case EHOSTUNREACH:
	case ENETUNREACH: case EOPNOTSUPP:
#ifdef ENONET
	case ENONET:
#endif
		break;
	default:
		run_end_failed(server->run, "accept");
		break;
	}
}

static void
server_serve(struct server *server, int fd, const struct address *peer)
{
	const struct options *options = server->run->options;
	const struct connection connection = {
		.fd = fd, .family = peer->sa.sa_family,
		.type = server->type, .protocol = server->protocol,
		.peer = *peer, .accepted = true,
		.role = EXCHANGE_CONNECTION,
	};
	const struct address *own = &server->listening.sockets[0].address;
	char error[SOCKOPT_ERROR], text[ADDRESS_TEXT];

	if (options->verbose > 0)
		diag_note("Connection received on %s",
			  address_text(peer, text)[0] != '\0' ? text :
			  address_text(own, text));
	if (sockopt_apply(fd, peer->sa.sa_family, server->type,
			  SOCKOPT_CONNECTED, options->sockopts,
			  options->sockopt_count, error) == -1) {
		diag_error("%s", error);
		(void)close(fd);
		run_end(server->run, outcome_of(CAUSE_LOCAL));
		return;
	}
	server_stop_accepting(server);
	run_connection(server->run, &connection);
}

static void
server_ready(struct watch *watch, short events)
{
	struct acceptor *acceptor = container_of(watch, struct acceptor,
						 watch);
	struct address peer = { .length = sizeof(peer.storage) };
	int fd = compat_accept(watch->fd, &peer.sa, &peer.length);

	(void)events;
	if (fd == -1) {
		server_accept_failed(acceptor->server);
		return;
	}
	address_unmap(&peer);
	server_serve(acceptor->server, fd, &peer);
}

static void
server_timed_out(struct timer *timer)
{
	struct server *server = container_of(timer, struct server,
					     accept_timeout);

	diag_error("no client came within the --accept-timeout");
	run_end(server->run, outcome_of(CAUSE_TIMED_OUT));
}

/* Waits for clients. */
static void
server_accept(struct server *server)
{
	size_t count = server->listening.count, i;

	server->acceptors = calloc(count, sizeof(*server->acceptors));
	if (server->acceptors == NULL) {
		run_end_failed(server->run, "listening");
		return;
	}
	for (i = 0; i < count; i++)
		server->acceptors[i] = (struct acceptor){
			.watch = { .fd = server->listening.sockets[i].fd,
				   .ready = server_ready },
			.server = server,
		};
	if (server_watch(server) == -1)
		run_end_failed(server->run, "watching for clients");
}

/*
 * Messages have no clients to accept: one socket hears everyone. The first,
 * where a name has several addresses.
 */
static void
server_hear(struct server *server)
{
	const struct options *options = server->run->options;
	struct bound *bound = &server->listening.sockets[0];
	struct connection connection = {
		.fd = bound->fd, .family = bound->address.sa.sa_family,
		.type = server->type, .protocol = server->protocol,
		.role = EXCHANGE_LISTENER,
	};
	enum cause cause = multicast_join(bound->fd, connection.family,
					  options->groups,
					  options->group_count,
					  options->interface);

	if (cause != CAUSE_NONE) {
		run_end(server->run, outcome_of(cause));
		return;
	}
	/* A frame carries its address: it can be sent before one came. */
	if (connection.family == AF_PACKET && connection.type == SOCK_RAW)
		connection.peer = bound->address;
	bound->fd = -1;		/* it belongs to the exchange now */
	run_connection(server->run, &connection);
}

/* The sockets are there: tell where, and go on. */
static void
server_listening(struct server *server)
{
	const struct options *options = server->run->options;
	enum cause cause = CAUSE_NONE;

	if (options->port_file != NULL)
		cause = listen_write_port_file(options->port_file,
					       &server->listening);
	/* From here on signals wait for us; opening a FIFO could not end. */
	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	else if (server->listening.path.ours &&
		 run_guard(server->run, &server->listening.path) == -1)
		run_end_failed(server->run, "watching signals");
	else if (server->type == SOCK_STREAM ||
		 server->type == SOCK_SEQPACKET)
		server_accept(server);
	else
		server_hear(server);
}

/* Goes on with what listen_open() returned. */
static void
server_opened(struct server *server, enum cause cause)
{
	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	else
		server_listening(server);
}

static void
server_resolved(void *owner, int error, const struct address *list,
		size_t count)
{
	struct server *server = owner;
	const struct options *options = server->run->options;
	struct address *addresses;
	size_t i;

	if (error != 0) {
		diag_error("look-up of %s failed: %s", options->endpoint.host,
			   resolve_strerror(error));
		run_end(server->run, outcome_of(resolve_cause(error)));
		return;
	}
	addresses = calloc(count, sizeof(*addresses));
	if (addresses == NULL) {
		run_end_failed(server->run, "listening");
		return;
	}
	for (i = 0; i < count; i++) {
		addresses[i] = list[i];
		address_set_port(&addresses[i], server->port);
	}
	server_opened(server, listen_open(options, addresses, count,
					  &server->listening));
	free(addresses);
}

/* Reads the one port to listen on. */
static enum cause
server_read_port(struct server *server)
{
	const struct options *options = server->run->options;
	char error[PORTS_ERROR];
	struct port_range *ranges;
	size_t count;
	bool single;
	int result;

	if (options->ports == NULL)
		return CAUSE_NONE;	/* raw: there are none */
	result = ports_parse(options->ports,
			     protocol_name(server->type, server->protocol),
			     &ranges, &count, error);
	if (result != 0) {
		diag_error("%s", error);
		return result == -1 ? CAUSE_USAGE : CAUSE_UNKNOWN_NAME;
	}
	single = count == 1 && ranges[0].first == ranges[0].last;
	server->port = ranges[0].first;
	free(ranges);
	if (!single) {
		diag_error("only one port can be listened on: %s",
			   options->ports);
		return CAUSE_USAGE;
	}
	return CAUSE_NONE;
}

/* Listens at an address that needs no look-up. */
static void
server_open_address(struct server *server, const struct address *address)
{
	server_opened(server, listen_open(server->run->options, address, 1,
					  &server->listening));
}

static void
server_open_unix(struct server *server)
{
	const struct options *options = server->run->options;
	const char *path = options->endpoint.path;
	struct address address;

	if (address_unix(path, strlen(path), options->endpoint.abstract,
			 &address) == -1)
		run_end_failed(server->run, "reading the path");
	else
		server_open_address(server, &address);
}

static void
server_open_vsock(struct server *server)
{
#if SOCKCAT_LINUX
	const struct endpoint *endpoint = &server->run->options->endpoint;
	struct address address;

	address_vsock(endpoint->cid, endpoint->vsock_port, &address);
	server_open_address(server, &address);
#else
	diag_error("this build has no vsock sockets");
	run_end(server->run, outcome_of(CAUSE_LOCAL));
#endif
}

/* Takes a socket as if listen_open() had made it. */
static void
server_take(struct server *server, int fd, const struct address *address)
{
	server->listening.sockets = calloc(1, sizeof(struct bound));
	if (server->listening.sockets == NULL) {
		run_end_failed(server->run, "listening");
		return;
	}
	server->listening.sockets[0].fd = fd;
	server->listening.sockets[0].address = *address;
	server->listening.count = 1;
	server_listening(server);
}

static void
server_open_packet(struct server *server)
{
	struct bound bound;
	enum cause cause = packet_open(server->run->options, &bound);

	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	else
		server_take(server, bound.fd, &bound.address);
}

/* fd:N may be anything: what it is decides what is done with it. */
static void
server_open_handed(struct server *server)
{
	struct handed handed;
	enum cause cause = handed_inspect(server->run->options->endpoint.fd,
					  &handed);
	struct connection connection = {
		.fd = handed.fd, .family = handed.family,
		.type = handed.type, .protocol = handed.protocol,
		.peer = handed.peer, .shared = true,
		.role = handed.type == SOCK_SEQPACKET ?
		    EXCHANGE_CONNECTION : EXCHANGE_CLIENT,
	};

	if (cause != CAUSE_NONE) {
		run_end(server->run, outcome_of(cause));
		return;
	}
	if (handed.type == SOCK_STREAM &&
	    options_need_messages(server->run->options)) {
		diag_error("descriptor %d is a stream, which has no messages",
			   handed.fd);
		run_end(server->run, outcome_of(CAUSE_USAGE));
		return;
	}
	server->type = handed.type;
	server->protocol = handed.protocol;
	if (handed.connected) {
		run_connection(server->run, &connection);
	} else if (handed.listening || handed.type == SOCK_DGRAM ||
		   handed.type == SOCK_RAW) {
		const struct address own = { .sa.sa_family =
		    (sa_family_t)handed.family };

		server_take(server, handed.fd, &own);
	} else {
		diag_error("descriptor %d is neither connected nor listening",
			   handed.fd);
		run_end(server->run, outcome_of(CAUSE_LOCAL));
	}
}

static void
server_open_inet(struct server *server)
{
	const struct options *options = server->run->options;
	const struct resolve_request request = {
		.host = options->endpoint.host, .family = options->family,
		.numeric_only = options->numeric_only,
		.done = server_resolved, .owner = server,
	};
	enum cause cause = server_read_port(server);

	if (cause != CAUSE_NONE) {
		run_end(server->run, outcome_of(cause));
		return;
	}
	if (options->endpoint.host[0] == '\0') {
		server_opened(server, listen_open_any(options, server->port,
						      &server->listening));
		return;
	}
	server->resolve = resolve_start(server->run->loop, &request);
	if (server->resolve == NULL)
		run_end_failed(server->run, "look-up");
}

static void
server_open(struct server *server)
{
	const struct options *options = server->run->options;

	if (options->family == AF_PACKET) {
		server_open_packet(server);
		return;
	}
	switch (options->endpoint.kind) {
	case ENDPOINT_UNIX:
		server_open_unix(server);
		break;
	case ENDPOINT_VSOCK:
		server_open_vsock(server);
		break;
	case ENDPOINT_FD:
		server_open_handed(server);
		break;
	case ENDPOINT_HOST:
		server_open_inet(server);
		break;
	}
}

struct server *
server_start(struct run *run)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		run_end_failed(run, "listening");
		return NULL;
	}
	server->run = run;
	server->accept_timeout.expired = server_timed_out;
	server->accept_pause.expired = accept_pause_expired;
	loop_timer(run->loop, &server->accept_timeout,
		   clock_after(run->options->accept_timeout));
	server->type = run->options->type;
	server->protocol = run->options->protocol;
	server_open(server);
	return server;
}

void
server_free(struct server *server)
{
	if (server == NULL)
		return;
	server_stop_accepting(server);
	resolve_free(server->resolve);
	free(server);
}
