/*
 * ready.h: telling others that we listen: --port-file, --ready-fd,
 * NOTIFY_SOCKET
 */
#ifndef READY_H
#define READY_H

#include "base/outcome.h"

struct listening;
struct loop;

/*
 * Writes the port (or the Unix path) and a newline to `file`: whole, under
 * another name in its directory, then renamed. What is no regular file (a
 * device, a FIFO, /dev/fd/N) is written to as it stands; a FIFO without a
 * reader is waited for, and so is room, until loop_is_due(). Tells a failure;
 * returns CAUSE_NONE or CAUSE_LOCAL, or CAUSE_TIMED_OUT without having told
 * where the loop is due.
 */
enum cause ready_write_port_file(const char *file,
				 const struct listening *listening,
				 const struct loop *loop);

/*
 * Makes `fd` of --ready-fd (-1: not asked) ours alone: no program that we
 * start gets it. To be called before any other descriptor is opened, or one of
 * ours could pass for it. Tells a failure (it is not open); returns
 * CAUSE_NONE or CAUSE_LOCAL.
 */
enum cause ready_claim(int fd);

/*
 * Writes to descriptor `fd` (-1: not asked) a line "ADDR PORT" for each
 * address that is listened on (a Unix path alone; both addresses of a socket
 * for both versions of IP), then closes it; one of the standard descriptors
 * becomes one that cannot be written. Waits for room, and returns, as
 * ready_write_port_file().
 */
enum cause ready_write(int fd, const struct listening *listening,
		       const struct loop *loop);

/*
 * Sends `state` ("READY=1", "STOPPING=1") to the datagram socket that
 * NOTIFY_SOCKET names (a path, or @NAME for an abstract one; sd_notify(3));
 * nothing where it is not set. That it cannot be sent is told, and no failure
 * of the run.
 */
void ready_notify(const char *state);

#endif
