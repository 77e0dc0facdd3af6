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
#include "io/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compat.h"
#if SOCKCAT_LINUX
#include <sys/sendfile.h>
#include <sys/socket.h>
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72		/* asm/socket.h; musl lacks it */
#endif
#define SNDBUF_LOCK 1		/* linux/socket.h: SOCK_SNDBUF_LOCK */
#endif

#define KIB ((size_t)1024)

/* What every store begins with: more than a line or a packet. */
#define FIRST_SIZE (16 * KIB)

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

/* What a store has at its ends; sets of them. */
enum end {
	END_FILE = 1 << 0,
	END_PIPE = 1 << 1,
	END_UNIX = 1 << 2,	/* a Unix socket */
	END_INET = 1 << 3,	/* any other socket */
	END_OTHER = 1 << 4,	/* /dev/null, for one */
	END_TERMINAL = 1 << 5,
};

/* What moves much best; the first row that fits. */
struct store_row {
	unsigned from, to;	/* sets of ends */
	const struct store_kind *kind;
	size_t size;		/* to move at once, at most */
};

/*
 * Figures: GB/s on loopback, and in brackets CPU seconds a GB, of all
 * processes where pipes are used, else of both ends; first with reads and
 * writes of the size that does best, then with what the row says. Files in
 * memory, Linux 6.18, 2 CPUs.
 */
static const struct store_row rows[] = {
#if SOCKCAT_LINUX
	/*
	 * 2.0 [0.5] → 4.0 [0.3] into TCP, 3.2 [0.4] → 8 [0.12] into Unix
	 * sockets: nothing is copied. A TCP peer that reads by itself loses
	 * up to a fifth of that, because the pages lie scattered. Chunks of
	 * 1 MiB gave 3.1.
	 */
	{ END_FILE, END_INET | END_UNIX, &sendfile_kind, 8192 * KIB },
	/*
	 * 2.1 [0.4] → with splice 1.3 [0.7]: TCP keeps the pages until they
	 * are acknowledged and more, so that whoever fills the pipe must have
	 * new ones all the time. Reads of 256 KiB cost a fifth more than
	 * those of 1 MiB, which is the pipe's room, and are a tenth slower.
	 */
	{ END_PIPE, END_INET, &memory_kind, 1024 * KIB },
	/* 2.2 [0.4] → 3.2 [0.3] */
	{ END_PIPE, END_INET | END_UNIX, &splice_kind, 1024 * KIB },
	/* TCP 1.1 [0.8] → 2.1 [0.5], Unix 2.3 [0.6] → 3.2 [0.3] */
	{ END_INET | END_UNIX, END_PIPE, &splice_kind, 1024 * KIB },
	/*
	 * TCP 1.0 [1.0] → 1.1 [0.9], Unix 1.3 [0.7] → 1.7 [0.6]. A pipe of
	 * 64 KiB: [1.0]. Segments of 700 bytes cost a fifth more, of 100 a
	 * third.
	 */
	{ END_INET | END_UNIX, END_FILE, &pipe_kind, 1024 * KIB },
	/* The first row's figures are those of /dev/null. */
	{ END_INET | END_UNIX, END_OTHER, &pipe_kind, 1024 * KIB },
	/*
	 * A relay between two programs that write and read 256 KiB at a time,
	 * CPU of the relay alone: TCP 1.5 [0.37] → 1.3 [0.21], Unix 2.5 [0.2]
	 * → 3.5 [0.1]. TCP by chunks of 512 KiB: [0.27], of 256 KiB: [0.36].
	 */
	{ END_INET | END_UNIX, END_INET | END_UNIX, &pipe_kind, 1024 * KIB },
#endif
	/* All else, and all that the kernel refuses; it stands last. */
	{ ~0U, ~0U, &memory_kind, 1024 * KIB },
};
static const struct store_row *const memory_row =
	&rows[ARRAY_LENGTH(rows) - 1];
/* Bytes that are passed over once more want the second-level cache. */
static const struct store_row bytes_row = {
	~0U, ~0U, &memory_kind, 256 * KIB,
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
	store->choice = STORE_MEMORY;
	store->row = NULL;
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

/*
 * What a splice from `source` that gave nothing and no error came to. TCP
 * stops so at urgent data, too, and behind it there is more to be read.
 */
static enum moved
moved_to_end(const struct channel *source)
{
	char byte;

	if (source->kind != CHANNEL_SOCKET ||
	    recv(source->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		return END;
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
	if (moved == END)
		return moved_to_end(source);
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
	off_t place = source->place;
	ssize_t count = sendfile(drain->fd, source->fd,
				 place != -1 ? &place : NULL,
				 store->row->size);
	enum moved moved = moved_of(count, &filled->got);

	if (source->place != -1)
		source->place = place;
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
	if (moved == END)
		return moved_to_end(source);
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

/* Which of the ends `channel` is. */
static enum end
end_of(const struct channel *channel)
{
	static const enum end ends[] = {
		[CHANNEL_SOCKET] = END_INET, [CHANNEL_PIPE] = END_PIPE,
		[CHANNEL_TERMINAL] = END_TERMINAL,
		[CHANNEL_FILE] = END_FILE, [CHANNEL_OTHER] = END_OTHER,
	};
	int domain;
	socklen_t length = sizeof(domain);

	if (channel->kind == CHANNEL_SOCKET &&
	    getsockopt(channel->fd, SOL_SOCKET, SO_DOMAIN, &domain,
		       &length) == 0 && domain == AF_UNIX)
		return END_UNIX;
	return ends[channel->kind];
}

/*
 * A Unix socket's buffer, unless the user has set it (socket(7); the kernel
 * remembers since Linux 5.14): with four times the usual one there is less
 * waking up, and 20 % less CPU time into files, half into pipes. More buys
 * nothing. TCP sizes its buffers itself, and better.
 */
static void
unix_widen(int fd)
{
	const int size = 512 * 1024;
	int locks;
	socklen_t length = sizeof(locks);

	if (getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locks, &length) == 0 &&
	    (locks & SNDBUF_LOCK) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
				 sizeof(size));
}

/*
 * Widens the ends for much: TCP from pipe to pipe by reads and writes gains
 * half of its speed already by pipes of 1 MiB instead of 64 KiB, and Unix
 * sockets almost double it.
 */
static void
ends_widen(const struct channel *source, enum end from,
	   const struct channel *drain, enum end to)
{
	if (from == END_PIPE)
		pipe_widen(source->fd);
	if (to == END_PIPE)
		pipe_widen(drain->fd);
	if (to == END_UNIX)
		unix_widen(drain->fd);
}

#else

static enum end
end_of(const struct channel *channel)
{
	(void)channel;
	return END_OTHER;
}

static void
ends_widen(const struct channel *source, enum end from,
	   const struct channel *drain, enum end to)
{
	(void)source;
	(void)from;
	(void)drain;
	(void)to;
}

#endif

/* What the store is to be, between `from` and `to`. */
static const struct store_row *
row_choose(const struct store *store, enum end from, enum end to)
{
	const struct store_row *row = rows;

	if (store->bytes)
		return &bytes_row;
	if (store->choice == STORE_MEMORY)
		return memory_row;
	while (row != memory_row &&
	       ((row->from & from) == 0 || (row->to & to) == 0 ||
		(store->choice == STORE_PIPE && row->kind == &memory_kind)))
		row++;
	return row;
}

/* There is more than little to move: the store becomes what a row says. */
static void
store_grow(struct store *store, const struct channel *source,
	   const struct channel *drain)
{
	enum end from = end_of(source), to = end_of(drain);

	ends_widen(source, from, drain, to);
	store->row = row_choose(store, from, to);
	if (store->row->kind->open(store, source, drain) == -1) {
		store->row = memory_row;
		memory_open(store, source, drain);
	}
	store->kind = store->row->kind;
}

int
store_open(struct store *store, const struct store_request *request)
{
	*store = (struct store){
		.choice = request->choice, .bytes = request->bytes,
		.kind = &memory_kind,
		.row = request->size != 0 ? &bytes_row : NULL,
		.growth = request->filter ? FILTER_GROWTH : 1,
		.brimful = request->choice == STORE_PIPE,
		.pipe = { -1, -1 },
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
	if (store->brimful && store->row == NULL)
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
