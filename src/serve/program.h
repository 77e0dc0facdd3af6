/*
 * program.h: what -e and -c name: a program, its arguments, its environment
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>

#include "base/outcome.h"
#include "net/family.h"

struct program {
	char *path;		/* found on PATH once, absolute or with a / */
	char **argv;
	/* The environment that all get; program_environment() adds to it. */
	char **environment;
	size_t environment_count;
};

/* What a program is told of its connection. */
struct program_connection {
	int fd;			/* connected; asked for our address and, Unix,
				   the peer's credentials */
	int type, protocol;	/* of the socket */
	struct address peer;	/* length 0: not known */
	struct address local;	/* ours; length 0: ask `fd` */
};

/*
 * Prepares `exec` ("PROG ARGS": split at blanks, with quotes and backslash as
 * the shell has them, found on PATH, no shell) or `shell` (a command for
 * /bin/sh -c); the other one is NULL. Tells why it cannot be started:
 * CAUSE_USAGE (an open quote, nothing at all), CAUSE_UNKNOWN_NAME (not
 * found), CAUSE_PERMISSION; else CAUSE_NONE.
 */
enum cause program_prepare(const char *exec, const char *shell,
			   struct program *out);
void program_free(struct program *program);

/*
 * The environment for one connection: ours without LISTEN_* and
 * NOTIFY_SOCKET and without what a connection of our own parent left of the
 * names below, with UCSPI's (PROTO, TCPREMOTEIP …, UNIXLOCALPATH …) and Ncat's
 * (NCAT_REMOTE_ADDR …) names; see `Programs` in the manual. One block, to be
 * free()d; NULL with errno when out of memory.
 */
char **program_environment(const struct program *program,
			   const struct program_connection *connection);

#endif
