/*
 * backend.h: what stands behind a flow of messages: an endpoint or a program
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>

#include "base/child.h"
#include "base/outcome.h"
#include "io/msgqueue.h"
#include "net/msgsock.h"
#include "net/unixpath.h"

struct connection;
struct dial;
struct run;

struct backend {
	/*
	 * The owner's. Called once, from the loop: `socket` is there, or
	 * there will be none, which has been told, with the cause.
	 */
	void (*ready)(struct backend *backend, enum cause cause);
	/* The program has ended, as child.h has it; what it said may wait. */
	void (*ended)(struct backend *backend, int status);
	/* Closed: fd -1, all else as backend_init() leaves it. */
	int fd;
	struct msgsock *socket;
	struct correspondent peer;	/* whom `to` points to */
	const struct correspondent *to;	/* NULL: connected */
	bool ends;		/* it has an end, both ways */
	bool is_program;
	/* backend.c's own: */
	int program_fd;		/* the program's end, which we hold, too */
	struct run *run;
	struct dial *dial;
	struct unixpath bound;	/* never: a back-end's socket has no path */
	struct child child;
};

/* Prepares a closed one of the run's; the callbacks are NULL. */
void backend_init(struct backend *backend, struct run *run);

/*
 * Starts to dial what --to names, for a client of `connection`: with the type
 * of that one's socket where the endpoint can have it. Returns 0, or -1 with
 * errno; `ready` is called later.
 */
int backend_dial(struct backend *backend, const struct connection *connection);

/*
 * Starts the run's program. Its standard input and output are one socket, in
 * which every message is read by one read(2) and made by one write(2). The
 * client is `peer`, and `local` what it spoke to on `connection`. Returns 0:
 * `socket` is there; or -1 with errno. `ready` is not called.
 */
int backend_run_program(struct backend *backend,
			const struct connection *connection,
			const struct address *peer,
			const struct address *local);

/* No message will come any more: where it can be said, it is. */
void backend_end_input(struct backend *backend);

/*
 * After the program's end: moves to `queue` what it has not read. Not after
 * backend_end_input().
 */
void backend_take_unread(struct backend *backend, struct msgqueue *queue);

/* A program that still runs is ended (child_forget()). */
void backend_close(struct backend *backend);

#endif
