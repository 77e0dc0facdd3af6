/*
 * backend.c: what stands behind a flow of messages: an endpoint or a program
 */
#include "serve/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "net/connection.h"
#include "net/protocol.h"
#include "open/dial.h"
#include "serve/run.h"

void
backend_init(struct backend *backend, struct run *run)
{
	*backend = (struct backend){
		.fd = -1, .program_fd = -1, .run = run,
	};
}

/* Takes the socket. Returns 0, or -1 with errno. */
static int
take_socket(struct backend *backend, int fd, int family, int type,
	    int protocol)
{
	const struct msgsock_options how = {
		.buffers = backend->run->buffers,
		.connected = backend->to == NULL,
		.ends = type == SOCK_SEQPACKET,
		.checksum_offset = -1, .passes_on = true,
	};

	backend->fd = fd;
	backend->ends = how.ends;
	backend->socket = msgsock_new(fd, family, type, protocol, &how);
	return backend->socket != NULL ? 0 : -1;
}

/* Who was dialled: a group or a broadcast address is not connected to. */
static int
take_dialled(struct backend *backend, int fd, const struct address *peer)
{
	const struct options *to = &backend->run->to;
	struct address connected = { .length = sizeof(connected.storage) };

	if (getpeername(fd, &connected.sa, &connected.length) == -1) {
		backend->peer = (struct correspondent){ .peer = *peer };
		backend->to = &backend->peer;
	}
	return take_socket(backend, fd, peer->sa.sa_family, to->type,
			   to->protocol);
}

static void
backend_dialled(void *owner, int fd, const struct address *peer,
		enum cause cause)
{
	struct backend *backend = owner;

	if (fd != -1 && take_dialled(backend, fd, peer) == -1) {
		diag_error("relaying to %s failed: %s",
			   backend->run->options->to_text,
			   diag_strerror(errno));
		cause = CAUSE_LOCAL;
	}
	dial_free(backend->dial);
	backend->dial = NULL;
	backend->ready(backend, cause);
}

/*
 * The type of the socket at a path; `otherwise` where that cannot be told.
 * A datagram socket tells without disturbing anybody: connecting it is no
 * more than to note an address (unix(7)).
 */
static int
type_at_path(const struct endpoint *endpoint, int otherwise)
{
	struct address address;
	int fd = compat_socket(AF_UNIX, SOCK_DGRAM, 0);
	int type = otherwise;

	if (fd == -1)
		return otherwise;
	if (address_unix(endpoint->path, strlen(endpoint->path),
			 endpoint->abstract, &address) == 0) {
		if (connect(fd, &address.sa, address.length) == 0)
			type = SOCK_DGRAM;
		else if (errno == EPROTOTYPE)
			type = SOCK_SEQPACKET;
	}
	(void)close(fd);
	return type;
}

/* The type and protocol of the back-end's socket, for such a client. */
static void
choose_type(struct options *to, const struct connection *connection)
{
	bool is_inet = connection->family == AF_INET ||
	    connection->family == AF_INET6;

	to->type = SOCK_DGRAM;
	to->protocol = 0;
	if (to->endpoint.kind == ENDPOINT_UNIX) {
		to->type = type_at_path(&to->endpoint,
		    connection->type == SOCK_SEQPACKET ? SOCK_SEQPACKET :
		    SOCK_DGRAM);
	} else if (to->endpoint.kind == ENDPOINT_VSOCK) {
		to->type = SOCK_SEQPACKET;
	} else if (to->endpoint.transport == TRANSPORT_UNSAID && is_inet &&
		   protocol_has_ports(connection->type,
				      connection->protocol)) {
		to->type = connection->type;
		to->protocol = connection->protocol;
	}
}

int
backend_dial(struct backend *backend, const struct connection *connection)
{
	struct run *run = backend->run;
	const struct dial_request request = {
		.options = &run->to, .endpoint = &run->to.endpoint,
		.ports = run->to.ports, .done = backend_dialled,
		.owner = backend, .bound = &backend->bound,
	};

	if (run->to.endpoint.transport == TRANSPORT_TCP) {
		errno = EPROTOTYPE;
		return -1;
	}
	choose_type(&run->to, connection);
	backend->dial = dial_start(run->loop, &request);
	return backend->dial != NULL ? 0 : -1;
}

/* Starts the program on `fd`. Returns 0, or -1 with errno. */
static int
start_program(struct backend *backend, int fd,
	      const struct program_connection *connection)
{
	struct run *run = backend->run;
	char **environment = program_environment(&run->program, connection);
	int result, error;

	if (environment == NULL)
		return -1;
	result = child_start(&run->children, &backend->child,
			     run->program.path, run->program.argv,
			     environment, fd, fd);
	error = errno;
	free(environment);
	errno = error;
	return result;
}

static void
program_ended(struct child *child, int status)
{
	struct backend *backend = container_of(child, struct backend, child);

	backend->ended(backend, status);
}

int
backend_run_program(struct backend *backend,
		    const struct connection *connection,
		    const struct address *peer, const struct address *local)
{
	/* The socket has no credentials to tell: it has many peers. */
	const struct program_connection told = {
		.fd = -1, .type = connection->type,
		.protocol = connection->protocol,
		.peer = *peer, .local = *local,
	};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return -1;
	(void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(pair[1], F_SETFD, FD_CLOEXEC);
	backend->is_program = true;
	backend->child.ended = program_ended;
	/* What it leaves unread is not lost with it, then. */
	backend->program_fd = pair[1];
	if (take_socket(backend, pair[0], AF_UNIX, SOCK_SEQPACKET, 0) == -1)
		return -1;
	return start_program(backend, pair[1], &told);
}

void
backend_take_unread(struct backend *backend, struct msgqueue *queue)
{
	/* As long as the longest that we could have sent. */
	size_t size = msgsock_most(backend->socket);
	struct message message = { .data = malloc(size) };
	ssize_t length;

	while (message.data != NULL &&
	       (length = recv(backend->program_fd, message.data, size,
			      MSG_DONTWAIT)) != -1) {
		message.length = (size_t)length;
		if (msgqueue_add(queue, &message) == -1)
			break;
	}
	free(message.data);
}

void
backend_end_input(struct backend *backend)
{
	if (backend->fd != -1 && backend->ends)
		(void)shutdown(backend->fd, SHUT_WR);
}

void
backend_close(struct backend *backend)
{
	dial_free(backend->dial);
	backend->dial = NULL;
	if (backend->is_program)
		child_forget(&backend->child);
	msgsock_free(backend->socket);
	backend->socket = NULL;
	if (backend->fd != -1)
		(void)close(backend->fd);
	if (backend->program_fd != -1)
		(void)close(backend->program_fd);
	backend->fd = backend->program_fd = -1;
}
