/*
 * msgsock.h: messages in and out of a socket, in batches, boundaries kept
 *
 * One interface for datagram, seqpacket and raw sockets of every family.
 * Where the kernel has them, segmentation offload (UDP_SEGMENT), receive
 * coalescing (UDP_GRO), sendmmsg(2) and recvmmsg(2) carry many messages in one
 * system call; elsewhere plain calls do, with the same messages and
 * boundaries (udp(7), socket(7), unix(7), raw(7), packet(7)).
 */
#ifndef MSGSOCK_H
#define MSGSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/family.h"

/* Messages in one batch, at the most. */
#define MSGSOCK_BATCH 1024

/* Where a message came from, or is to go. */
struct correspondent {
	/*
	 * Length 0: the connected peer, or unnamed. On an inet6 socket an
	 * IPv4 peer is AF_INET here, in both directions.
	 */
	struct address peer;
	/*
	 * The address and interface of ours that was spoken to, as PKTINFO
	 * tells (ip(7), ipv6(7)); answers leave from there. Length 0: not
	 * known, or nothing that can be sent from (a multicast group of
	 * IPv6): the route decides. The port is not filled in. The interface
	 * binds an answer only where the address means nothing without it
	 * (link-local).
	 */
	struct address local;
	unsigned interface;	/* its index; 0: not known */
};

/* A message in memory: not copied, and owned by whoever holds the bytes. */
struct message {
	unsigned char *data;
	size_t length;		/* may be 0 */
};

/* What messages are received into, and packets made in. */
struct msgsock_buffers;

struct msgsock_options {
	/*
	 * NULL: its own. Where there are thousands of sockets one should do
	 * for all, as each is far larger than a socket without; they must
	 * outlive them.
	 */
	struct msgsock_buffers *buffers;
	/*
	 * Send without an address, to the peer. Not for SCTP's one-to-many
	 * sockets, which know no single peer even after connect(2).
	 */
	bool connected;
	bool want_local;	/* inet, inet6: ask for PKTINFO */
	/*
	 * Seqpacket: an end can come. Tells an empty message from the end on
	 * Unix sockets (SO_PASSCRED), also one that was sent before this.
	 */
	bool ends;
	/*
	 * Others have the descriptor too and may read from it: the socket is
	 * not put into UDP_GRO's mode, which they would have to know of.
	 */
	bool shared;
	bool strip_header;	/* raw IPv4: take the IP header off */
	bool own_header;	/* raw: the messages start with an IP header */
	/*
	 * Raw: fill in the Internet checksum (RFC 1071) at this even offset
	 * of what follows the IP header; -1: do not. IPv4: over those bytes.
	 * IPv6: with the pseudo header (RFC 8200, 8.1); the kernel does it,
	 * checks what comes in as well, and always does both for ICMPv6.
	 */
	int checksum_offset;
	/*
	 * What is sent comes from others: it does not wait for a receiver on
	 * this machine, and what comes after it is not the answer to it.
	 */
	bool passes_on;
	/*
	 * Where not NULL: whether messages from `peer` are to be received.
	 * The others are dropped.
	 */
	bool (*admits)(void *owner, const struct address *peer);
	void *owner;
};

struct msgsock;

/* Returns NULL with errno when out of memory. */
struct msgsock_buffers *msgsock_buffers_new(void);
void msgsock_buffers_free(struct msgsock_buffers *buffers);

/*
 * Takes over `fd` (the descriptor stays the caller's to close; whether it
 * blocks does not matter) of `family`, `type` and `protocol` (as getsockopt
 * SO_PROTOCOL tells, or 0 for UDP). Returns NULL with errno: EINVAL for an odd
 * checksum_offset.
 */
struct msgsock *msgsock_new(int fd, int family, int type, int protocol,
			    const struct msgsock_options *options);
void msgsock_free(struct msgsock *socket);

/*
 * The longest message that the socket carries, as far as can be said now: to
 * a peer of either IP version where it may meet both. The kernel may still
 * refuse one (EMSGSIZE), as where a message with its own header must fit the
 * interface.
 */
size_t msgsock_most(const struct msgsock *socket);

enum msgsock_result {
	MSGSOCK_MOVED,		/* one message at least */
	MSGSOCK_AGAIN,		/* nothing now: wait for the descriptor */
	MSGSOCK_BEHIND,		/* the receiver has to read first: try again */
	MSGSOCK_END,		/* seqpacket: the peer has ended */
	MSGSOCK_FAIL,		/* errno: of the first message of the batch */
};

/*
 * Sends messages, all to one correspondent (NULL: the connected peer), in
 * order. `*sent` says, whatever is returned, how many of `count` were taken
 * by the kernel. On MSGSOCK_MOVED it may be fewer: the next call tells why.
 * On MSGSOCK_FAIL the first of the rest was refused, as errno says (EMSGSIZE:
 * too long; EINVAL: too short for its checksum); nothing of it was sent. An
 * error that stems from an earlier message (ECONNREFUSED and other ICMP
 * errors, see udp(7)) says nothing of this one: it is right to send it again.
 *
 * After MSGSOCK_AGAIN poll(2) for output tells when to go on, but for one
 * case: an unconnected Unix datagram socket always polls as writable,
 * although the peer's queue is full. Only a timer helps there.
 */
enum msgsock_result msgsock_send(struct msgsock *socket,
				 const struct correspondent *to,
				 const struct message *messages, size_t count,
				 size_t *sent);

/* What msgsock_receive() found: messages from up to several peers. */
struct received {
	struct message message;
	const struct correspondent *from;
};

/*
 * Receives what is there, up to MSGSOCK_BATCH messages. `*received` points to
 * `*count` of them; they live in the socket's buffers until the next call,
 * for any socket that has the same buffers.
 * None is ever cut: a message longer than the buffer makes the buffer grow.
 * MSGSOCK_FAIL need not be the end of a datagram socket (an ICMP error); with
 * EMSGSIZE one message was lost because another process read beside us.
 */
enum msgsock_result msgsock_receive(struct msgsock *socket,
				    const struct received **received,
				    size_t *count);

/*
 * After MSGSOCK_MOVED: whether msgsock_receive() should be called again
 * before waiting, because it left something behind that poll(2) may not
 * tell of, or there is likely more. False saves a call that would only say
 * MSGSOCK_AGAIN.
 */
bool msgsock_more(const struct msgsock *socket);

#endif
