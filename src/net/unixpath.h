/*
 * unixpath.h: the file that a bound Unix-domain socket leaves behind
 */
#ifndef UNIXPATH_H
#define UNIXPATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/family.h"

/* A path that we bound, and the file that was ours. */
struct unixpath {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	dev_t device;
	ino_t inode;
	bool ours;		/* false: nothing to remove */
};

/*
 * bind(2)s `fd` to `address`. A socket that stands in the way is removed if
 * nobody has it open, which a living one does not notice, whatever its type;
 * any other file, and a symbolic link, is left alone. Of several programs
 * that find the same stale socket at once, one binds. `mode` is the file's
 * mode, or -1 for what umask(2) leaves. Abstract names are bound as they
 * are. Returns 0, or -1 with errno: EADDRINUSE for a socket that is open (or
 * may not be asked), EEXIST for a file that is no socket.
 */
int unixpath_bind(int fd, const struct address *address, int mode,
		  struct unixpath *bound);

/*
 * Removes the path if it is still our file. To be called before the socket
 * is closed: until then no other file can get our inode's number. Keeps
 * errno; async-signal-safe.
 */
void unixpath_remove(struct unixpath *bound);

#endif
