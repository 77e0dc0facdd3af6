/*
 * peerqueue.c: how much a UDP receiver on this machine still has room for
 *
 * A question costs 2 microseconds, a run of datagrams 20: so it buys half of
 * the room that there is, and leaves the other half to other senders.
 */
#include "net/peerqueue.h"

#include "base/compat.h"

#if SOCKCAT_LINUX

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/family.h"

/* From linux/netlink.h, sock_diag.h and inet_diag.h, which musl lacks. */
#define NETLINK_SOCK_DIAG 4
#define NLM_F_REQUEST 1
#define SOCK_DIAG_BY_FAMILY 20
#define INET_DIAG_SKMEMINFO 7
#define SK_MEMINFO_RMEM_ALLOC 0
#define SK_MEMINFO_RCVBUF 1

/*
 * For how long a receiver may read nothing and be waited for: on a busy
 * machine it may well not run for 100 ms.
 */
#define PATIENCE (500 * MILLISECOND)

struct netlink_header {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
};

struct socket_id {
	in_port_t source_port, peer_port;
	uint32_t source[4], peer[4];
	uint32_t interface, cookie[2];
};

struct question {
	struct netlink_header header;
	uint8_t family, protocol, extensions, padding;
	uint32_t states;
	struct socket_id id;
};

struct answer {
	struct netlink_header header;
	uint8_t family, state, timer, retransmits;
	struct socket_id id;
	uint32_t expires, receive_queue, send_queue, user, inode;
	unsigned char attributes[512];
};

struct attribute {
	uint16_t length, type;	/* the length of all of it, this too */
};

/* The address of `fd`'s own end, or of its peer's. */
static bool
end_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *),
       struct address *end)
{
	end->length = sizeof(end->storage);
	if (get(fd, &end->sa, &end->length) == -1)
		return false;
	address_unmap(end);
	return true;
}

static void
put_address(const struct address *address, uint32_t to[4], in_port_t *port)
{
	*port = htons(address_port(address));
	if (address->sa.sa_family == AF_INET)
		memcpy(to, &address->in.sin_addr, sizeof(struct in_addr));
	else
		memcpy(to, &address->in6.sin6_addr, sizeof(struct in6_addr));
}

/*
 * Asks for the socket that would receive from `fd`. Returns false where the
 * peer's address is not one of this machine's: that would find whoever has
 * the same port here.
 */
static bool
make_question(int fd, struct question *question)
{
	struct address own, peer;

	*question = (struct question){
		.header = {
			.length = sizeof(*question),
			.type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST,
		},
		.protocol = IPPROTO_UDP,
		.extensions = 1 << (INET_DIAG_SKMEMINFO - 1),
		.states = ~0U,
		.id = { .cookie = { ~0U, ~0U } },
	};
	if (!end_of(fd, getsockname, &own) || !end_of(fd, getpeername, &peer))
		return false;
	question->family = (uint8_t)peer.sa.sa_family;
	/* As the receiver sees them: it is what comes from us to it. */
	put_address(&own, question->id.source, &question->id.source_port);
	put_address(&peer, question->id.peer, &question->id.peer_port);
	return memcmp(question->id.source, question->id.peer,
		      sizeof(question->id.peer)) == 0;
}

/*
 * Finds, in `size` bytes of attributes, how much the receiver holds and may
 * hold, by the kernel's count. (What the answer itself calls the queue leaves
 * out what was read and is not yet counted as such, which still takes room.)
 */
static bool
find_memory(const unsigned char *attributes, size_t size, size_t *held,
	    size_t *most)
{
	struct attribute attribute;
	uint32_t values[SK_MEMINFO_RCVBUF + 1];

	for (size_t at = 0; at + sizeof(attribute) + sizeof(values) <= size;
	     at += (attribute.length + (size_t)3) & ~(size_t)3) {
		memcpy(&attribute, attributes + at, sizeof(attribute));
		if (attribute.length < sizeof(attribute))
			break;
		memcpy(values, attributes + at + sizeof(attribute),
		       sizeof(values));
		if (attribute.type != INET_DIAG_SKMEMINFO)
			continue;
		*held = values[SK_MEMINFO_RMEM_ALLOC];
		*most = values[SK_MEMINFO_RCVBUF];
		return true;
	}
	return false;
}

/*
 * Asks how many bytes the receiver has to read and how many it may have.
 * Returns false where there is no answer.
 */
static bool
ask(const struct peerqueue *queue, int fd, size_t *held, size_t *most)
{
	struct question question;
	struct answer answer;
	const size_t fixed = offsetof(struct answer, attributes);
	ssize_t got;

	if (!make_question(fd, &question) ||
	    send(queue->fd, &question, sizeof(question), 0) == -1)
		return false;
	got = recv(queue->fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (got < (ssize_t)fixed || answer.header.type != SOCK_DIAG_BY_FAMILY)
		return false;
	return find_memory(answer.attributes, (size_t)got - fixed, held, most);
}

/* Notes how full it is. Returns false where it can be waited for no longer. */
static bool
note_held(struct peerqueue *queue, size_t held)
{
	int64_t now = clock_now();

	if (queue->since == 0 || held < queue->held)
		queue->since = now;
	queue->held = held;
	return now - queue->since < PATIENCE;
}

bool
peerqueue_takes(struct peerqueue *queue, int fd, size_t length)
{
	size_t most, held;

	if (queue->unknown || length <= queue->room) {
		queue->room -= queue->unknown ? 0 : length;
		return true;
	}
	if (!queue->opened)
		queue->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				   NETLINK_SOCK_DIAG);
	queue->opened = true;
	if (queue->fd == -1 || !ask(queue, fd, &held, &most)) {
		queue->unknown = true;
		return true;
	}
	queue->room = held < most ? most - held : 0;
	if (length <= queue->room || held == 0) {
		queue->room = queue->room / 2 > length ?
		    queue->room / 2 - length : 0;
		queue->since = 0;
		return true;
	}
	queue->room = 0;
	queue->unknown = !note_held(queue, held);
	return queue->unknown;
}

void
peerqueue_close(struct peerqueue *queue)
{
	if (queue->opened && queue->fd != -1)
		(void)close(queue->fd);
	queue->opened = false;
}

#else

bool
peerqueue_takes(struct peerqueue *queue, int fd, size_t length)
{
	(void)queue;
	(void)fd;
	(void)length;
	return true;
}

void
peerqueue_close(struct peerqueue *queue)
{
	(void)queue;
}

#endif
