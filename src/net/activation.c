/*
 * activation.c: sockets handed over by whoever started us: LISTEN_FDS
 */
#include "net/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/number.h"

/* A number in the environment; 0 where there is none that makes sense. */
static unsigned long
number_in(const char *variable)
{
	const char *text = getenv(variable);
	unsigned long number = 0;

	if (text == NULL ||
	    number_parse(text, 1, INT_MAX - ACTIVATION_FIRST, &number) == -1)
		return 0;
	return number;
}

size_t
activation_count(void)
{
	/* What was meant for our parent is inherited like all the rest. */
	if (number_in("LISTEN_PID") != (unsigned long)getpid())
		return 0;
	return number_in("LISTEN_FDS");
}

/*
 * A listening socket must not block in accept(2) where another took the
 * client, and there is no flag for a single call. Managers expect that.
 */
static int
claim(int fd)
{
	int listening = 0, flags = fcntl(fd, F_GETFL);
	socklen_t length = sizeof(listening);

	if (flags == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
		       &length) == -1 || !listening)
		return 0;	/* or no socket: that is seen later */
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

enum cause
activation_claim(size_t count)
{
	int fd, end = ACTIVATION_FIRST + (int)count;

	for (fd = ACTIVATION_FIRST; fd < end; fd++)
		if (claim(fd) == -1) {
			diag_error("LISTEN_FDS tells of %zu sockets, but "
				   "descriptor %d: %s", count, fd,
				   diag_strerror(errno));
			return CAUSE_LOCAL;
		}
	return CAUSE_NONE;
}
