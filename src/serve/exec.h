/*
 * exec.h: a program as the local side of a connection: -e, -c
 *
 * The socket itself becomes the program's standard input and output where
 * nothing has to look at the bytes; otherwise a relay (relay.h) stands
 * between. See `Programs` in the manual.
 */
#ifndef EXEC_H
#define EXEC_H

#include "serve/local.h"

/*
 * Starts the run's program (run->program, program.h) on a connected socket,
 * of a stream or of messages. `ended` has the program's own status. A kind of
 * local.h.
 */
struct local *exec_start(const struct local_request *request);

#endif
