/*
 * ready.c: telling others that we listen: --port-file, --ready-fd,
 * NOTIFY_SOCKET
 */
#include "open/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "base/number.h"
#include "net/family.h"
#include "open/listen.h"

/* How long the receiver of a notification may be behind: milliseconds. */
#define NOTIFY_PATIENCE 5000

/* How often to look whether a FIFO can be written to: milliseconds. */
#define LOOK_PAUSE 20

/*
 * The descriptor that `file` is just another name of, or -1. Opening it anew
 * would start at the beginning of a log, and fail on a socket.
 */
static int
named_descriptor(const char *file)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
	unsigned long number;

	if (strcmp(file, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(file, "/dev/stderr") == 0)
		return STDERR_FILENO;
	for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
		size_t length = strlen(folders[i]);
		if (strncmp(file, folders[i], length) == 0 &&
		    number_parse(file + length, 0, INT_MAX, &number) == 0)
			return (int)number;
	}
	return -1;
}

/*
 * Waits for room for PIPE_BUF bytes (pipe(7)), without which write(2) would
 * wait where no signal is heard. 0, or -1 with ETIMEDOUT: the loop is due.
 */
static int
wait_for_room(int fd, const struct loop *loop)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	while (poll(&room, 1, LOOK_PAUSE) == 0) {
		if (loop_is_due(loop)) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}

/* Opens what is no regular file; a FIFO may have no reader yet. */
static int
open_special(const char *file, bool is_fifo, const struct loop *loop)
{
	const struct timespec pause = { .tv_nsec = LOOK_PAUSE * 1000000L };
	int fd;

	while ((fd = open(file, O_WRONLY | O_NONBLOCK | O_NOCTTY |
			  O_CLOEXEC)) == -1 && errno == ENXIO && is_fifo) {
		if (loop_is_due(loop)) {
			errno = ETIMEDOUT;
			return -1;
		}
		(void)nanosleep(&pause, NULL);
	}
	return fd;
}

/* Writes all of `text` to `fd`, if there is one, and closes it. */
static int
write_and_close(int fd, const char *text, const struct loop *loop)
{
	size_t left = strlen(text);
	int error = 0;

	if (fd == -1)
		return -1;
	while (left > 0 && error == 0) {
		ssize_t done = wait_for_room(fd, loop) == -1 ? -1 :
		    write(fd, text, left < PIPE_BUF ? left : PIPE_BUF);
		if (done >= 0) {
			text += done;
			left -= (size_t)done;
		} else if (errno != EINTR && errno != EAGAIN) {
			error = errno;
		}
	}
	if (close(fd) == -1 && error == 0)
		error = errno;
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

/* Makes `file` anew with `text` in it: nobody can see it half written. */
static int
replace_file(const char *file, const char *text, const struct loop *loop)
{
	const char *slash = strrchr(file, '/');
	int directory = slash != NULL ? (int)(slash - file) + 1 : 0;
	char temporary[PATH_MAX];
	int length = snprintf(temporary, sizeof(temporary),
			      "%.*s.sockcat-XXXXXX", directory, file);

	if (length < 0 || (size_t)length >= sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = mkstemp(temporary);
	if (fd == -1)
		return -1;
	/* mkstemp(3) means secrets; this is not one, where modes exist. */
	mode_t mask = umask(0);
	umask(mask);
	(void)fchmod(fd, 0666 & ~mask);
	if (write_and_close(fd, text, loop) == 0 && rename(temporary, file) == 0)
		return 0;
	int error = errno;
	unlink(temporary);
	errno = error;
	return -1;
}

static int
write_file(const char *file, const char *text, const struct loop *loop)
{
	int fd = named_descriptor(file);
	struct stat status;

	if (fd != -1)
		return write_and_close(fcntl(fd, F_DUPFD_CLOEXEC, 0), text,
				       loop);
	if (stat(file, &status) == 0 && !S_ISREG(status.st_mode))
		return write_and_close(open_special(file,
		    S_ISFIFO(status.st_mode), loop), text, loop);
	return replace_file(file, text, loop);
}

enum cause
ready_write_port_file(const char *file, const struct listening *listening,
		      const struct loop *loop)
{
	const struct address *address = &listening->sockets[0].address;
	char host[ADDRESS_TEXT], text[ADDRESS_TEXT + 1];

	if (address->sa.sa_family == AF_UNIX)
		snprintf(text, sizeof(text), "%s\n",
			 address_host(address, host));
	else
		snprintf(text, sizeof(text), "%u\n",
			 (unsigned)address_port(address));
	if (write_file(file, text, loop) == 0)
		return CAUSE_NONE;
	if (errno == ETIMEDOUT)
		return CAUSE_TIMED_OUT;
	diag_error("write %s failed: %s", file, diag_strerror(errno));
	return CAUSE_LOCAL;
}

enum cause
ready_claim(int fd)
{
	if (fd == -1)
		return CAUSE_NONE;
	/* The standard ones are ours to the end. */
	if (fd > STDERR_FILENO ? fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 :
	    fcntl(fd, F_GETFD) != -1)
		return CAUSE_NONE;
	diag_error("--ready-fd %d: %s", fd, diag_strerror(errno));
	return CAUSE_LOCAL;
}

static void
print_line(void *context, const struct address *address)
{
	char text[ADDRESS_TEXT];

	fprintf(context, "%s\n", address_text(address, text));
}

/* The lines for --ready-fd, to be freed; NULL with errno. */
static char *
ready_lines(const struct listening *listening)
{
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	if (file == NULL)
		return NULL;
	listen_each(listening, print_line, file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/*
 * Writes `text` to `fd` and closes it. A standard descriptor must not become
 * free for the next socket: in its place comes one that cannot be written.
 */
static int
write_and_retire(int fd, const char *text, const struct loop *loop)
{
	int result, null;

	if (fd > STDERR_FILENO)
		return write_and_close(fd, text, loop);
	result = write_and_close(fcntl(fd, F_DUPFD_CLOEXEC, 0), text, loop);
	if (result == -1 && errno == ETIMEDOUT)
		return -1;
	null = compat_open_null(O_RDONLY | O_CLOEXEC);
	if (null == -1)
		return -1;
	if (dup2(null, fd) == -1)
		result = -1;
	(void)close(null);
	return result;
}

enum cause
ready_write(int fd, const struct listening *listening,
	    const struct loop *loop)
{
	char *text;
	int result;

	if (fd == -1)
		return CAUSE_NONE;
	text = ready_lines(listening);
	result = text != NULL ? write_and_retire(fd, text, loop) : -1;
	if (result == -1 && errno == ETIMEDOUT) {
		free(text);
		return CAUSE_TIMED_OUT;
	}
	if (result == -1)
		diag_error("write to --ready-fd %d failed: %s", fd,
			   diag_strerror(errno));
	free(text);
	return result == -1 ? CAUSE_LOCAL : CAUSE_NONE;
}

/* Sends `text` to the one at `address`, and waits for it within reason. */
static int
send_to(int fd, const struct address *address, const char *text)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	size_t length = strlen(text);

	/* Only a connected socket can wait for room at its peer's. */
	if (connect(fd, &address->sa, address->length) == -1)
		return -1;
	if (send(fd, text, length, MSG_NOSIGNAL) != -1)
		return 0;
	if (errno != EAGAIN || poll(&room, 1, NOTIFY_PATIENCE) == -1)
		return -1;
	return send(fd, text, length, MSG_NOSIGNAL) != -1 ? 0 : -1;
}

static int
notify(const char *where, const char *state)
{
	bool abstract = where[0] == '@';
	struct address address;
	int fd, result, error;

	if (where[0] != '/' && !abstract) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	if (address_unix(where + abstract, strlen(where + abstract), abstract,
			 &address) == -1)
		return -1;
	fd = compat_socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd == -1)
		return -1;
	result = send_to(fd, &address, state);
	error = errno;
	(void)close(fd);
	errno = error;
	return result;
}

void
ready_notify(const char *state)
{
	const char *where = getenv("NOTIFY_SOCKET");

	if (where != NULL && where[0] != '\0' && notify(where, state) == -1)
		diag_error("sending %s to NOTIFY_SOCKET %s failed: %s", state,
			   where, diag_strerror(errno));
}
