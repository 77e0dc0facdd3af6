/*
 * holder.h: which process holds a port or a Unix-domain name
 */
#ifndef HOLDER_H
#define HOLDER_H

#include <stddef.h>

#include "net/family.h"

/* Room for any text that holder_of() makes, with its NUL. */
#define HOLDER_TEXT 64

/*
 * Writes "NAME, process PID" of a process whose socket stands in the way of
 * binding a socket of `type` (SOCK_STREAM, SOCK_DGRAM; any for Unix) to
 * `address` into `text`, as /proc/net and /proc/PID/fd tell (proc(5)). The
 * name is the process's own choice and may hold any byte. It looks at
 * every process: only for a message about a failure. Returns 0, or -1 where
 * it cannot be found out: not Linux, or another user's process.
 */
int holder_of(const struct address *address, int type,
	      char text[HOLDER_TEXT]);

#endif
