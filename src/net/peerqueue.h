/*
 * peerqueue.h: how much a UDP receiver on this machine still has room for
 *
 * Nothing makes a sender of datagrams wait for its receiver; what does not
 * fit into the receiver's queue is lost. Where both are on one machine the
 * kernel can be asked how full that queue is (sock_diag(7)), whoever the
 * receiver is.
 */
#ifndef PEERQUEUE_H
#define PEERQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peerqueue {
	int fd;			/* -1: not open */
	bool opened, unknown;	/* asked before; nobody can tell */
	size_t room;		/* what may go before asking again */
	size_t held;		/* what the receiver had left to read */
	int64_t since;		/* when that last became less; 0: it is not */
};

/*
 * Whether what the kernel counts as `length` bytes may go to the peer of
 * `fd`, a connected UDP socket. True, too, where the peer is elsewhere or the
 * system does not tell, and for good after a receiver has read nothing for a
 * while: then it is not waited for. Zeroed, a struct peerqueue is ready.
 */
bool peerqueue_takes(struct peerqueue *queue, int fd, size_t length);

/* Closes what was opened. */
void peerqueue_close(struct peerqueue *queue);

#endif
