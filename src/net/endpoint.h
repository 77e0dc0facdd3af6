/*
 * endpoint.h: the text of an endpoint, taken apart
 *
 * Parsing is pure: nothing is looked up, opened or allocated, so it can be
 * fuzzed and holds for any operand alike.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

enum endpoint_kind {
	ENDPOINT_HOST,		/* host and port, either may be missing */
	ENDPOINT_UNIX,
	ENDPOINT_VSOCK,
	ENDPOINT_FD,		/* a socket that was handed to us open */
};

/* What a prefix said of the type of socket. */
enum endpoint_transport { TRANSPORT_UNSAID, TRANSPORT_TCP, TRANSPORT_UDP };

/* A DNS name has at most 253 characters (RFC 1035); an interface name 15. */
#define ENDPOINT_HOST_MAX 271

struct endpoint {
	enum endpoint_kind kind;
	enum endpoint_transport transport;
	bool bracketed;		/* the host stood in brackets */
	char host[ENDPOINT_HOST_MAX + 1];	/* "" means none was given */
	const char *port;	/* points into the text; NULL: none given */
	const char *path;	/* Unix: points into the text, past any '@' */
	bool abstract;		/* Unix: a Linux abstract name */
	unsigned cid, vsock_port;	/* VSOCK; see vsock(7) */
	int fd;			/* FD */
};

/* Room for the messages of the functions below. */
#define ENDPOINT_ERROR 512

/*
 * Takes apart one operand: HOST, HOST:PORT, [ADDR6]:PORT, ADDR6, :PORT,
 * tcp:HOST:PORT, udp:HOST:PORT, unix:PATH, unix:@NAME, vsock:CID:PORT, fd:N,
 * or anything with a '/' in it (a path). A bare "HOST" and a bare "PORT" look
 * alike: it is left in `host`, and the caller knows. `text` must outlive
 * `out`. Returns 0, or -1 with one line for the user in `error`.
 */
int endpoint_parse(const char *text, struct endpoint *out,
		   char error[ENDPOINT_ERROR]);

/*
 * Whether a host without a port looks like an IPv6 address and a port that
 * lack brackets: "::1:80", which is an IPv6 address as well, so that only
 * who finds no port elsewhere can tell. If so, `error` has a line that shows
 * the brackets.
 */
bool endpoint_needs_brackets(const struct endpoint *endpoint,
			     char error[ENDPOINT_ERROR]);

/* Takes `text` as a Unix path, or as an abstract name if it starts with @. */
int endpoint_parse_unix(const char *text, struct endpoint *out,
			char error[ENDPOINT_ERROR]);

/*
 * Takes a CID (a number, any, hypervisor, local or host) and a port (a number
 * or any) of vsock(7).
 */
int endpoint_parse_vsock(const char *cid, const char *port,
			 struct endpoint *out, char error[ENDPOINT_ERROR]);

#endif
