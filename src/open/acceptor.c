/*
 * acceptor.c: clients, taken from listening sockets one by one
 */
#include "open/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "open/listen.h"

/* How long to wait where accept(2) fails for want of descriptors, or such. */
#define SHORTAGE_PAUSE (100 * MILLISECOND)

/* After so long without a shortage the next one is told again. */
#define SHORTAGE_OVER (10 * SECOND)

/* One listening socket. */
struct door {
	struct watch watch;
	struct acceptor *acceptor;
};

struct acceptor {
	struct loop *loop;
	struct acceptor_request request;
	struct door *doors;
	size_t count;
	bool paused;
	struct timer shortage;	/* of descriptors, memory, permission … */
	int64_t tell_from;	/* it has been told; another one later */
};

static void
watch_doors(struct acceptor *acceptor)
{
	size_t i;

	for (i = 0; i < acceptor->count; i++)
		loop_watch(acceptor->loop, &acceptor->doors[i].watch, POLLIN);
}

static void
unwatch_doors(struct acceptor *acceptor)
{
	size_t i;

	for (i = 0; i < acceptor->count; i++)
		loop_unwatch(acceptor->loop, &acceptor->doors[i].watch);
}

static void
shortage_expired(struct timer *timer)
{
	struct acceptor *acceptor = container_of(timer, struct acceptor,
						 shortage);

	if (!acceptor->paused)
		watch_doors(acceptor);
}

/* Lets clients wait in the backlog for a while; tells why, once. */
static void
accept_later(struct acceptor *acceptor)
{
	if (clock_now() >= acceptor->tell_from)
		diag_error("accept failed: %s; trying again",
			   diag_strerror(errno));
	acceptor->tell_from = clock_after(SHORTAGE_OVER);
	unwatch_doors(acceptor);
	loop_timer(acceptor->loop, &acceptor->shortage,
		   clock_after(SHORTAGE_PAUSE));
}

/*
 * Only what a socket says that is no listening one is a reason to end. Who
 * went away is none; nor is a shortage, or that the system denied one client
 * (a firewall or a security module: accept(2)), which may go on and be the
 * same client's.
 */
static void
accept_failed(struct acceptor *acceptor)
{
	switch (errno) {
	case EBADF: case EFAULT: case EINVAL: case ENOTSOCK: case ENOSYS:
		acceptor->request.failed(acceptor->request.owner);
		break;
	/* Of one client alone; accept(2): treat them like EAGAIN. */
	case EAGAIN: case EINTR: case ECONNABORTED: case ECONNRESET:
	case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN:
	case EHOSTUNREACH: case ENETUNREACH: case EOPNOTSUPP: case ETIMEDOUT:
#ifdef ENONET
	case ENONET:
#endif
		break;
	default:
		accept_later(acceptor);
		break;
	}
}

/*
 * As accept(2), where the descriptors that serving a client takes can be had
 * as well: one that is accepted cannot be sent back to the backlog.
 */
static int
accept_with_reserve(const struct acceptor *acceptor, int door,
		    struct address *peer)
{
	int spare[ACCEPTOR_RESERVE], fd = -1, error;
	size_t count = 0;

	while (count < acceptor->request.reserve &&
	       (spare[count] = fcntl(door, F_DUPFD_CLOEXEC, 0)) != -1)
		count++;
	if (count == acceptor->request.reserve)
		fd = compat_accept(door, &peer->sa, &peer->length);
	error = errno;
	while (count > 0)
		(void)close(spare[--count]);
	errno = error;
	return fd;
}

static void
door_ready(struct watch *watch, short events)
{
	struct door *door = container_of(watch, struct door, watch);
	struct acceptor *acceptor = door->acceptor;
	struct address peer = { .length = sizeof(peer.storage) };
	int fd = accept_with_reserve(acceptor, watch->fd, &peer);

	(void)events;
	if (fd == -1) {
		accept_failed(acceptor);
		return;
	}
	address_unmap(&peer);
	acceptor->request.accepted(acceptor->request.owner, fd, &peer);
}

struct acceptor *
acceptor_new(struct loop *loop, const struct acceptor_request *request)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
	size_t i;

	if (acceptor == NULL)
		return NULL;
	acceptor->loop = loop;
	acceptor->request = *request;
	acceptor->paused = true;
	acceptor->shortage.expired = shortage_expired;
	acceptor->count = request->listening->count;
	acceptor->doors = calloc(acceptor->count, sizeof(*acceptor->doors));
	if (acceptor->doors == NULL) {
		free(acceptor);
		return NULL;
	}
	for (i = 0; i < acceptor->count; i++)
		acceptor->doors[i] = (struct door){
			.watch = { .fd = request->listening->sockets[i].fd,
				   .ready = door_ready },
			.acceptor = acceptor,
		};
	return acceptor;
}

void
acceptor_free(struct acceptor *acceptor)
{
	if (acceptor == NULL)
		return;
	acceptor_pause(acceptor);
	free(acceptor->doors);
	free(acceptor);
}

void
acceptor_resume(struct acceptor *acceptor)
{
	if (!acceptor->paused)
		return;
	acceptor->paused = false;
	if (!acceptor->shortage.set)
		watch_doors(acceptor);
}

void
acceptor_pause(struct acceptor *acceptor)
{
	acceptor->paused = true;
	unwatch_doors(acceptor);
	loop_timer(acceptor->loop, &acceptor->shortage, NEVER);
}
