/*
 * unixpath.c: binding a Unix-domain path, and removing it again
 *
 * The file of a Unix-domain socket outlives its process, and bind(2) does
 * not take a path at which there is a file. So a stale socket must be told
 * from a living one, removed and replaced, and two programs that start at
 * once must not remove each other's new socket: whoever binds holds a lock
 * on the directory meanwhile.
 */
#include "net/unixpath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/compat.h"

/* How long to wait for the lock: attempts, a millisecond apart. */
#define LOCK_ATTEMPTS 1000

/* How often a file that comes and goes is looked at anew. */
#define BIND_ATTEMPTS 10

/* Closes `fd` and keeps errno. */
static void
close_quietly(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

#ifdef LOCK_EX	/* flock(2): Linux and the BSDs */

/*
 * Takes the lock of the directory that `path` is in; closing the result ends
 * it. Returns -1 where there is no lock to be had: a directory that may not
 * be read, a file system without locks, somebody who keeps it. Binding works
 * all the same, and only two programs that replace the same stale socket in
 * the same instant can then get in each other's way.
 */
static int
lock_directory(const char *path)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 1;
	char directory[sizeof(((struct unixpath *)0)->path)] = ".";

	if (slash != NULL)
		memcpy(directory, path, length);
	directory[length] = '\0';
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	for (int i = 0; i < LOCK_ATTEMPTS; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		nanosleep(&pause, NULL);
	}
	close_quietly(fd);
	return -1;
}

#else

/* POSIX has only locks that need a file opened for writing. */
static int
lock_directory(const char *path)
{
	(void)path;
	return -1;
}

#endif

/* bind(2) in a way that the new file's mode is `mode`. */
static int
bind_with_mode(int fd, const struct address *address, int mode)
{
	if (mode == -1)
		return bind(fd, &address->sa, address->length);

	/* chmod(2) afterwards would let clients in before it. */
	mode_t mask = umask(~(mode_t)mode & 0777);
	int result = bind(fd, &address->sa, address->length);
	umask(mask);
	return result;
}

/*
 * Asks whether nobody has the socket at `address` open: connect(2) is then
 * refused. The probe is a datagram socket whatever stands there: streams and
 * seqpackets answer it with EPROTOTYPE and do not see a client, and a
 * datagram socket does not notice who connects to it.
 */
static bool
is_stale(const struct address *address)
{
	int fd = compat_socket(AF_UNIX, SOCK_DGRAM, 0);
	bool refused;

	if (fd == -1)
		return false;
	refused = connect(fd, &address->sa, address->length) == -1 &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}

/*
 * Removes the socket at `path` if it is stale. Returns 0 when nothing is
 * there any more, or -1 with errno: EADDRINUSE, EEXIST, or unlink(2)'s.
 */
static int
remove_stale(const char *path, const struct address *address)
{
	struct stat before, after;

	if (lstat(path, &before) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(before.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	/* Whoever does not take our lock may have replaced it meanwhile. */
	if (!is_stale(address) || lstat(path, &after) == -1 ||
	    before.st_dev != after.st_dev || before.st_ino != after.st_ino) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(path) == -1 && errno != ENOENT ? -1 : 0;
}

static int
bind_replacing(int fd, const struct address *address, int mode,
	       const char *path)
{
	for (int i = 0; i < BIND_ATTEMPTS; i++) {
		if (bind_with_mode(fd, address, mode) == 0)
			return 0;
		if (errno != EADDRINUSE || remove_stale(path, address) == -1)
			return -1;
	}
	errno = EADDRINUSE;
	return -1;
}

/* Finds out which file is ours, to remove no other one later. */
static void
remember(struct unixpath *bound)
{
	struct stat status;

	if (lstat(bound->path, &status) == -1 || !S_ISSOCK(status.st_mode))
		return;
	bound->device = status.st_dev;
	bound->inode = status.st_ino;
	bound->ours = true;
}

int
unixpath_bind(int fd, const struct address *address, int mode,
	      struct unixpath *bound)
{
	const size_t start = offsetof(struct sockaddr_un, sun_path);

	memset(bound, 0, sizeof(*bound));
	if (address->length > start)
		memcpy(bound->path, address->un.sun_path,
		       address->length - start);
	/* An abstract name, or none: the kernel chooses one (unix(7)). */
	if (bound->path[0] == '\0')
		return bind(fd, &address->sa, address->length);

	int lock = lock_directory(bound->path);
	int result = bind_replacing(fd, address, mode, bound->path);
	if (result == 0)
		remember(bound);
	if (lock != -1)
		close_quietly(lock);
	return result;
}

void
unixpath_remove(struct unixpath *bound)
{
	int error = errno;
	struct stat status;

	if (bound->ours && lstat(bound->path, &status) == 0 &&
	    status.st_dev == bound->device && status.st_ino == bound->inode)
		unlink(bound->path);
	bound->ours = false;
	errno = error;
}
