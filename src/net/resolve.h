/*
 * resolve.h: names → addresses, without stopping the event loop
 *
 * Numeric addresses are read at once. Names go through getaddrinfo(3) in a
 * thread of its own, because it can neither be interrupted nor timed; one
 * that answers too late cleans up after itself.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "net/family.h"

struct loop;
struct resolve;

/* What can be wrong with a host beside EAI_* (getaddrinfo(3)). */
enum resolve_error {
	RESOLVE_NO_INTERFACE = 1000,	/* %scope names none */
	RESOLVE_NOT_NUMERIC,		/* a name, and numeric_only */
	RESOLVE_OTHER_FAMILY,		/* numeric, but not of that family */
};

struct resolve_request {
	const char *host;	/* a name or a numeric address, not empty */
	int family;		/* AF_UNSPEC, AF_INET or AF_INET6 */
	bool numeric_only;	/* -n: a name is an error */
	/*
	 * Called once: from resolve_start() before it returns if the host is
	 * numeric or numeric_only is set, else from the loop. `error` is 0,
	 * an EAI_* value (with EAI_SYSTEM errno is set) or a resolve_error.
	 * `list` belongs to the resolver and lives until resolve_free(). The
	 * addresses have port 0, IPv6 and IPv4 in turn (RFC 8305, 4) with the
	 * system's preference first, without repetitions; there is at least
	 * one. It may call resolve_free() unless it runs in resolve_start().
	 */
	void (*done)(void *owner, int error, const struct address *list,
		     size_t count);
	void *owner;
};

/*
 * Starts a look-up. Returns NULL with errno where it could not be started;
 * `done` is not called then.
 */
struct resolve *resolve_start(struct loop *loop,
			      const struct resolve_request *request);

/* Frees the answer, or abandons a look-up under way. NULL is harmless. */
void resolve_free(struct resolve *resolve);

/*
 * What `error` of `done` means to the user, in English, without a full stop,
 * and the cause that it stands for. Both look at errno for EAI_SYSTEM.
 */
const char *resolve_strerror(int error);
enum cause resolve_cause(int error);

/* One port, or the ports from first to last (host order). */
struct port_range {
	uint16_t first, last;
};

#define PORTS_ERROR 256

/*
 * Reads ports: numbers, names of services (services(5)) and ranges, with
 * commas between them. `protocol` is "tcp", "udp" … Stores a list of at
 * least one that the caller frees. Returns 0; -1 with a line in `error` if it
 * is no list of ports (or out of memory); -2 with a line if a service is not
 * known.
 */
int ports_parse(const char *text, const char *protocol,
		struct port_range **ranges, size_t *count,
		char error[PORTS_ERROR]);

/*
 * Lists each port of `count` ranges once, in their order. Returns what the
 * caller frees, or NULL with errno when out of memory.
 */
uint16_t *ports_list(const struct port_range *ranges, size_t count,
		     size_t *total);

#endif
