/*
 * reply.h: a canned answer as the local side of a stream: --reply
 */
#ifndef REPLY_H
#define REPLY_H

#include "serve/local.h"

/*
 * Looks, once and before the first client, whether `file` can be read. What
 * is no regular file, and standard input ("-"), is read whole now, and `*fd`
 * becomes a descriptor that can be read with pread(2). Tells a failure;
 * returns CAUSE_NONE or the cause.
 */
enum cause reply_prepare(const char *file, int *fd);

/*
 * Sends what is in the file that --reply names (run->reply_fd where that is
 * not -1), discards what the client sends, then half-closes and
 * lingers. A kind of local.h.
 */
struct local *reply_start(const struct local_request *request);

#endif
