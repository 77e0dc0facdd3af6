/*
 * exec.c: a program as the local side of a connection: -e, -c
 *
 * Theory of operation. What the program has as its descriptors 0 and 1 (the
 * socket itself, or one end of a pair whose other end a relay has) we keep
 * open, too. So the client is not told of an end before the program has
 * ended, with all that it left running to write its last bytes, and what it
 * did not read is read by us: closed unread it would reset the connection and
 * eat the program's answer. When the program has ended we half-close, and
 *
 *     - the socket lingers, for a while until the client's end, or
 *     - the relay does that, and we only discard what it sends us.
 */
#include "serve/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "net/connection.h"
#include "net/linger.h"
#include "serve/flow.h"
#include "serve/relay.h"
#include "serve/run.h"

/* How long to wait for the client's end once it has everything. */
#define EXEC_GRACE (2 * SECOND)

struct exec {
	struct local local;
	struct child child;
	int fd;			/* what the program has; -1: not there */
	bool lingers;		/* it can be half-closed, and linger */
	struct outcome outcome;
	struct lingering linger;	/* of `fd` */
	struct watch unread;	/* `fd`, once nobody else reads it */
	struct relay *relay;	/* NULL: the program has the socket */
	bool relayed;		/* the relay is over */
	struct timer finish;	/* calls `ended` from the loop */
	char name[ADDRESS_TEXT];	/* of the client, for the relay */
};

static void
exec_over(struct exec *exec)
{
	exec->local.ended(exec->local.owner, exec->outcome);
}

static void
finish_expired(struct timer *timer)
{
	exec_over(container_of(timer, struct exec, finish));
}

/* A client that resets, or stalls, is no failure of the program. */
static void
linger_ended(struct lingering *linger, enum linger_end end, int error)
{
	(void)end;
	(void)error;
	exec_over(container_of(linger, struct exec, linger));
}

/* What the relay still sends to a program that has ended. */
static void
unread_ready(struct watch *watch, short events)
{
	struct exec *exec = container_of(watch, struct exec, unread);

	(void)events;
	(void)linger_discard(&exec->linger);
	if (exec->linger.no_more)
		loop_unwatch(exec->local.run->loop, watch);
}

static int64_t
exec_grace(const struct exec *exec)
{
	int64_t quit_after = exec->local.run->options->quit_after;

	return quit_after < EXEC_GRACE ? quit_after : EXEC_GRACE;
}

static void
child_ended(struct child *child, int status)
{
	struct exec *exec = container_of(child, struct exec, child);
	const struct run *run = exec->local.run;

	exec->outcome = (struct outcome){ .status = status };
	if (exec->relayed || !exec->lingers) {
		exec_over(exec);
		return;
	}
	if (exec->relay != NULL || !run->options->no_shutdown)
		(void)shutdown(exec->fd, SHUT_WR);
	if (exec->relay != NULL) {
		loop_watch(run->loop, &exec->unread, POLLIN);
		return;
	}
	exec->linger.grace = exec_grace(exec);
	linger_start(&exec->linger, false, NEVER);
}

/*
 * Nothing more is relayed. Before the program's end that is because of a
 * limit, which ends the program, too; or because the client broke off: what
 * the program makes of that is its own affair, as with a socket.
 */
static void
relay_ended(void *owner, struct outcome outcome)
{
	struct exec *exec = owner;

	relay_free(exec->relay);
	exec->relay = NULL;
	exec->relayed = true;
	if (exec->child.pid == 0) {
		if (outcome.status != 0 && outcome.status != CAUSE_BROKEN)
			exec->outcome = outcome;
		exec_over(exec);
		return;
	}
	/* Closed by us as well, the pair's end tells the program. */
	(void)close(exec->fd);
	exec->fd = -1;
	if (outcome.status == CAUSE_BROKEN)
		return;
	exec->outcome = outcome;
	child_forget(&exec->child);
	exec_over(exec);
}

static struct outcome
exec_expire(struct local *local, const char *limit)
{
	struct exec *exec = container_of(local, struct exec, local);

	if (exec->relay != NULL)
		return relay_expire(exec->relay, limit);
	diag_error("%s", limit);
	return outcome_of(CAUSE_TIMED_OUT);
}

static void
exec_free(struct local *local)
{
	struct exec *exec = container_of(local, struct exec, local);
	struct loop *loop = local->run->loop;

	child_forget(&exec->child);
	relay_free(exec->relay);
	linger_stop(&exec->linger);
	loop_unwatch(loop, &exec->unread);
	loop_timer(loop, &exec->finish, NEVER);
	if (exec->fd != -1)
		(void)close(exec->fd);
	free(exec);
}

static const struct local_kind exec_kind = { exec_expire, exec_free };

/* Starts the program on `exec->fd`; 0, or -1 with errno. */
static int
exec_spawn(struct exec *exec, const struct connection *connection)
{
	struct run *run = exec->local.run;
	const struct program_connection about = {
		.fd = connection->fd, .type = connection->type,
		.protocol = connection->protocol, .peer = connection->peer,
	};
	char **environment = program_environment(&run->program, &about);
	int result, error, blocking = 0;

	if (environment == NULL)
		return -1;
	(void)ioctl(exec->fd, FIONBIO, &blocking);
	result = child_start(&run->children, &exec->child, run->program.path,
			     run->program.argv, environment, exec->fd,
			     exec->fd);
	error = errno;
	free(environment);
	errno = error;
	return result;
}

/* The program could not be started: tells so, and the owner from the loop. */
static void
exec_failed(struct exec *exec)
{
	struct run *run = exec->local.run;

	diag_error("run %s failed: %s", run->program.argv[0],
		   diag_strerror(errno));
	exec->outcome = outcome_of(cause_of_errno(errno));
	if (exec->lingers && exec->fd != -1)
		linger_reset(exec->fd);	/* it was not an empty answer */
	loop_timer(run->loop, &exec->finish, 0);
}

/* Whether somebody has to look at what moves. */
static bool
exec_looked_at(const struct options *options)
{
	return options->crlf || options->idle_quiet != NEVER ||
	    options->idle_timeout != NEVER || options->peer_quit != NEVER;
}

static int
set_close_on_exec(const int pair[2])
{
	int on = 1;

	return fcntl(pair[0], F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(pair[1], F_SETFD, FD_CLOEXEC) == -1 ||
	    ioctl(pair[0], FIONBIO, &on) == -1 ? -1 : 0;
}

/*
 * Makes a pair with one end for the program. Returns the other end, for the
 * relay, or -1 with errno.
 */
static int
exec_open_pair(struct exec *exec)
{
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return -1;
	exec->fd = pair[1];
	if (set_close_on_exec(pair) == 0)
		return pair[0];
	error = errno;
	(void)close(pair[0]);
	errno = error;
	return -1;
}

/* The program gets an end of a pair. 0, or -1 with errno. */
static int
exec_start_relayed(struct exec *exec, const struct connection *connection)
{
	struct run *run = exec->local.run;
	struct relay_request request = {
		.options = run->options,
		.remote = { .fd = connection->fd, .name = exec->name,
			    .family = connection->family },
		.local = { .fd = exec_open_pair(exec), .family = AF_UNIX,
			   .name = run->program.argv[0] },
		.grace = exec_grace(exec),
		.ended = relay_ended, .owner = exec,
	};
	int error;

	if (request.local.fd != -1 && exec_spawn(exec, connection) == 0) {
		exec->relay = relay_start(run->loop, &request);
		return exec->relay != NULL ? 0 : -1;
	}
	error = errno;
	linger_reset(connection->fd);
	(void)close(connection->fd);
	if (request.local.fd != -1)
		(void)close(request.local.fd);
	errno = error;
	return -1;
}

static void
exec_open(struct exec *exec, const struct local_request *request, int fd)
{
	const struct connection *connection = request->connection;

	local_open(&exec->local, &exec_kind, request);
	exec->fd = fd;
	exec->lingers = connection->type == SOCK_STREAM ||
	    connection->type == SOCK_SEQPACKET;
	exec->child.ended = child_ended;
	exec->finish.expired = finish_expired;
	address_text(&connection->peer, exec->name);
	if (exec->name[0] == '\0')
		(void)snprintf(exec->name, sizeof(exec->name), "peer");
}

struct local *
exec_start(const struct local_request *request)
{
	const struct connection *connection = request->connection;
	struct run *run = request->run;
	bool relayed = exec_looked_at(run->options);
	struct exec *exec;
	int result;

	if (relayed && connection->type != SOCK_STREAM)
		return flow_start(request);
	exec = calloc(1, sizeof(*exec));
	if (exec == NULL) {
		(void)close(connection->fd);
		return NULL;
	}
	exec_open(exec, request, relayed ? -1 : connection->fd);
	result = relayed ? exec_start_relayed(exec, connection) :
	    exec_spawn(exec, connection);
	linger_open(&exec->linger, run->loop, exec->fd, connection->family);
	exec->linger.ended = linger_ended;
	exec->unread = (struct watch){
		.fd = exec->fd, .ready = unread_ready,
	};
	if (result == -1)
		exec_failed(exec);
	return &exec->local;
}
