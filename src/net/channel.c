/*
 * channel.c: reading and writing without blocking, sharing, or asking twice
 */
#include "net/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/compat.h"

#if SOCKCAT_LINUX
#include <sys/syscall.h>
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008	/* linux/fs.h; musl before 1.2.5 lacks it */
#endif
#endif

void
channel_open(struct channel *channel, int fd)
{
	struct stat status;

	*channel = (struct channel){
		.fd = fd, .kind = CHANNEL_OTHER, .shared_fd = -1, .place = -1,
	};
	if (fstat(fd, &status) == -1)
		return;
	if (S_ISSOCK(status.st_mode))
		channel->kind = CHANNEL_SOCKET;
	else if (S_ISFIFO(status.st_mode))
		channel->kind = CHANNEL_PIPE;
	else if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))
		channel->kind = CHANNEL_FILE;
	else if (S_ISCHR(status.st_mode) && isatty(fd) == 1)
		channel->kind = CHANNEL_TERMINAL;
	/* Opening the master of a pseudo-terminal anew makes another one. */
	if (channel->kind == CHANNEL_TERMINAL && ptsname(fd) != NULL)
		channel->master = channel->asked_reopen = true;
}

void
channel_socket(struct channel *channel, int fd)
{
	*channel = (struct channel){
		.fd = fd, .kind = CHANNEL_SOCKET, .shared_fd = -1, .place = -1,
	};
}

void
channel_read_from(struct channel *channel, int64_t place)
{
	channel->place = place;
}

bool
channel_is_null(const struct channel *channel)
{
	struct stat status, null;

	return channel->kind == CHANNEL_OTHER &&
	    fstat(channel->fd, &status) == 0 && S_ISCHR(status.st_mode) &&
	    stat("/dev/null", &null) == 0 && status.st_rdev == null.st_rdev;
}

bool
channel_in_foreground(const struct channel *channel)
{
	pid_t foreground;

	if (channel->kind != CHANNEL_TERMINAL || channel->master)
		return true;
	/* A terminal that is not ours to control has no jobs to mind. */
	foreground = tcgetpgrp(channel->fd);
	return foreground == -1 || foreground == getpgrp();
}

/* Whether `fd` can be read or written right now without blocking. */
static bool
is_ready(int fd, short events)
{
	struct pollfd one = { .fd = fd, .events = events };

	return poll(&one, 1, 0) == 1;
}

/* The errors that mean "not now". */
static bool
is_again(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* What a read(2) or write(2) that returned `count` did. */
static enum moved
moved_of(ssize_t count, size_t *moved)
{
	*moved = 0;
	if (count > 0) {
		*moved = (size_t)count;
		return MOVED;
	}
	if (count == 0)
		return END;
	return is_again(errno) ? AGAIN : FAIL;
}

#if SOCKCAT_LINUX
/*
 * readv(2) or writev(2) at the current position that does not block, pipes
 * since Linux 6.4. By number, because the C libraries' wrappers are younger
 * than the call.
 */
static ssize_t
vector_nowait(struct channel *channel, long number, void *data, size_t size)
{
	struct iovec vector = { .iov_base = data, .iov_len = size };
	ssize_t count;

	if (channel->no_nowait) {
		errno = EOPNOTSUPP;
		return -1;
	}
	count = syscall(number, channel->fd, &vector, 1L, -1L, -1L,
			(long)RWF_NOWAIT);
	if (count == -1 && (errno == EOPNOTSUPP || errno == ENOSYS ||
			    errno == EINVAL)) {
		channel->no_nowait = true;
		errno = EOPNOTSUPP;
	}
	return count;
}
#endif

/* Reads what poll(2) says is there. */
static enum moved
read_ready(struct channel *channel, void *data, size_t size, size_t *got)
{
	enum moved moved;

	*got = 0;
	if (!is_ready(channel->fd, POLLIN))
		return AGAIN;
	moved = moved_of(read(channel->fd, data, size), got);
	if (moved == FAIL && errno == EIO &&
	    channel->kind == CHANNEL_TERMINAL)
		/* Not ours to read now; or it has hung up. */
		return channel_in_foreground(channel) ? END : AGAIN;
	return moved;
}

static enum moved
read_file(struct channel *channel, void *data, size_t size, size_t *got)
{
	enum moved moved;

	if (channel->place == -1)
		return moved_of(read(channel->fd, data, size), got);
	moved = moved_of(pread(channel->fd, data, size, channel->place), got);
	channel->place += (int64_t)*got;
	return moved;
}

enum moved
channel_read(struct channel *channel, void *data, size_t size, size_t *got)
{
	switch (channel->kind) {
	case CHANNEL_SOCKET:
		return moved_of(recv(channel->fd, data, size, MSG_DONTWAIT),
				got);
	case CHANNEL_FILE:
		return read_file(channel, data, size, got);
	case CHANNEL_PIPE:
#if SOCKCAT_LINUX
	{
		ssize_t count = vector_nowait(channel, SYS_preadv2, data,
					      size);

		if (count != -1 || errno != EOPNOTSUPP)
			return moved_of(count, got);
	}
#endif
		/* fall through */
	case CHANNEL_TERMINAL:
	case CHANNEL_OTHER:
		break;
	}
	return read_ready(channel, data, size, got);
}

#if SOCKCAT_LINUX
/*
 * Opens the pipe or terminal behind the descriptor a second time: that gives
 * a file description of our own, on which O_NONBLOCK disturbs nobody.
 */
static void
reopen(struct channel *channel)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", channel->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd != -1) {
		channel->shared_fd = channel->fd;
		channel->fd = fd;
	}
}
#endif

/*
 * Writes to a pipe or terminal on which neither RWF_NOWAIT nor a description
 * of our own is to be had. poll(2) promises room for PIPE_BUF bytes in a
 * pipe (pipe(7)); a terminal takes less before it may block.
 */
static enum moved
write_ready(struct channel *channel, const void *data, size_t size,
	    size_t *put)
{
	size_t most = channel->kind == CHANNEL_PIPE ? PIPE_BUF : 128;

	*put = 0;
	if (!is_ready(channel->fd, POLLOUT))
		return AGAIN;
	return moved_of(write(channel->fd, data, size < most ? size : most),
			put);
}

static enum moved
write_waiting(struct channel *channel, const void *data, size_t size,
	      size_t *put)
{
#if SOCKCAT_LINUX
	if (!channel->asked_reopen) {
		channel->asked_reopen = true;
		reopen(channel);
	}
	if (channel->shared_fd != -1)
		return moved_of(write(channel->fd, data, size), put);
#endif
	return write_ready(channel, data, size, put);
}

enum moved
channel_write(struct channel *channel, const void *data, size_t size,
	      size_t *put)
{
	switch (channel->kind) {
	case CHANNEL_SOCKET:
		return moved_of(send(channel->fd, data, size,
				     MSG_DONTWAIT | MSG_NOSIGNAL), put);
	case CHANNEL_FILE:
	case CHANNEL_OTHER:
		return moved_of(write(channel->fd, data, size), put);
	case CHANNEL_PIPE:
#if SOCKCAT_LINUX
	{
		ssize_t count = vector_nowait(channel, SYS_pwritev2,
					      (void *)(uintptr_t)data, size);

		if (count != -1 || errno != EOPNOTSUPP)
			return moved_of(count, put);
	}
#endif
		/* fall through */
	case CHANNEL_TERMINAL:
		break;
	}
	return write_waiting(channel, data, size, put);
}

int
channel_close(struct channel *channel)
{
	int fd = channel->fd;
	int result;

	if (fd == -1)
		return 0;
	if (channel->shared_fd != -1) {
		(void)close(fd);
		fd = channel->shared_fd;
	}
	channel->fd = channel->shared_fd = -1;
	if (channel->kind == CHANNEL_SOCKET)
		/* Another process may hold it too: say the end aloud. */
		(void)shutdown(fd, SHUT_WR);
	result = close(fd);
	if (fd <= STDERR_FILENO) {
		int saved = errno;

		/* The lowest free descriptor is the one just closed. */
		(void)compat_open_null(O_RDWR);
		errno = saved;
	}
	return result;
}
