/*
 * compat.c: what another system lacks
 */
#include "base/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int
compat_open_null(int flags)
{
	int fd = open("/dev/null", flags);

	return fd != -1 ? fd : open("/", O_RDONLY);
}

#if SOCKCAT_LINUX

int
compat_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	/* Of vsock: there is no such device that has datagrams. */
	if (fd == -1 && errno == ENODEV)
		errno = ESOCKTNOSUPPORT;
	return fd;
}

int
compat_accept(int fd, struct sockaddr *address, unsigned *length)
{
	return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int
compat_pipe(int fds[2])
{
	return pipe2(fds, O_NONBLOCK | O_CLOEXEC);
}

#else

/* Returns `fd`, or closes it and returns -1 with errno. */
static int
set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != -1)
		return fd;

	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int
compat_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	return fd == -1 ? -1 : set_flags(fd);
}

int
compat_accept(int fd, struct sockaddr *address, unsigned *length)
{
	int accepted = accept(fd, address, length);

	return accepted == -1 ? -1 : set_flags(accepted);
}

int
compat_pipe(int fds[2])
{
	if (pipe(fds) == -1)
		return -1;

	int other = fds[1];
	if (set_flags(fds[0]) != -1) {
		if (set_flags(fds[1]) != -1)
			return 0;
		other = fds[0];
	}

	int error = errno;
	close(other);
	errno = error;
	return -1;
}

#endif
