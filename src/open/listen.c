/*
 * listen.c: addresses → bound, listening sockets
 */
#include "open/listen.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "net/holder.h"
#include "net/protocol.h"

/*
 * How many ports of the kernel's choice are tried when a later address does
 * not have the first one's free.
 */
#define PORT_ATTEMPTS 32

/* A listener in the making, and what went wrong last. */
struct opening {
	const struct options *options;
	bool dual;		/* IPv6 sockets take IPv4, too */
	struct listening *out;

	struct address address;
	int error;		/* errno */
	bool no_socket;		/* of socket(2), not of what came after */
	char option[SOCKOPT_ERROR];	/* the line about an option, or "" */
};

static bool
has_connections(int type)
{
	return type == SOCK_STREAM || type == SOCK_SEQPACKET;
}

static int
set_flag(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/* What a listener needs; options of the user's come later and may undo it. */
static int
set_defaults(const struct opening *opening, int fd, int family)
{
	const struct options *options = opening->options;
	bool internet = family == AF_INET || family == AF_INET6;

	/*
	 * A connection in TIME_WAIT would hold the port. Not for datagrams:
	 * there it would share the port with whoever has it, which only
	 * listeners to a group want (ip(7)).
	 */
	if (internet && (has_connections(options->type) ||
			 options->group_count > 0) &&
	    set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
		return -1;
	if (family == AF_INET6 && protocol_has_ports(options->type,
						     options->protocol))
		return set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !opening->dual);
	return 0;
}

static int
set_options(struct opening *opening, int fd, int family,
	    enum sockopt_phase phase)
{
	const struct options *options = opening->options;

	return sockopt_apply(fd, family, options->type, phase,
			     options->sockopts, options->sockopt_count,
			     opening->option);
}

static int
bind_socket(const struct opening *opening, int fd,
	    const struct address *address)
{
	if (address->sa.sa_family == AF_UNIX)
		return unixpath_bind(fd, address, opening->options->unix_mode,
				     &opening->out->path);
	return bind(fd, &address->sa, address->length);
}

static int
set_listening(const struct options *options, int fd)
{
	if (!has_connections(options->type))
		return 0;
	/* The kernel cuts it to its maximum (somaxconn in listen(2)). */
	return listen(fd, options->backlog == -1 ? INT_MAX : options->backlog);
}

static int
read_address(struct bound *bound)
{
	bound->address.length = sizeof(bound->address.storage);
	return getsockname(bound->fd, &bound->address.sa,
			   &bound->address.length);
}

/* Takes a new socket through all its phases. Returns 0, or -1 with errno. */
static int
set_up(struct opening *opening, const struct address *address,
       struct bound *bound)
{
	int fd = bound->fd, family = address->sa.sa_family;

	if (set_defaults(opening, fd, family) == -1 ||
	    set_options(opening, fd, family, SOCKOPT_MADE) == -1 ||
	    set_options(opening, fd, family, SOCKOPT_BIND) == -1 ||
	    bind_socket(opening, fd, address) == -1 ||
	    set_options(opening, fd, family, SOCKOPT_CONNECT) == -1 ||
	    set_listening(opening->options, fd) == -1)
		return -1;
	return read_address(bound);
}

/* Adds a socket at `address`. Returns 0, or -1 with the failure noted. */
static int
open_socket(struct opening *opening, const struct address *address)
{
	const struct options *options = opening->options;
	struct bound *bound = &opening->out->sockets[opening->out->count];

	opening->address = *address;
	opening->option[0] = '\0';
	bound->fd = compat_socket(address->sa.sa_family, options->type,
				  options->protocol);
	opening->no_socket = bound->fd == -1;
	if (bound->fd != -1 && set_up(opening, address, bound) == 0) {
		opening->out->count++;
		return 0;
	}
	opening->error = errno;
	if (bound->fd != -1) {
		unixpath_remove(&opening->out->path);
		close(bound->fd);
	}
	return -1;
}

/* Whether the last failure says that this host has no such address. */
static bool
is_absent(const struct opening *opening)
{
	return opening->option[0] == '\0' &&
	       (opening->error == EADDRNOTAVAIL ||
		opening->error == EAFNOSUPPORT);
}

static void
note_absent(const struct opening *opening)
{
	char text[ADDRESS_TEXT];

	if (opening->options->verbose > 0)
		diag_note("Not listening on %s: %s",
			  address_text(&opening->address, text),
			  diag_strerror(opening->error));
}

/* Whether the socket takes IPv4 besides the IPv6 that its address shows. */
static bool
is_dual(const struct bound *bound)
{
	int only = 1;
	socklen_t length = sizeof(only);

	return bound->address.sa.sa_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&bound->address.in6.sin6_addr) &&
	       getsockopt(bound->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only,
			  &length) == 0 && only == 0;
}

void
listen_each(const struct listening *listening,
	    void (*visit)(void *context, const struct address *address),
	    void *context)
{
	for (size_t i = 0; i < listening->count; i++) {
		const struct bound *bound = &listening->sockets[i];
		struct address any;

		visit(context, &bound->address);
		if (!is_dual(bound))
			continue;
		address_any(AF_INET, address_port(&bound->address), &any);
		visit(context, &any);
	}
}

static void
note_address(void *context, const struct address *address)
{
	const int *type = context;
	char text[ADDRESS_TEXT];

	diag_note("%s on %s", has_connections(*type) ? "Listening" : "Bound",
		  address_text(address, text));
}

static void
note_bound(const struct options *options, int type,
	   const struct listening *listening)
{
	if (options->verbose > 0)
		listen_each(listening, note_address, &type);
}

static const char *
reason(const struct opening *opening)
{
	const struct options *options = opening->options;
	const char *hint = NULL;

	if (opening->error == EEXIST)
		return "the file exists and is not a socket";
	if (opening->error == EAFNOSUPPORT &&
	    opening->address.sa.sa_family == AF_INET6)
		return "this system has no IPv6 (-4 would work)";
	if (opening->no_socket)
		hint = protocol_hint(opening->error,
				     opening->address.sa.sa_family,
				     options->type, options->protocol);
	return hint != NULL ? hint : diag_strerror(opening->error);
}

/* Says what the last failure was and returns its cause. */
static enum cause
tell_failure(const struct opening *opening)
{
	const struct address *address = &opening->address;
	int type = opening->options->type;
	char host[ADDRESS_TEXT], port[16] = "", holder[HOLDER_TEXT];

	if (opening->option[0] != '\0') {
		diag_error("%s", opening->option);
		return cause_of_errno(opening->error);
	}
	address_host(address, host);
	if (address->sa.sa_family != AF_UNIX)
		snprintf(port, sizeof(port), " port %u",
			 (unsigned)address_port(address));
	if (opening->error == EADDRINUSE &&
	    holder_of(address, type, holder) == 0)
		diag_error("listen on %s%s failed: %s (held by %s)", host,
			   port, reason(opening), holder);
	else
		diag_error("listen on %s%s failed: %s", host, port,
			   reason(opening));
	if (opening->error == EEXIST)
		return CAUSE_IN_USE;
	return cause_of_errno(opening->error);
}

/* Makes room for `count` sockets. Returns 0, or -1 having told. */
static int
make_room(struct listening *out, size_t count)
{
	memset(out, 0, sizeof(*out));
	out->sockets = calloc(count, sizeof(*out->sockets));
	if (out->sockets != NULL)
		return 0;
	diag_error("listen: %s", diag_strerror(errno));
	return -1;
}

/*
 * Opens a socket for each address, on the first one's port. Returns 0, or -1
 * with the failure noted and the sockets before it still open.
 */
static int
open_each(struct opening *opening, const struct address *addresses,
	  size_t count)
{
	struct listening *out = opening->out;

	for (size_t i = 0; i < count; i++) {
		struct address address = addresses[i];

		/* An IPv6 socket that takes IPv6 alone could not bind it. */
		address_unmap(&address);
		if (out->count > 0)
			address_set_port(&address, address_port(
					 &out->sockets[0].address));
		if (open_socket(opening, &address) == 0)
			continue;
		if (count == 1 || !is_absent(opening))
			return -1;
		note_absent(opening);
	}
	return out->count > 0 ? 0 : -1;
}

static void
close_sockets(struct listening *listening)
{
	/* The path first, while it cannot be anybody else's (unixpath.h). */
	unixpath_remove(&listening->path);
	while (listening->count > 0)
		close(listening->sockets[--listening->count].fd);
}

enum cause
listen_open(const struct options *options,
	    const struct address *addresses, size_t count,
	    struct listening *out)
{
	struct opening opening = { .options = options, .out = out };
	enum cause cause;

	if (make_room(out, count) == -1)
		return CAUSE_LOCAL;
	for (int attempts = 1;; attempts++) {
		if (open_each(&opening, addresses, count) == 0) {
			note_bound(options, options->type, out);
			return CAUSE_NONE;
		}
		close_sockets(out);
		/* Taken, and the port was not the user's but the kernel's? */
		if (opening.error != EADDRINUSE ||
		    address_port(&addresses[0]) != 0 ||
		    address_port(&opening.address) == 0 ||
		    attempts == PORT_ATTEMPTS)
			break;
	}
	cause = tell_failure(&opening);
	listen_close(out);
	return cause;
}

/* Whether one socket for both versions of IP is not to be had here. */
static bool
must_split(const struct opening *opening)
{
	/* OpenBSD's kernel says EINVAL to it. */
	return is_absent(opening) ||
	       (opening->option[0] == '\0' && opening->error == EINVAL);
}

static enum cause
open_dual(const struct options *options,
	  const struct address versions[2],
	  struct listening *out)
{
	struct opening opening = {
		.options = options, .dual = true, .out = out,
	};
	enum cause cause = CAUSE_NONE;

	if (make_room(out, 1) == -1)
		return CAUSE_LOCAL;
	if (open_each(&opening, versions, 1) == 0) {
		note_bound(options, options->type, out);
		return CAUSE_NONE;
	}
	if (!must_split(&opening))
		cause = tell_failure(&opening);
	listen_close(out);
	return cause != CAUSE_NONE ? cause
				   : listen_open(options, versions, 2, out);
}

enum cause
listen_open_any(const struct options *options, uint16_t port,
		struct listening *out)
{
	struct address versions[2];

	address_any(AF_INET6, port, &versions[0]);
	address_any(AF_INET, port, &versions[1]);
	if (options->family == AF_INET6)
		return listen_open(options, &versions[0], 1, out);
	if (options->family == AF_INET)
		return listen_open(options, &versions[1], 1, out);
	return open_dual(options, versions, out);
}

enum cause
listen_adopt(const struct options *options, int first, size_t count, int type,
	     struct listening *out)
{
	if (make_room(out, count) == -1)
		return CAUSE_LOCAL;
	for (size_t i = 0; i < count; i++) {
		struct bound *bound = &out->sockets[i];

		bound->fd = first + (int)i;
		if (read_address(bound) == -1) {
			diag_error("descriptor %d: %s", bound->fd,
				   diag_strerror(errno));
			listen_close(out);
			return CAUSE_LOCAL;
		}
		address_unmap(&bound->address);
		out->count++;
	}
	note_bound(options, type, out);
	return CAUSE_NONE;
}

void
listen_close(struct listening *listening)
{
	close_sockets(listening);
	free(listening->sockets);
	listening->sockets = NULL;
}
