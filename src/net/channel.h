/*
 * channel.h: a descriptor that is read and written without ever blocking and
 * without changing what others share with us
 *
 * Standard input and output belong to the shell as much as to us: setting
 * O_NONBLOCK on them would break whoever uses them next. Sockets have flags
 * per call; pipes have RWF_NOWAIT (readv(2)) on Linux, and elsewhere are
 * opened anew or written in pieces of PIPE_BUF; terminals are opened anew.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What happened; how many bytes is a separate matter. */
enum moved {
	MOVED,			/* at least one byte */
	AGAIN,			/* nothing now: wait for the descriptor */
	END,			/* the end of input */
	FAIL,			/* errno says why */
};

enum channel_kind {
	CHANNEL_SOCKET,
	CHANNEL_PIPE,
	CHANNEL_TERMINAL,
	CHANNEL_FILE,		/* regular file or block device: always ready */
	CHANNEL_OTHER,
};

struct channel {
	int fd;			/* -1 once closed */
	enum channel_kind kind;
	/*
	 * A file's place from which to read next, apart from the
	 * descriptor's own; -1: that one (channel_read_from()).
	 */
	int64_t place;
	/* channel.c's own: */
	int shared_fd;		/* where fd is our own opening of it; else -1 */
	bool master;		/* of a pseudo-terminal */
	bool asked_reopen;	/* opening it anew was tried */
	bool no_nowait;		/* RWF_NOWAIT was refused */
};

/* Finds out what `fd` is (fstat(2)). The descriptor stays the caller's. */
void channel_open(struct channel *channel, int fd);

/* The same for what is known to be a socket. */
void channel_socket(struct channel *channel, int fd);

/*
 * Reads a regular file from `place` on, as pread(2) does, whoever else reads
 * it through the same descriptor.
 */
void channel_read_from(struct channel *channel, int64_t place);

/*
 * Whether it is /dev/null, which is also what main.c opens in the place of a
 * descriptor that was closed: its end says nothing about data.
 */
bool channel_is_null(const struct channel *channel);

/* False for a terminal of which we are not the foreground job. */
bool channel_in_foreground(const struct channel *channel);

/*
 * Reads up to `size` bytes. On MOVED `*got` is at least 1. A terminal of
 * which we are not the foreground job gives AGAIN (EIO with SIGTTIN blocked).
 */
enum moved channel_read(struct channel *channel, void *data, size_t size,
			size_t *got);

/*
 * Writes what goes of `size` bytes (at least 1) without blocking. On MOVED
 * `*put` is at least 1. On FAIL EPIPE says that the reader has gone.
 */
enum moved channel_write(struct channel *channel, const void *data,
			 size_t size, size_t *put);

/*
 * Closes it (a socket after shutdown(SHUT_WR)), keeping descriptors 0 to 2
 * occupied by /dev/null so that no later socket takes their place. Returns 0,
 * or -1 with errno where the file system says only now that data was lost
 * (close(2)).
 */
int channel_close(struct channel *channel);

#endif
