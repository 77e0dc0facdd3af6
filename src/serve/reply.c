/*
 * reply.c: a canned answer as the local side of a stream
 *
 * One lane, from the file to the socket; what the client sends meanwhile is
 * read and discarded, because closing a socket with unread input would reset
 * the connection and eat the end of the answer. What can be read only once,
 * as standard input, is kept in a file without a name, from which every
 * client reads at its own place.
 */
#include "serve/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "cli/options.h"
#include "io/lane.h"
#include "io/store.h"
#include "net/channel.h"
#include "net/connection.h"
#include "net/linger.h"
#include "serve/run.h"

/* How long to wait for the client's end once it has everything. */
#define REPLY_GRACE (2 * SECOND)

struct reply {
	struct local local;
	struct channel file, socket;
	struct watch watch;
	struct lane lane;
	struct lingering linger;
	bool deaf;		/* the client sends nothing more */
	bool complete;		/* all of it is on its way, and its end */
	struct outcome outcome;
	struct address peer;
	struct timer idle;
	int64_t idle_limit, last_moved;
	uint64_t moved_then;
	struct timer finish;	/* calls `ended` from the loop */
};

/* Copies all of `from` to `to`. Returns 0, or -1 having told. */
static int
copy_all(const char *file, int from, int to)
{
	char data[16384];
	ssize_t got, put, done;

	while ((got = read(from, data, sizeof(data))) != 0) {
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1) {
			diag_error("read from %s failed: %s", file,
				   diag_strerror(errno));
			return -1;
		}
		for (done = 0; done < got; done += put) {
			put = write(to, data + done, (size_t)(got - done));
			if (put == -1) {
				diag_error("keeping what %s has failed: %s",
					   file, diag_strerror(errno));
				return -1;
			}
		}
	}
	return 0;
}

/* Reads `from` into a file without a name, which becomes `*fd`. */
static enum cause
reply_keep(const char *file, int from, int *fd)
{
	FILE *kept = tmpfile();

	*fd = kept == NULL ? -1 : fcntl(fileno(kept), F_DUPFD_CLOEXEC, 3);
	if (*fd == -1)
		diag_error("keeping what %s has failed: %s", file,
			   diag_strerror(errno));
	if (kept != NULL)
		(void)fclose(kept);
	return *fd == -1 || copy_all(file, from, *fd) == -1 ?
	    CAUSE_LOCAL : CAUSE_NONE;
}

/*
 * Opens the file as it is now. Returns the descriptor, or -1 with errno
 * having told.
 */
static int
reply_open_file(const char *file, int flags)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);

	if (fd == -1)
		diag_error("open %s failed: %s", file, diag_strerror(errno));
	return fd;
}

static bool
is_regular(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/*
 * The same for one client: nothing may make it wait, as a FIFO that has taken
 * the file's place would.
 */
static int
reply_open_again(const char *file)
{
	int fd = reply_open_file(file, O_NONBLOCK);

	if (fd == -1 || is_regular(fd))
		return fd;
	diag_error("open %s failed: it is no regular file any more", file);
	(void)close(fd);
	return -1;
}

enum cause
reply_prepare(const char *file, int *fd)
{
	enum cause cause = CAUSE_NONE;
	int from;

	if (strcmp(file, "-") == 0)
		return reply_keep("standard input", STDIN_FILENO, fd);
	from = reply_open_file(file, 0);
	if (from == -1)
		return errno == ENOENT || errno == ENOTDIR ?
		    CAUSE_UNKNOWN_NAME : cause_of_errno(errno);
	/* What can be read only once is kept. */
	if (!is_regular(from))
		cause = reply_keep(file, from, fd);
	(void)close(from);
	return cause;
}

static const char *
reply_name(const struct reply *reply, char *text)
{
	address_text(&reply->peer, text);
	return text[0] != '\0' ? text : "peer";
}

static void
reply_fail(struct reply *reply, const char *what, int error)
{
	char name[ADDRESS_TEXT];

	if (reply->outcome.status != 0)
		return;
	diag_error("%s %s: %s", what, reply_name(reply, name),
		   diag_strerror(error));
	reply->outcome = outcome_of(cause_of_errno(error));
}

static void
reply_over(struct reply *reply)
{
	struct loop *loop = reply->local.run->loop;

	loop_unwatch(loop, &reply->watch);
	linger_stop(&reply->linger);
	loop_timer(loop, &reply->idle, NEVER);
	loop_timer(loop, &reply->finish, 0);
}

static void
linger_ended(struct lingering *linger, enum linger_end end, int error)
{
	struct reply *reply = container_of(linger, struct reply, linger);

	if (end == LINGER_BROKE)
		reply_fail(reply, "the answer did not reach", error);
	reply_over(reply);
}

/* The lane is over: half-close, and see that all arrives. */
static void
reply_linger(struct reply *reply)
{
	struct loop *loop = reply->local.run->loop;

	loop_unwatch(loop, &reply->watch);
	if (reply->lane.state == LANE_SOURCE_FAILED)
		reply_fail(reply, "reading the answer failed for",
			   reply->lane.error);
	if (reply->lane.state == LANE_DRAIN_FAILED)
		reply_fail(reply, "the answer did not reach",
			   reply->lane.error);
	/* Half of an answer is not to be taken for the whole. */
	if (reply->outcome.status != 0) {
		reply_over(reply);
		return;
	}
	reply->complete = true;
	(void)shutdown(reply->socket.fd, SHUT_WR);
	reply->linger.grace = reply->local.run->options->quit_after <
	    REPLY_GRACE ? reply->local.run->options->quit_after : REPLY_GRACE;
	linger_start(&reply->linger, reply->deaf, NEVER);
}

static void
reply_run(struct reply *reply)
{
	struct loop *loop = reply->local.run->loop;
	short events = reply->deaf ? 0 : POLLIN;

	lane_run(&reply->lane);
	if (lane_over(&reply->lane)) {
		reply_linger(reply);
		return;
	}
	loop_watch(loop, &reply->watch, (short)(events | POLLOUT));
}

static void
socket_ready(struct watch *watch, short events)
{
	struct reply *reply = container_of(watch, struct reply, watch);

	if ((events & POLLIN) != 0 && !reply->deaf) {
		/* An error is what writing will tell of. */
		(void)linger_discard(&reply->linger);
		reply->deaf = reply->linger.no_more;
	}
	reply_run(reply);
}

/* Nothing has moved for as long as the user allows one client. */
static void
idle_expired(struct timer *timer)
{
	struct reply *reply = container_of(timer, struct reply, idle);
	const struct options *options = reply->local.run->options;
	uint64_t moved = reply->lane.written -
	    linger_unacknowledged(&reply->linger);
	char name[ADDRESS_TEXT];

	if (moved != reply->moved_then) {
		reply->moved_then = moved;
		loop_timer(reply->local.run->loop, timer,
			   clock_after(reply->idle_limit));
		return;
	}
	if (reply->complete && linger_unacknowledged(&reply->linger) == 0) {
		reply_over(reply);	/* it only has not ended its side */
		return;
	}
	diag_error("%s takes nothing for the %s", reply_name(reply, name),
		   reply->idle_limit == options->idle_quiet ? "idle time (-w)" :
		   "--idle-timeout");
	reply->outcome = outcome_of(CAUSE_TIMED_OUT);
	reply_over(reply);
}

static void
finish_expired(struct timer *timer)
{
	struct reply *reply = container_of(timer, struct reply, finish);

	reply->local.ended(reply->local.owner, reply->outcome);
}

static struct outcome
reply_expire(struct local *local, const char *limit)
{
	struct reply *reply = container_of(local, struct reply, local);
	char name[ADDRESS_TEXT];

	diag_error("%s: %s has not got the whole answer", limit,
		   reply_name(reply, name));
	return outcome_of(CAUSE_TIMED_OUT);
}

static void
reply_free(struct local *local)
{
	struct reply *reply = container_of(local, struct reply, local);
	struct loop *loop = local->run->loop;

	loop_unwatch(loop, &reply->watch);
	linger_stop(&reply->linger);
	loop_timer(loop, &reply->idle, NEVER);
	loop_timer(loop, &reply->finish, NEVER);
	store_close(&reply->lane.store);
	if (reply->file.fd != -1 && reply->file.fd != local->run->reply_fd)
		(void)close(reply->file.fd);
	if (!reply->complete)
		linger_reset(reply->socket.fd);
	(void)close(reply->socket.fd);
	free(reply);
}

static const struct local_kind reply_kind = { reply_expire, reply_free };

/* Opens both ends of the lane. Returns 0, or -1 with errno. */
static int
reply_open_lane(struct reply *reply)
{
	const struct run *run = reply->local.run;
	const struct options *options = run->options;
	const struct store_request store = {
		.choice = options->store, .size = options->block_size,
		.bytes = options->crlf, .filter = options->crlf,
	};
	int fd = run->reply_fd != -1 ? run->reply_fd :
	    reply_open_again(options->reply);

	channel_open(&reply->file, fd);
	if (run->reply_fd != -1)
		channel_read_from(&reply->file, 0);
	reply->lane.source = &reply->file;
	reply->lane.drain = &reply->socket;
	if (store_open(&reply->lane.store, &store) == -1)
		return -1;
	reply->lane.store.filter.crlf = options->crlf;
	return 0;
}

static void
reply_open_timers(struct reply *reply)
{
	const struct options *options = reply->local.run->options;

	reply->idle.expired = idle_expired;
	reply->finish.expired = finish_expired;
	reply->idle_limit = options->idle_quiet < options->idle_timeout ?
	    options->idle_quiet : options->idle_timeout;
	if (reply->idle_limit != NEVER)
		loop_timer(reply->local.run->loop, &reply->idle,
			   clock_after(reply->idle_limit));
}

struct local *
reply_start(const struct local_request *request)
{
	const struct connection *connection = request->connection;
	struct reply *reply = calloc(1, sizeof(*reply));

	if (reply == NULL) {
		(void)close(connection->fd);
		return NULL;
	}
	local_open(&reply->local, &reply_kind, request);
	reply->peer = connection->peer;
	channel_socket(&reply->socket, connection->fd);
	reply->watch = (struct watch){
		.fd = connection->fd, .ready = socket_ready,
	};
	linger_open(&reply->linger, request->run->loop, connection->fd,
		    connection->family);
	reply->linger.ended = linger_ended;
	if (reply_open_lane(reply) == -1) {
		reply_free(&reply->local);
		errno = ENOMEM;
		return NULL;
	}
	reply_open_timers(reply);
	if (reply->file.fd == -1) {	/* which has been told */
		reply->outcome = outcome_of(CAUSE_LOCAL);
		reply_over(reply);
	} else {
		reply_run(reply);
	}
	return &reply->local;
}
