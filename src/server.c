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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "compat.h"
#include "diag.h"
#include "listen.h"
#include "options.h"
#include "resolve.h"
#include "run.h"
#include "sockopt.h"

/* How long to wait where accept(2) fails for want of descriptors. */
#define ACCEPT_PAUSE (100 * MILLISECOND)

/* The signals that end a listener; it removes its Unix path first. */
static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };

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
	bool told_shortage;		/* of descriptors or memory */
	struct signal_watch signals[ARRAY_LENGTH(ending_signals)];
};

static void
server_stop_accepting(struct server *server)
{
	size_t i;

	for (i = 0; i < server->listening.count; i++)
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
	const struct address *own = &server->listening.sockets[0].address;
	char error[SOCKOPT_ERROR], text[ADDRESS_TEXT];

	if (options->verbose > 0)
		diag_note("Connection received on %s",
			  address_text(peer, text)[0] != '\0' ? text :
			  address_text(own, text));
	if (sockopt_apply(fd, peer->sa.sa_family, options->type,
			  SOCKOPT_CONNECTED, options->sockopts,
			  options->sockopt_count, error) == -1) {
		diag_error("%s", error);
		(void)close(fd);
		run_end(server->run, outcome_of(CAUSE_LOCAL));
		return;
	}
	server_stop_accepting(server);
	run_session(server->run, fd, peer, true);
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

static void
server_signalled(struct signal_watch *watch)
{
	struct server *server = watch->owner;

	server_stop_accepting(server);
	run_end(server->run, (struct outcome){ .signal = watch->signal });
}

/* Only what has a file to remove needs to hear of signals. */
static int
server_watch_signals(struct server *server)
{
	size_t i;

	if (!server->listening.path.ours)
		return 0;
	for (i = 0; i < ARRAY_LENGTH(ending_signals); i++) {
		server->signals[i] = (struct signal_watch){
			.signal = ending_signals[i],
			.caught = server_signalled, .owner = server,
		};
		if (loop_signal(server->run->loop, &server->signals[i]) == -1)
			return -1;
	}
	return 0;
}

/* The sockets listen: tell where, and wait for clients. */
static void
server_listening(struct server *server)
{
	const struct options *options = server->run->options;
	size_t count = server->listening.count, i;
	enum cause cause = CAUSE_NONE;

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
	if (options->port_file != NULL)
		cause = listen_write_port_file(options->port_file,
					       &server->listening);
	/* From here on signals wait for us; opening a FIFO could not end. */
	if (cause != CAUSE_NONE)
		run_end(server->run, outcome_of(cause));
	else if (server_watch_signals(server) == -1 ||
		 server_watch(server) == -1)
		run_end_failed(server->run, "watching for clients");
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
	int result = ports_parse(options->ports, "tcp", &ranges, &count,
				 error);
	bool single;

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
		server_opened(server, listen_open(options, &address, 1,
						  &server->listening));
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
	if (run->options->endpoint.kind == ENDPOINT_UNIX)
		server_open_unix(server);
	else
		server_open_inet(server);
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
