/*
 * handed.c: a socket that was open when we were started
 */
#include "net/handed.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/diag.h"

static int
get(int fd, int option, int *value)
{
	socklen_t length = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, option, value, &length);
}

/* The family by its name: what every system has. */
static int
family_of_fd(int fd)
{
	struct address own = { .length = sizeof(own.storage) };

	if (getsockname(fd, &own.sa, &own.length) == -1)
		return -1;
	return own.sa.sa_family;
}

enum cause
handed_inspect(int fd, struct handed *out)
{
	int listening = 0;

	*out = (struct handed){ .fd = fd };
	out->family = family_of_fd(fd);
	if (out->family == -1 || get(fd, SO_TYPE, &out->type) == -1) {
		diag_error("descriptor %d is not a socket: %s", fd,
			   diag_strerror(errno));
		return CAUSE_LOCAL;
	}
#ifdef SO_PROTOCOL
	(void)get(fd, SO_PROTOCOL, &out->protocol);
#endif
	out->listening = get(fd, SO_ACCEPTCONN, &listening) == 0 &&
	    listening != 0;
	out->peer.length = sizeof(out->peer.storage);
	out->connected = !out->listening &&
	    getpeername(fd, &out->peer.sa, &out->peer.length) == 0;
	if (!out->connected)
		out->peer.length = 0;
	else
		address_unmap(&out->peer);
	return CAUSE_NONE;
}

enum cause
handed_inspect_all(int first, size_t count, struct handed *out)
{
	enum cause cause = CAUSE_NONE;
	size_t i;

	for (i = 0; i < count && cause == CAUSE_NONE; i++)
		cause = handed_inspect(first + (int)i, &out[i]);
	for (i = 0; i < count && count > 1 && cause == CAUSE_NONE; i++) {
		if (out[i].listening && out[i].type == out[0].type)
			continue;
		diag_error(out[i].listening ?
			   "descriptor %d is of another type than %d: sockets "
			   "of one type only can be served together" :
			   "descriptor %d does not listen: of several sockets "
			   "from %d on all must", out[i].fd, first);
		cause = CAUSE_USAGE;
	}
	return cause;
}
