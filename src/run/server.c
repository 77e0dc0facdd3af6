/*
 * server.c: the run of a listener: bind, accept, then a session
 *
 * Theory of operation. The name of the address is looked up, a socket is
 * bound for each address that it has, and all are watched. One client is
 * served; once it is there the listening sockets are closed, so that a second
 * one is refused at once instead of waiting for an answer that never comes.
 * With -k they stay, and the clients are a crowd.
 */
#include "run/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "net/connection.h"
#include "net/handed.h"
#include "net/multicast.h"
#include "net/protocol.h"
#include "net/resolve.h"
#include "net/sockopt.h"
#include "open/acceptor.h"
#include "open/access.h"
#include "open/listen.h"
#include "open/packet.h"
#include "open/ready.h"
#include "serve/crowd.h"
#include "run/guard.h"
#include "serve/run.h"
#include "serve/serve.h"

struct server {
	struct run *run;
	struct resolve *resolve;
	uint16_t port;
	struct listening listening;
	struct acceptor *acceptor;	/* of connections */
	struct handed *handed;	/* fd:N, LISTEN_FDS: what they are */
	size_t handed_count;
	struct timer accept_timeout;
	int type, protocol;		/* of the sockets */
};

static void
server_stop_accepting(struct server *server)
{
	loop_timer(server->run->loop, &server->accept_timeout, NEVER);
	acceptor_free(server->acceptor);
	server->acceptor = NULL;
	listen_close(&server->listening);
}

/* The signal that ends us has come: nobody else is let in. */
static void
server_stop(void *owner)
{
	ready_notify("STOPPING=1");
	server_stop_accepting(owner);
}

/* While nobody is served, somebody has to come in time. */
static void
server_await(struct server *server)
{
	bool waits = server->run->crowd == NULL ||
	    crowd_count(server->run->crowd) == 0;

	loop_timer(server->run->loop, &server->accept_timeout, waits ?
		   clock_after(server->run->options->accept_timeout) : NEVER);
}

/* As many as may be are served at once; more wait in the backlog. */
static void
server_mind_crowd(struct server *server)
{
	if (server->acceptor == NULL)
		return;
	server_await(server);
	if (crowd_count(server->run->crowd) < server->run->options->max_conns)
		acceptor_resume(server->acceptor);
	else
		acceptor_pause(server->acceptor);
}

static void
server_client_left(void *owner)
{
	server_mind_crowd(owner);
}

static void
server_accept_failed(void *owner)
{
	struct server *server = owner;

	run_end_failed(server->run, "accept");
}

/* One client is served, then the run is over; or it is one of many. */
static void
server_serve(struct server *server, const struct connection *connection)
{
	if (server->run->crowd == NULL) {
		server_stop_accepting(server);
		serve_connection(server->run, connection);
		return;
	}
	crowd_add(server->run->crowd, connection);
	server_mind_crowd(server);
}

/* The user's socket options could not be set, says `error`. */
static void
server_refuse(struct server *server, int fd, const char *error)
{
	diag_error("%s", error);
	(void)close(fd);
	if (server->run->crowd == NULL)
		run_end(server->run, outcome_of(CAUSE_LOCAL));
}

static void
server_accepted(void *owner, int fd, const struct address *peer)
{
	struct server *server = owner;
	const struct options *options = server->run->options;
	const struct connection connection = {
		.fd = fd, .family = peer->sa.sa_family,
		.type = server->type, .protocol = server->protocol,
		.peer = *peer, .accepted = true,
		.role = EXCHANGE_CONNECTION,
	};
	const struct address *own = &server->listening.sockets[0].address;
	char error[SOCKOPT_ERROR], text[ADDRESS_TEXT];

	if (!access_allows(server->run->access, fd, peer)) {
		(void)close(fd);
		return;
	}
	if (options->verbose > 0)
		diag_note("Connection received on %s",
			  address_text(peer, text)[0] != '\0' ? text :
			  address_text(own, text));
	if (sockopt_apply(fd, peer->sa.sa_family, server->type,
			  SOCKOPT_CONNECTED, options->sockopts,
			  options->sockopt_count, error) == -1)
		server_refuse(server, fd, error);
	else
		server_serve(server, &connection);
}

static void
server_timed_out(struct timer *timer)
{
	struct server *server = container_of(timer, struct server,
					     accept_timeout);

	diag_error("no client came within the --accept-timeout");
	run_end(server->run, outcome_of(CAUSE_TIMED_OUT));
}

/* What is opened for a client besides its socket (ACCEPTOR_RESERVE). */
static size_t
server_reserve(const struct run *run)
{
	const struct options *options = run->options;
	struct address address;

	if (options->exec != NULL || options->sh_exec != NULL)
		return 2;	/* a pair, with somebody who looks at it */
	if (options->reply != NULL)
		return run->reply_fd == -1 ? 1 : 0;
	if (options->to_text == NULL)
		return 0;
	/* A look-up has a pipe, and files and sockets of the C library's. */
	return run->to.endpoint.kind == ENDPOINT_HOST &&
	    address_numeric(run->to.endpoint.host, 0, &address) == -1 ?
	    ACCEPTOR_RESERVE : 1;
}

/* Waits for clients. */
static void
server_accept(struct server *server)
{
	const struct acceptor_request request = {
		.listening = &server->listening,
		.reserve = server_reserve(server->run),
		.accepted = server_accepted, .failed = server_accept_failed,
		.owner = server,
	};

	if (server->run->options->keep_open) {
		server->run->crowd = crowd_new(server->run, server_client_left,
					  server);
		if (server->run->crowd == NULL) {
			run_end_failed(server->run, "listening");
			return;
		}
	}
	server->acceptor = acceptor_new(server->run->loop, &request);
	if (server->acceptor == NULL)
		run_end_failed(server->run, "listening");
	else
		acceptor_resume(server->acceptor);
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
	serve_connection(server->run, &connection);
}

/* What a signal has to clean up is cleaned up. 0, or -1 with errno. */
static int
server_guard(struct server *server)
{
	const struct options *options = server->run->options;

	if (!server->listening.path.ours && !options->keep_open &&
	    options->exec == NULL && options->sh_exec == NULL)
		return 0;
	return run_guard(server->run, &server->listening.path, server_stop,
			 server);
}

/* Tells whoever wants to know that we are there, and where. */
static enum cause
server_tell(const struct server *server)
{
	const struct options *options = server->run->options;
	enum cause cause = CAUSE_NONE;

	if (options->port_file != NULL && server->listening.count > 0)
		cause = ready_write_port_file(options->port_file,
					      &server->listening,
					      server->run->loop);
	if (cause == CAUSE_NONE)
		cause = ready_write(options->ready_fd, &server->listening,
				    server->run->loop);
	if (cause == CAUSE_NONE)
		ready_notify("READY=1");
	return cause;
}

/* The sockets are there: tell where, and go on. */
static void
server_listening(struct server *server)
{
	enum cause cause;

	/* Who is told may send a signal at once. */
	if (server_guard(server) == -1) {
		run_end_failed(server->run, "watching signals");
		return;
	}
	cause = server_tell(server);
	if (cause == CAUSE_TIMED_OUT)
		return;		/* what is due now ends the run */
	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
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

/* What was handed over is a connection, as inetd(8) does it. */
static void
server_take_connection(struct server *server)
{
	const struct handed *handed = &server->handed[0];
	const struct connection connection = {
		.fd = handed->fd, .family = handed->family,
		.type = handed->type, .protocol = handed->protocol,
		.peer = handed->peer, .shared = true,
		.role = handed->type == SOCK_SEQPACKET ?
		    EXCHANGE_CONNECTION : EXCHANGE_CLIENT,
	};
	enum cause cause;

	if (!access_allows(server->run->access, handed->fd, &handed->peer)) {
		diag_error("the client of descriptor %d is not allowed",
			   handed->fd);
		run_end(server->run, outcome_of(CAUSE_PERMISSION));
		return;
	}
	cause = server_tell(server);
	if (cause == CAUSE_TIMED_OUT)
		return;		/* what is due now ends the run */
	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	else
		serve_connection(server->run, &connection);
}

/* fd:N may be anything: what it is decides what is done with it. */
static void
server_open_handed(struct server *server)
{
	const struct handed *handed = &server->handed[0];

	if (handed->type == SOCK_STREAM &&
	    options_need_messages(server->run->options)) {
		diag_error("descriptor %d is a stream, which has no messages",
			   handed->fd);
		run_end(server->run, outcome_of(CAUSE_USAGE));
		return;
	}
	server->type = handed->type;
	server->protocol = handed->protocol;
	if (handed->connected) {
		server_take_connection(server);
	} else if (handed->listening || handed->type == SOCK_DGRAM ||
		   handed->type == SOCK_RAW) {
		server_opened(server, listen_adopt(server->run->options,
						   handed->fd,
						   server->handed_count,
						   handed->type,
						   &server->listening));
	} else {
		diag_error("descriptor %d is neither connected nor listening",
			   handed->fd);
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

/* Finds out what was handed over. Returns false where that ends the run. */
static bool
server_inspect(struct server *server)
{
	const struct options *options = server->run->options;
	enum cause cause;

	if (options->endpoint.kind != ENDPOINT_FD)
		return true;
	server->handed_count = options->activated > 0 ? options->activated : 1;
	server->handed = calloc(server->handed_count, sizeof(struct handed));
	if (server->handed == NULL) {
		run_end_failed(server->run, "listening");
		return false;
	}
	cause = handed_inspect_all(options->endpoint.fd, server->handed_count,
				   server->handed);
	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	return cause == CAUSE_NONE;
}

/* What clients of a socket of that kind can be told by. */
static void
server_note_clients(struct access_request *request, int family, int type)
{
	if (family == AF_UNSPEC || family == AF_INET || family == AF_INET6)
		request->addresses = true;
	else if (family == AF_UNIX && type != SOCK_DGRAM)
		request->users = true;
}

/* The rules about clients have been read. */
static void
server_access_read(void *owner, enum cause cause)
{
	struct server *server = owner;

	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	else
		server_open(server);
}

/* Reads the rules about clients, before any can come. */
static void
server_read_access(struct server *server)
{
	const struct options *options = server->run->options;
	struct access_request request = {
		.options = options->access, .count = options->access_count,
		.numeric_only = options->numeric_only,
		.verbose = options->verbose,
		.done = server_access_read, .owner = server,
	};
	size_t i;

	for (i = 0; i < server->handed_count; i++)
		server_note_clients(&request, server->handed[i].family,
				    server->handed[i].type);
	if (server->handed_count == 0)
		server_note_clients(&request, options->family, options->type);
	server->run->access = access_open(server->run->loop, &request);
	if (server->run->access == NULL)
		run_end_failed(server->run, "reading the access rules");
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
	server_await(server);
	server->type = run->options->type;
	server->protocol = run->options->protocol;
	if (!server_inspect(server))
		return server;
	if (run->options->access_count > 0)
		server_read_access(server);
	else
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
	access_free(server->run->access);
	server->run->access = NULL;
	free(server->handed);
	free(server);
}
