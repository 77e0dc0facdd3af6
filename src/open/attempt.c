/*
 * attempt.c: one address that is dialled: a socket, bound and connecting
 *
 * Also how what failed is remembered until it is known that it matters.
 */
#include "open/dialling.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "net/linger.h"
#include "net/multicast.h"
#include "net/protocol.h"

void
round_forget(struct round *round)
{
	while (round->first != NULL) {
		struct failure *next = round->first->next;

		free(round->first);
		round->first = next;
	}
	*round = (struct round){ .cause = CAUSE_NONE };
}

void
round_tell(struct round *round)
{
	for (struct failure *each = round->first; each; each = each->next)
		diag_error("%s", each->line);
	round_forget(round);
}

/*
 * Keeps a line for later, but not the same one twice in a row: a socket
 * option fails alike on each address.
 */
static void
round_add(struct round *round, const char *line)
{
	size_t size = strlen(line) + 1;
	struct failure *failure;

	if (round->last != NULL && strcmp(round->last->line, line) == 0)
		return;
	failure = malloc(sizeof(*failure) + size);
	if (failure == NULL) {
		diag_error("%s", line);
		return;
	}
	failure->next = NULL;
	memcpy(failure->line, line, size);
	if (round->last != NULL)
		round->last->next = failure;
	else
		round->first = failure;
	round->last = failure;
}

void
dial_fail(struct dial *dial, enum cause cause, const char *format, ...)
{
	unsigned verbose = dial->options->verbose;
	char line[SUBJECT + 512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	dial->now.cause = cause_more_telling(dial->now.cause, cause);
	if (verbose >= 2 || (verbose == 1 && !dial->retries))
		diag_error("%s", line);
	else
		round_add(&dial->now, line);
}

void
attempt_host(const struct attempt *attempt, char *text)
{
	const char *host = attempt->dial->host.host;
	struct address numeric;
	char address[ADDRESS_TEXT];

	address_host(&attempt->peer, address);
	if (host == NULL)
		snprintf(text, SUBJECT, "%s", address);
	else if (address_numeric(host, 0, &numeric) == 0)
		snprintf(text, SUBJECT, "%s", host);
	else
		snprintf(text, SUBJECT, "%s (%s)", host, address);
}

void
attempt_fail(struct attempt *attempt, enum cause cause,
	     const char *reason)
{
	struct dial *dial = attempt->dial;
	char host[SUBJECT];

	attempt_host(attempt, host);
	if (dial->request.ports == NULL)
		dial_fail(dial, cause, "connect to %s failed: %s", host,
			  reason);
	else
		dial_fail(dial, cause, "connect to %s port %d (%s) failed: %s",
			  host, address_port(&attempt->peer),
			  protocol_name(dial->options->type,
				dial->options->protocol), reason);
}

void
attempt_fail_errno(struct attempt *attempt, const char *what, int error)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%s%s", what, diag_strerror(error));
	attempt_fail(attempt, cause_of_errno(error), reason);
}

static int
attempt_options(struct attempt *attempt, int fd,
		enum sockopt_phase phase)
{
	const struct options *options = attempt->dial->options;
	char error[SOCKOPT_ERROR];

	if (sockopt_apply(fd, attempt->peer.sa.sa_family, options->type, phase,
			  options->sockopts, options->sockopt_count,
			  error) == 0)
		return 0;
	dial_fail(attempt->dial, cause_of_errno(errno), "%s", error);
	return -1;
}

/* Finds the source address to bind to; -1 where there is none that fits. */
static int
source_address(struct attempt *attempt, struct address *out)
{
	const struct dial *dial = attempt->dial;
	int family = attempt->peer.sa.sa_family;
	size_t i = 0;

	if (dial->source.host == NULL) {
		address_any(family, dial->source_port, out);
		return 0;
	}
	while (i < dial->source.count &&
	       dial->source.list[i].sa.sa_family != family)
		i++;
	if (i == dial->source.count) {
		char reason[ENDPOINT_HOST_MAX + 64];

		snprintf(reason, sizeof(reason),
			 "source address %s is of another family",
			 dial->source.host);
		attempt_fail(attempt, CAUSE_USAGE, reason);
		return -1;
	}
	*out = dial->source.list[i];
	address_set_port(out, dial->source_port);
	return 0;
}

/*
 * Gives a Unix socket the name that -s says. One of datagrams gets a name in
 * any case, or it could not be answered: the kernel chooses (autobind in
 * unix(7)) where it can.
 */
static int
attempt_bind_unix(struct attempt *attempt, int fd)
{
	const struct dial *dial = attempt->dial;
	const char *path = dial->options->source_host;
	struct address source;
	char what[ADDRESS_TEXT + 16];

	if (path == NULL) {
		(void)address_unix("", 0, false, &source);
		if (dial->options->type == SOCK_DGRAM)
			(void)bind(fd, &source.sa, source.length);
		return 0;
	}
	if (address_unix(path[0] == '@' ? path + 1 : path,
			 strlen(path[0] == '@' ? path + 1 : path),
			 path[0] == '@', &source) == 0 &&
	    unixpath_bind(fd, &source, -1, dial->request.bound) == 0)
		return 0;
	(void)snprintf(what, sizeof(what), "bind to %.100s: ", path);
	attempt_fail_errno(attempt, what, errno);
	return -1;
}

static int
attempt_bind(struct attempt *attempt, int fd)
{
	const struct dial *dial = attempt->dial;
	const int on = 1;
	struct address source;
	char text[ADDRESS_TEXT], what[ADDRESS_TEXT + 16];
	int error;

	if (attempt->peer.sa.sa_family == AF_UNIX)
		return attempt_bind_unix(attempt, fd);
	if (dial->source.host == NULL && dial->options->source_port == NULL)
		return 0;
	if (source_address(attempt, &source) == -1)
		return -1;
	/*
	 * A port that was in use a moment ago can be had again, but must not
	 * be shared with another's datagrams. Without a port, leave choosing
	 * one to connect(2), which can use it for other destinations too.
	 */
	if (dial->source_port != 0 && dial->options->type != SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
#if SOCKCAT_LINUX
	if (dial->source_port == 0 && dial->options->type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			   sizeof(on));
#endif
	if (bind(fd, &source.sa, source.length) == 0)
		return 0;
	error = errno;
	snprintf(what, sizeof(what), "bind to %s: ", dial->source_port != 0 ?
		 address_text(&source, text) : address_host(&source, text));
	attempt_fail_errno(attempt, what, error);
	return -1;
}

int
attempt_open(struct attempt *attempt)
{
	const struct options *options = attempt->dial->options;
	int fd;

	dial_drop_spare(attempt->dial);
	fd = compat_socket(attempt->peer.sa.sa_family, options->type,
			   options->protocol);
	if (fd == -1) {
		const char *hint = protocol_hint(errno,
		    attempt->peer.sa.sa_family, options->type,
		    options->protocol);

		attempt_fail(attempt, cause_of_errno(errno),
			     hint != NULL ? hint : diag_strerror(errno));
		return -1;
	}
	if (attempt_options(attempt, fd, SOCKOPT_MADE) == -1 ||
	    attempt_options(attempt, fd, SOCKOPT_BIND) == -1 ||
	    attempt_bind(attempt, fd) == -1 ||
	    attempt_options(attempt, fd, SOCKOPT_CONNECT) == -1) {
		unixpath_remove(attempt->dial->request.bound);
		close(fd);
		dial_keep_spare(attempt->dial);
		return -1;
	}
	attempt->watch.fd = fd;
	return 0;
}

static enum progress
attempt_close(struct attempt *attempt)
{
	unixpath_remove(attempt->dial->request.bound);
	close(attempt->watch.fd);
	attempt->watch.fd = -1;
	dial_keep_spare(attempt->dial);
	return FAILED;
}

/*
 * Whether TCP has connected the socket to itself: who asks for a local port
 * where nobody listens may be given that very port as the source (RFC 9293, 3.5,
 * simultaneous open).
 */
static bool
is_own_address(const struct attempt *attempt)
{
	struct address own = { .length = sizeof(own.storage) };

	return attempt->dial->options->type == SOCK_STREAM &&
	    attempt->dial->options->source_port == NULL &&
	    attempt->peer.sa.sa_family != AF_UNIX &&
	    getsockname(attempt->watch.fd, &own.sa, &own.length) == 0 &&
	    address_equal(&own, &attempt->peer);
}

static enum progress
attempt_connected(struct attempt *attempt)
{
	if (is_own_address(attempt)) {
		attempt_fail_errno(attempt, "", ECONNREFUSED);
		/* Or the port would be taken for a minute (TIME-WAIT). */
		linger_reset(attempt->watch.fd);
		return attempt_close(attempt);
	}
	if (attempt_options(attempt, attempt->watch.fd,
			    SOCKOPT_CONNECTED) == -1)
		return attempt_close(attempt);
	return CONNECTED;
}

/* Lets a Unix socket with a full backlog wait: poll(2) would not. */
static enum progress
attempt_wait(struct attempt *attempt)
{
	struct dial *dial = attempt->dial;

	dial->step.expired = dial_backlog_again;
	loop_timer(dial->loop, &dial->step,
		   clock_after(dial->backlog_pause));
	dial->backlog_pause *= 2;
	if (dial->backlog_pause > BACKLOG_PAUSE_MAX)
		dial->backlog_pause = BACKLOG_PAUSE_MAX;
	return UNDER_WAY;
}

/* The kernel tells by refusing to connect to it without leave (ip(7)). */
static bool
is_broadcast(const struct address *peer)
{
	int fd;
	bool refused;

	if (peer->sa.sa_family != AF_INET)
		return false;
	if (peer->in.sin_addr.s_addr == htonl(INADDR_BROADCAST))
		return true;
	fd = compat_socket(AF_INET, SOCK_DGRAM, 0);
	if (fd == -1)
		return false;
	refused = connect(fd, &peer->sa, peer->length) == -1 &&
	    errno == EACCES;
	close(fd);
	return refused;
}

/*
 * Whether the peer is many: a group or a broadcast address, from which no
 * answer ever comes. The socket must not be connected then. Dissolving it
 * later would lose the interface, and on IPv6 not dissolve it all.
 */
static bool
is_many(const struct attempt *attempt)
{
	const struct options *options = attempt->dial->options;

	if (options->type != SOCK_DGRAM && options->type != SOCK_RAW)
		return false;
	return multicast_is_group(&attempt->peer) ||
	    (options->broadcast && is_broadcast(&attempt->peer));
}

enum progress
attempt_connect(struct attempt *attempt)
{
	const struct address *peer = &attempt->peer;
	bool is_unix = peer->sa.sa_family == AF_UNIX;
	const char *what = "";
	int error;

	if (is_many(attempt))
		return attempt_connected(attempt);
	if (connect(attempt->watch.fd, &peer->sa, peer->length) == 0)
		return attempt_connected(attempt);
	error = errno;
	if (error == EAGAIN && is_unix)
		return attempt_wait(attempt);
	if (error == EINPROGRESS || error == EINTR) {
		loop_watch(attempt->dial->loop, &attempt->watch, POLLOUT);
		return UNDER_WAY;
	}
	if (error == EPROTOTYPE && is_unix)
		what = "the socket there is of another type: ";
	if (error == EACCES && peer->sa.sa_family == AF_INET &&
	    attempt->dial->options->type != SOCK_STREAM)
		what = "a broadcast address needs -b: ";
	attempt_fail_errno(attempt, what, error);
	return attempt_close(attempt);
}

/* Takes the error that waits at the socket; 0 where there is none. */
static int
socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

/*
 * How connecting ended: 0 or an errno. SO_ERROR takes the error away that it
 * tells. Where the peer has already spoken and reset, the data and then the
 * error must be there for whoever reads next, so it comes last. Still, it is
 * the only one to tell of an ICMP error that TCP would rather sit out.
 */
static int
connect_error(int fd, int family)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	ssize_t count;
	char byte;
	int error;

	if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0)
		return 0;
	/* A vsock that could not connect has no peer and no error to read. */
	if (family == AF_VSOCK)
		return socket_error(fd);
	count = recv(fd, &byte, 1, MSG_PEEK);
	if (count > 0)
		return 0;
	if (count == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return errno;
	error = socket_error(fd);
	if (error != 0)
		return error;
	return count == 0 ? 0 : ENOTCONN;
}

enum progress
attempt_go_on(struct attempt *attempt)
{
	int error = connect_error(attempt->watch.fd,
				  attempt->peer.sa.sa_family);

	loop_unwatch(attempt->dial->loop, &attempt->watch);
	if (error == 0)
		return attempt_connected(attempt);
	attempt_fail_errno(attempt, "", error);
	return attempt_close(attempt);
}
