/*
 * store.c: where bytes wait between fill and drain
 *
 * Theory of operation. A store is filled only when it is empty, and drained
 * until it is empty: a byte is written as soon as it was read, and there is
 * no ring to wrap around. While a drain is slow the buffers of the kernel on
 * both sides go on working.
 *
 * Every store begins as a little memory: what is typed, a banner, a request
 * and its answer are moved soonest by one read and one write. Only a source
 * that fills it to the brim has more to move, and then the store grows into
 * what the table below says for its two ends. A pipe of our own is a buffer
 * that lives in the kernel. Where an end is a pipe or a file, even that
 * buffer is there already: then bytes pass straight from one end to the other
 * and the store holds nothing.
 *
 * The kernel may refuse to splice, and sometimes only with bytes in hand: a
 * file opened to append, /dev/full, an odd file system. What the pipe holds
 * is then read back into memory, and the store stays memory from there on.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#if SOCKCAT_LINUX
#include <sys/sendfile.h>
#endif

#define KIB ((size_t)1024)

/* What every store begins with: more than a line or a packet. */
#define FIRST_SIZE (16 * KIB)

/* Bytes that are passed over once more want the second-level cache. */
#define BYTES_SIZE (256 * KIB)

struct store_kind {
	/* Takes what it needs to be this. 0, or -1: it cannot be. */
	int (*open)(struct store *store, const struct channel *source,
		    const struct channel *drain);
	/* As store_fill(), and as store_drain(). */
	enum moved (*fill)(struct store *store, struct channel *source,
			   struct channel *drain, struct filled *filled);
	enum moved (*drain)(struct store *store, struct channel *drain,
			    size_t most, size_t *put);
};

static const struct store_kind memory_kind;
#if SOCKCAT_LINUX
static const struct store_kind pipe_kind, splice_kind, sendfile_kind;
#endif

/*
 * What moves much from one kind of channel to another. Figures are GB/s, and
 * in brackets CPU seconds a GB of both ends, on loopback, files in memory
 * (Linux 6.18, 2 CPUs): read and write against what is chosen.
 */
struct store_row {
	enum channel_kind from, to;
	const struct store_kind *kind;
	size_t size;		/* to move at once, at most */
};

static const struct store_row rows[] = {
#if SOCKCAT_LINUX
	{ CHANNEL_FILE, CHANNEL_SOCKET, &sendfile_kind, 8192 * KIB },
	{ CHANNEL_PIPE, CHANNEL_SOCKET, &splice_kind, 1024 * KIB },
	{ CHANNEL_SOCKET, CHANNEL_PIPE, &splice_kind, 1024 * KIB },
	{ CHANNEL_SOCKET, CHANNEL_FILE, &pipe_kind, 1024 * KIB },
	{ CHANNEL_SOCKET, CHANNEL_SOCKET, &pipe_kind, 1024 * KIB },
	{ CHANNEL_SOCKET, CHANNEL_OTHER, &pipe_kind, 1024 * KIB },
#endif
	/* All else, and all that the kernel refuses; it stands last. */
	{ .kind = &memory_kind, .size = 1024 * KIB },
};
static const struct store_row *const memory_row =
	&rows[ARRAY_LENGTH(rows) - 1];
static const struct store_row bytes_row = {
	.kind = &memory_kind, .size = BYTES_SIZE,
};

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Memory for reads of `size` bytes, in an empty store. 0 or -1. */
static int
memory_take(struct store *store, size_t size)
{
	unsigned char *data = malloc(size * store->growth);

	if (data == NULL)
		return -1;
	free(store->data);
	store->data = data;
	store->size = size;
	store->start = store->end = 0;
	return 0;
}

/* Without more memory the little that there is goes on serving. */
static int
memory_open(struct store *store, const struct channel *source,
	    const struct channel *drain)
{
	(void)source;
	(void)drain;
	(void)memory_take(store, store->row->size);
	return 0;
}

static enum moved
memory_fill(struct store *store, struct channel *source,
	    struct channel *drain, struct filled *filled)
{
	struct filter *filter = &store->filter;
	bool filtering = filter->crlf || filter->telnet != NULL;
	size_t offset = filtering ? store->size : 0;
	size_t most = store->size;
	enum moved moved;

	(void)drain;
	if (filter->telnet != NULL)
		most = smaller(most, telnet_room(filter->telnet));
	store->start = store->end = 0;
	if (most == 0)
		return AGAIN;
	moved = channel_read(source, store->data + offset, most,
			     &filled->got);
	if (moved != MOVED)
		return moved;
	/* A read that did not fill the store took all there was. */
	filled->more = filled->got == most;
	store->end = filtering ?
	    filter_apply(filter, store->data, offset, filled->got) :
	    filled->got;
	return MOVED;
}

static enum moved
memory_drain(struct store *store, struct channel *drain, size_t most,
	     size_t *put)
{
	enum moved moved;

	moved = channel_write(drain, store->data + store->start,
			      smaller(store->end - store->start, most), put);
	if (moved == MOVED)
		store->start += *put;
	return moved;
}

static const struct store_kind memory_kind = {
	memory_open, memory_fill, memory_drain,
};

/* Reads what the pipe holds back into memory. 0, or -1 with errno. */
static int
pipe_recover(struct store *store)
{
	if (store->piped > store->size &&
	    memory_take(store, store->piped) == -1)
		return -1;
	store->start = store->end = 0;
	while (store->piped > 0) {
		ssize_t count = read(store->pipe[0], store->data + store->end,
				     store->piped);

		if (count == -1)
			return -1;
		store->end += (size_t)count;
		store->piped -= (size_t)count;
	}
	return 0;
}

static void
pipe_close(struct store *store)
{
	if (store->pipe[0] != -1) {
		(void)close(store->pipe[0]);
		(void)close(store->pipe[1]);
	}
	store->pipe[0] = store->pipe[1] = -1;
	store->piped = 0;
}

/*
 * The kernel would not have it: memory from here on. Returns 0, or -1 with
 * errno where there is no memory for the bytes in hand.
 */
static int
store_refused(struct store *store)
{
	if (pipe_recover(store) == -1)
		return -1;
	pipe_close(store);
	store->kind = &memory_kind;
	store->row = memory_row;
	store->grown = false;
	return 0;
}

/*
 * Errors by which the kernel says that it cannot move bytes between these
 * two ends, or that do not tell which of them failed: with memory between
 * them it will work, or show.
 */
static bool
is_refusal(const struct store *store, int error)
{
	static const int refusals[] = {
		EINVAL, ENOSYS, EOPNOTSUPP, EBADF, EIO, EISDIR, EPERM, EACCES,
		ENOMEM, EOVERFLOW,
	};
	size_t i;

	if (store->kind == &memory_kind)
		return false;
	for (i = 0; i < ARRAY_LENGTH(refusals); i++)
		if (error == refusals[i])
			return true;
	return false;
}

#if SOCKCAT_LINUX

/* A pipe's room: fs.pipe-max-size, as every user may have it. */
#define PIPE_SIZE ((int)(1024 * KIB))

/* How often in a row both ends may have become ready just too late. */
#define STUCK 2

/* Widens a pipe, ours or the user's, for whole splices and long reads. */
static void
pipe_widen(int fd)
{
	/* Denied to a user with many pipes: then it stays as it is. */
	if (fcntl(fd, F_GETPIPE_SZ) < PIPE_SIZE)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
}

/*
 * Whether splice(2) can be kept from waiting for `channel`. For pipes there
 * is a flag; TCP goes by the descriptor's own, and what a socket that we
 * inherited has is not ours to change.
 */
static bool
never_waits(const struct channel *channel)
{
	return channel->kind != CHANNEL_SOCKET ||
	    (fcntl(channel->fd, F_GETFL) & O_NONBLOCK) != 0;
}

static int
straight_open(struct store *store, const struct channel *source,
	      const struct channel *drain)
{
	(void)store;
	return never_waits(source) && never_waits(drain) ? 0 : -1;
}

static int
pipe_open(struct store *store, const struct channel *source,
	  const struct channel *drain)
{
	if (straight_open(store, source, drain) == -1 ||
	    compat_pipe(store->pipe) == -1)
		return -1;
	pipe_widen(store->pipe[1]);
	return 0;
}

/* What a splice(2) or sendfile(2) that returned `count` did. */
static enum moved
moved_of(ssize_t count, size_t *moved)
{
	*moved = count > 0 ? (size_t)count : 0;
	if (count > 0)
		return MOVED;
	if (count == 0)
		return END;
	return errno == EAGAIN || errno == EINTR ? AGAIN : FAIL;
}

/* Whether `channel` is ready for one of `events`, or has them to report. */
static bool
is_ready(const struct channel *channel, short events)
{
	struct pollfd one = { .fd = channel->fd, .events = events };

	return poll(&one, 1, 0) == 1 &&
	    (one.revents & (events | POLLERR | POLLHUP)) != 0;
}

/*
 * Nothing went between two ends, and EAGAIN does not say which was not
 * ready. Both being so is a refusal: TCP never splices past urgent data, and
 * waiting for what is ready would be a spin.
 */
static enum moved
moved_nothing(struct store *store, const struct channel *source,
	      const struct channel *drain, struct filled *filled)
{
	filled->drain = drain != NULL && !is_ready(drain, POLLOUT);
	if (filled->drain || !is_ready(source, POLLIN)) {
		store->stuck = 0;
		return AGAIN;
	}
	if (store->stuck++ < STUCK)
		return AGAIN;
	errno = EINVAL;
	return FAIL;
}

/* Straight between two ends of which one is a pipe. */
static enum moved
splice_fill(struct store *store, struct channel *source,
	    struct channel *drain, struct filled *filled)
{
	ssize_t count = splice(source->fd, NULL, drain->fd, NULL,
			       store->row->size, SPLICE_F_NONBLOCK);
	enum moved moved = moved_of(count, &filled->got);

	filled->put = filled->got;
	if (moved == AGAIN)
		return moved_nothing(store, source, drain, filled);
	if (moved == FAIL)
		/* Of a pipe, the one error is that its reader has gone. */
		filled->drain = drain->kind != CHANNEL_PIPE ||
		    (errno == EPIPE && is_ready(drain, 0));
	/* Little was all there was; much may have been all there is room. */
	if (filled->put >= FIRST_SIZE)
		filled->drain = !is_ready(drain, POLLOUT);
	store->stuck = 0;
	return moved;
}

static enum moved
sendfile_fill(struct store *store, struct channel *source,
	      struct channel *drain, struct filled *filled)
{
	ssize_t count = sendfile(drain->fd, source->fd, NULL,
				 store->row->size);
	enum moved moved = moved_of(count, &filled->got);

	filled->put = filled->got;
	filled->more = filled->got == store->row->size;
	/* A file is always ready; what stopped it was the socket. */
	filled->drain = true;
	return moved;
}

static enum moved
pipe_fill(struct store *store, struct channel *source,
	  struct channel *drain, struct filled *filled)
{
	ssize_t count = splice(source->fd, NULL, store->pipe[1], NULL,
			       store->row->size, SPLICE_F_NONBLOCK);
	enum moved moved = moved_of(count, &filled->got);

	(void)drain;
	if (moved == AGAIN)
		return moved_nothing(store, source, NULL, filled);
	store->piped = filled->got;
	store->stuck = 0;
	return moved;
}

static enum moved
pipe_drain(struct store *store, struct channel *drain, size_t most,
	   size_t *put)
{
	ssize_t count = splice(store->pipe[0], NULL, drain->fd, NULL,
			       smaller(store->piped, most),
			       SPLICE_F_NONBLOCK);
	enum moved moved = moved_of(count, put);

	store->piped -= *put;
	return moved;
}

static const struct store_kind pipe_kind = {
	pipe_open, pipe_fill, pipe_drain,
};
/* These hold nothing, or what memory held when they took over. */
static const struct store_kind splice_kind = {
	straight_open, splice_fill, memory_drain,
};
static const struct store_kind sendfile_kind = {
	straight_open, sendfile_fill, memory_drain,
};

/* Widens the ends for long transfers, where they are pipes. */
static void
ends_widen(const struct channel *source, const struct channel *drain)
{
	if (source->kind == CHANNEL_PIPE)
		pipe_widen(source->fd);
	if (drain->kind == CHANNEL_PIPE)
		pipe_widen(drain->fd);
}

#else

static void
ends_widen(const struct channel *source, const struct channel *drain)
{
	(void)source;
	(void)drain;
}

#endif

/* There is more than little to move: the store becomes what its row says. */
static void
store_grow(struct store *store, const struct channel *source,
	   const struct channel *drain)
{
	ends_widen(source, drain);
	if (store->row->kind->open(store, source, drain) == -1) {
		store->row = memory_row;
		memory_open(store, source, drain);
	}
	store->kind = store->row->kind;
	store->grown = true;
}

static const struct store_row *
row_choose(const struct store_request *request)
{
	const struct store_row *row = rows;

	if (request->bytes)
		return &bytes_row;
	if (request->choice == STORE_MEMORY)
		return memory_row;
	while (row != memory_row && (row->from != request->source->kind ||
				     row->to != request->drain->kind))
		row++;
	return row;
}

int
store_open(struct store *store, const struct store_request *request)
{
	*store = (struct store){
		.kind = &memory_kind, .row = row_choose(request),
		.growth = request->filter ? FILTER_GROWTH : 1,
		.pipe = { -1, -1 },
		.grown = request->size != 0,
		.brimful = request->choice == STORE_PIPE,
	};
	return memory_take(store, request->size != 0 ? request->size :
			   FIRST_SIZE);
}

void
store_close(struct store *store)
{
	if (store->kind == NULL)
		return;
	pipe_close(store);
	free(store->data);
	store->data = NULL;
	store->start = store->end = 0;
}

size_t
store_held(const struct store *store)
{
	return store->end - store->start + store->piped;
}

enum moved
store_fill(struct store *store, struct channel *source,
	   struct channel *drain, struct filled *filled)
{
	enum moved moved;

	*filled = (struct filled){ .got = 0 };
	if (store->brimful && !store->grown)
		store_grow(store, source, drain);
	moved = store->kind->fill(store, source, drain, filled);
	if (moved == FAIL && is_refusal(store, errno)) {
		if (store_refused(store) == -1)
			return FAIL;
		return store_fill(store, source, drain, filled);
	}
	store->brimful = store->brimful || filled->more;
	return moved;
}

enum moved
store_drain(struct store *store, struct channel *drain, size_t most,
	    size_t *put)
{
	enum moved moved = store->kind->drain(store, drain, most, put);

	if (moved == FAIL && is_refusal(store, errno)) {
		if (store_refused(store) == -1)
			return FAIL;
		return memory_drain(store, drain, most, put);
	}
	return moved;
}

size_t
store_line(const struct store *store)
{
	const unsigned char *start = store->data + store->start;
	const unsigned char *newline = memchr(start, '\n', store_held(store));

	return newline != NULL ? (size_t)(newline - start) + 1 :
	    store_held(store);
}

void
store_discard(struct store *store)
{
	store->start = store->end = 0;
	if (store->piped > 0)
		pipe_close(store);
}
