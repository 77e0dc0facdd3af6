/*
 * compat.h: what another system lacks
 *
 * SOCKCAT_LINUX is 1 where Linux's own system calls may be used; a build
 * with PORTABLE=1 sets it to 0 even on Linux, and then nothing outside of
 * POSIX and the BSD socket interface is called.
 */
#ifndef COMPAT_H
#define COMPAT_H

#if defined(__linux__) && !defined(SOCKCAT_PORTABLE)
#define SOCKCAT_LINUX 1
#else
#define SOCKCAT_LINUX 0
#endif

#include <stddef.h>

/* The structure of type `type` whose member `member` `pointer` points to. */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/*
 * socket(2) with a non-blocking, close-on-exec result; in one call where the
 * system can, else with fcntl(2). Returns the descriptor or -1 with errno.
 */
int compat_socket(int family, int type, int protocol);

/*
 * accept(2) with a non-blocking, close-on-exec result. `address` and
 * `length` as there. Returns the descriptor or -1 with errno.
 */
struct sockaddr;
int compat_accept(int fd, struct sockaddr *address, unsigned *length);

/*
 * Opens /dev/null as open(2) would with `flags`; where there is none (in a
 * chroot, say) the root directory, which cannot be read or written. Returns
 * the descriptor or -1 with errno.
 */
int compat_open_null(int flags);

/* pipe(2) with both ends non-blocking and close-on-exec; 0 or -1. */
int compat_pipe(int fds[2]);

#endif
