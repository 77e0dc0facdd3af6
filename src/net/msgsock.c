/*
 * msgsock.c: messages in and out of a socket, in batches, boundaries kept
 *
 * Theory of operation. Sending makes packets out of messages: what one
 * sendmsg(2) carries. A packet is one message, or, on UDP, a run of messages
 * of one length (the last may be shorter) that the kernel or the network card
 * cuts apart (UDP_SEGMENT). Whatever packets there are go out by one
 * sendmmsg(2). Where the kernel refuses a run, the same messages are made
 * into packets of their own, and runs of that length are not tried again.
 *
 * Runs leave faster than anybody can write them down. To a receiver on this
 * machine they go only as there is room for them (peerqueue.h): from file to
 * file all arrive, in the same time in which 60 to 85 % did before, and a
 * receiver with a short queue costs the sender a third of its speed.
 *
 * Receiving on inet and inet6, where no packet is longer than 64 KiB, is the
 * same backwards: recvmmsg(2) fills slots, and one that carries a run
 * (UDP_GRO) is taken apart. Elsewhere a message may have any length: each is
 * asked for its length first, and received alone.
 *
 * Measured with Linux 6.18 on loopback, processor time of a datagram of 1,200
 * bytes (200 bytes), sending and delivering to the receiver's queue: send
 * 2,600 ns (2,550), sendmmsg of 16 2,110 (2,090), one run a call 157 (59), 2
 * runs a call 113 (52), 8 runs a call 107 (49). So system calls are a fifth
 * of the cost, the way through the network stack is the rest, and a run pays
 * for it once. Receiving from a full queue: recvmsg 830 (820), recvmmsg into
 * 4 slots 620 (600), 8 slots 577 (557), 16 slots 554 (529), 64 slots 553
 * (521); runs by recvmsg 56 (14), into 8 slots 59 (15), into 16 slots 71 (17)
 * and into 32 slots 86 (21), which no longer fit the cache: hence 8 slots.
 *
 * A request and its reply are bound by the wake-ups. To send(2) where no
 * header is needed and to receive an answer by itself are 2 % there together,
 * of processor time 4 %; not to ask for UDP_GRO is nothing.
 */
#include "net/msgsock.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/compat.h"
#include "net/peerqueue.h"

#if SOCKCAT_LINUX
#include <assert.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103		/* linux/udp.h, since Linux 4.18 */
#endif
#ifndef UDP_GRO
#define UDP_GRO 104		/* linux/udp.h, since Linux 5.0 */
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72		/* asm/socket.h, since Linux 5.14 */
#endif
#define RECEIVE_QUEUE_LOCKED 2	/* linux/socket.h's SOCK_RCVBUF_LOCK */
#endif

/* The lengths that IP's 16 bits allow, and what stands before the payload. */
#define IP_MAX ((size_t)65535)
#define IPV4_HEADER ((size_t)20)
#define IPV6_HEADER ((size_t)40)
#define UDP_HEADER ((size_t)8)
#define ETHERNET_HEADER ((size_t)14)

/* Segments that the kernel takes in a run: UDP_MAX_SEGMENTS, now and once. */
#define SEGMENTS_MOST 128
#define SEGMENTS_SURE 64

/* Packets in one sendmmsg(2); more than 16 gain no more than 2 %. */
#define PACKETS 32

/*
 * What a message takes in a receiver's queue beyond its bytes, where the
 * kernel cuts runs apart for it: 2,304 bytes for 1,200.
 */
#define MESSAGE_CHARGE 1104

/* Slots of recvmmsg(2): even full of runs they make no more than a batch. */
#define SLOTS 8
#define SLOT_SIZE ((size_t)65536)

/* Bytes to ask for; the kernel takes rmem_max where that is less. */
#define QUEUE_SIZE (4 * 1024 * 1024)

/* Messages that are received one by one into the same buffer, in a batch. */
#define SINGLES 64

#define SEND_CONTROL (CMSG_SPACE(sizeof(struct in6_pktinfo)) + \
		      CMSG_SPACE(sizeof(uint16_t)))

/*
 * Room for more control messages than we ask for: whoever made the socket
 * may have asked for time stamps, and UDP_GRO's must not be left out.
 */
#define RECEIVE_CONTROL 512

/* Linux's struct mmsghdr, which other systems may lack. */
struct packet {
	struct msghdr header;
	unsigned length;
};

struct outgoing {
	struct packet packets[PACKETS];
	size_t messages[PACKETS];	/* how many each carries */
	_Alignas(struct cmsghdr) unsigned char control[PACKETS][SEND_CONTROL];
	struct iovec vectors[MSGSOCK_BATCH];
	struct address peer;
};

/* A slot's content: messages of `segment` bytes, the last one shorter. */
struct run {
	unsigned char *data;
	size_t length;
	size_t segment;
	struct correspondent *from;
};

struct slot {
	struct iovec vector;
	_Alignas(struct cmsghdr) unsigned char control[RECEIVE_CONTROL];
};

struct incoming {
	const struct msgsock *user;	/* whose messages these are */
	unsigned char *data;
	size_t size, end;	/* bytes at `data`; where the free ones start */
	struct received received[MSGSOCK_BATCH];
	size_t count;
	struct correspondent from[SINGLES];
	struct packet packets[SLOTS];
	struct slot slots[SLOTS];
	size_t filled;		/* packets that must be made ready again */
	struct run runs[SLOTS];
	size_t run, runs_end;	/* the runs to take apart */
	size_t partial;		/* bytes of a message that is not complete */
};

struct msgsock_buffers {
	struct outgoing out;
	struct incoming in;
};

struct msgsock {
	int fd, family, type, protocol;
	struct msgsock_options options;
	size_t segment_most;	/* runs of longer messages are refused */
	size_t segments_most;	/* how many a run may have */
	struct peerqueue queue;	/* of a receiver on this machine */
	bool more;
	bool alone;		/* the next is an answer, and comes by itself */
	int error;		/* found behind messages: for the next call */
	bool own_buffers;
	struct msgsock_buffers *buffers;
	struct outgoing *out;	/* in the buffers, */
	struct incoming *in;	/* likewise */
};

static bool
is_inet(const struct msgsock *socket)
{
	return socket->family == AF_INET || socket->family == AF_INET6;
}

/* No message is longer than IP can say. */
static bool
is_bounded(const struct msgsock *socket)
{
	return is_inet(socket) && socket->type != SOCK_SEQPACKET;
}

/* Messages may come in several parts, the last one with MSG_EOR. */
static bool
is_in_parts(const struct msgsock *socket)
{
	return is_inet(socket) && socket->type == SOCK_SEQPACKET;
}

static enum msgsock_result
result_of_errno(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ?
	    MSGSOCK_AGAIN : MSGSOCK_FAIL;
}

static int
set_option(const struct msgsock *socket, int level, int option, int value)
{
	return setsockopt(socket->fd, level, option, &value, sizeof(value));
}

/* An option of type int, or `otherwise` where it cannot be asked for. */
static int
get_option(const struct msgsock *socket, int level, int option, int otherwise)
{
	int value = otherwise;
	socklen_t length = sizeof(value);

	if (getsockopt(socket->fd, level, option, &value, &length) == -1)
		return otherwise;
	return value;
}

static int
ask_for_local(const struct msgsock *socket)
{
	int result = 0;

	if (socket->family == AF_INET6)
		result = set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
#ifdef IP_PKTINFO
	/* For IPv4 on inet6 too: it tells the address to answer from. */
	if (set_option(socket, IPPROTO_IP, IP_PKTINFO, 1) == -1 &&
	    socket->family == AF_INET)
		result = -1;
#endif
	return result;
}

static int
ask_for_raw(const struct msgsock *socket)
{
	const struct msgsock_options *options = &socket->options;

	if (options->checksum_offset > 0 && options->checksum_offset % 2 != 0) {
		errno = EINVAL;
		return -1;
	}
	if (options->own_header && socket->family == AF_INET)
		return set_option(socket, IPPROTO_IP, IP_HDRINCL, 1);
#ifdef IPV6_HDRINCL
	if (options->own_header)
		return set_option(socket, IPPROTO_IPV6, IPV6_HDRINCL, 1);
#endif
	/* ICMPv6's is the kernel's matter: it refuses to be told. */
	if (options->checksum_offset >= 0 && socket->family == AF_INET6 &&
	    socket->protocol != IPPROTO_ICMPV6)
		return set_option(socket, IPPROTO_IPV6, IPV6_CHECKSUM,
				  options->checksum_offset);
	return 0;
}

#if SOCKCAT_LINUX
/*
 * Makes the receive queue as long as an ordinary user may have it: what does
 * not fit in is lost. Not where somebody chose a length: -I, or whoever made
 * the socket.
 */
static void
grow_queue(const struct msgsock *socket)
{
	int locked = get_option(socket, SOL_SOCKET, SO_BUF_LOCK,
				RECEIVE_QUEUE_LOCKED);

	if ((locked & RECEIVE_QUEUE_LOCKED) == 0)
		(void)set_option(socket, SOL_SOCKET, SO_RCVBUF, QUEUE_SIZE);
}
#endif

/* Sets what the options ask for. Returns 0, or -1 with errno. */
static int
set_up(const struct msgsock *socket)
{
#if SOCKCAT_LINUX
	/* Older kernels do not know it: every message comes by itself. */
	if (is_bounded(socket) && socket->protocol == IPPROTO_UDP &&
	    !socket->options.shared)
		(void)set_option(socket, IPPROTO_UDP, UDP_GRO, 1);
	if (is_inet(socket) && socket->type == SOCK_DGRAM)
		grow_queue(socket);
	if (socket->options.ends && socket->family == AF_UNIX &&
	    set_option(socket, SOL_SOCKET, SO_PASSCRED, 1) == -1)
		return -1;
#endif
	if (socket->options.want_local && is_inet(socket) &&
	    ask_for_local(socket) == -1)
		return -1;
	if (is_inet(socket) && socket->type == SOCK_RAW)
		return ask_for_raw(socket);
	return 0;
}

struct msgsock_buffers *
msgsock_buffers_new(void)
{
	struct msgsock_buffers *buffers = calloc(1, sizeof(*buffers));

	if (buffers == NULL)
		return NULL;
	buffers->in.size = SLOTS * SLOT_SIZE;
	/* Not cleared: a page that is never filled takes no memory. */
	buffers->in.data = malloc(buffers->in.size);
	if (buffers->in.data == NULL) {
		free(buffers);
		return NULL;
	}
	return buffers;
}

void
msgsock_buffers_free(struct msgsock_buffers *buffers)
{
	if (buffers == NULL)
		return;
	free(buffers->in.data);
	free(buffers);
}

/* Those that are shared, or its own. Returns 0, or -1 with errno. */
static int
take_buffers(struct msgsock *socket)
{
	socket->buffers = socket->options.buffers;
	/* A part of a message waits there for the rest. */
	if (socket->buffers == NULL || is_in_parts(socket)) {
		socket->buffers = msgsock_buffers_new();
		socket->own_buffers = true;
	}
	if (socket->buffers == NULL)
		return -1;
	socket->out = &socket->buffers->out;
	socket->in = &socket->buffers->in;
	return 0;
}

struct msgsock *
msgsock_new(int fd, int family, int type, int protocol,
	    const struct msgsock_options *options)
{
	struct msgsock *socket = calloc(1, sizeof(*socket));

	if (socket == NULL)
		return NULL;
	socket->fd = fd;
	socket->family = family;
	socket->type = type;
	socket->protocol = protocol != 0 || type != SOCK_DGRAM ||
	    !is_inet(socket) ? protocol : IPPROTO_UDP;
	socket->options = *options;
	socket->segments_most = SEGMENTS_MOST;
	if (SOCKCAT_LINUX && is_bounded(socket) && type == SOCK_DGRAM &&
	    socket->protocol == IPPROTO_UDP)
		socket->segment_most = IP_MAX;
	if (take_buffers(socket) == -1 || set_up(socket) == -1) {
		int saved = errno;

		msgsock_free(socket);
		errno = saved;
		return NULL;
	}
	return socket;
}

void
msgsock_free(struct msgsock *socket)
{
	if (socket == NULL)
		return;
	peerqueue_close(&socket->queue);
	if (socket->own_buffers)
		msgsock_buffers_free(socket->buffers);
	else if (socket->in != NULL && socket->in->user == socket)
		socket->in->user = NULL;
	free(socket);
}

/* Whether an inet6 socket may send to IPv4-mapped addresses. */
static bool
may_meet_ipv4(const struct msgsock *socket)
{
	struct address peer = { .length = sizeof(peer.storage) };

	if (socket->family == AF_INET)
		return true;
	if (socket->type == SOCK_RAW)
		return false;
	if (socket->options.connected &&
	    getpeername(socket->fd, &peer.sa, &peer.length) == 0)
		return IN6_IS_ADDR_V4MAPPED(&peer.in6.sin6_addr);
	return get_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0;
}

#if SOCKCAT_LINUX
/* What the interface takes, with an Ethernet header where it has one. */
static size_t
packet_most(const struct msgsock *socket)
{
	struct sockaddr_ll own = { .sll_ifindex = 0 };
	struct ifreq request = { .ifr_mtu = 0 };
	socklen_t length = sizeof(own);
	size_t header = socket->type == SOCK_RAW ? ETHERNET_HEADER : 0;

	if (getsockname(socket->fd, (struct sockaddr *)&own, &length) == -1 ||
	    if_indextoname((unsigned)own.sll_ifindex,
			   request.ifr_name) == NULL ||
	    ioctl(socket->fd, SIOCGIFMTU, &request) == -1)
		return IP_MAX + header;
	return (size_t)request.ifr_mtu + header;
}
#endif

size_t
msgsock_most(const struct msgsock *socket)
{
	size_t most = IP_MAX;

	if (is_bounded(socket)) {
		if (socket->options.own_header)
			return most;
		if (may_meet_ipv4(socket))
			most -= IPV4_HEADER;
		if (socket->protocol == IPPROTO_UDP ||
		    socket->protocol == IPPROTO_UDPLITE)
			most -= UDP_HEADER;
		return most;
	}
#if SOCKCAT_LINUX
	if (socket->family == AF_PACKET)
		return packet_most(socket);
#endif
	/* On Linux the kernel's own part of a Unix socket's is 32 bytes. */
	return (size_t)get_option(socket, SOL_SOCKET, SO_SNDBUF,
				  (int)SLOT_SIZE) - 32;
}

/* RFC 1071: the sum of 16-bit words, an odd byte being a high one. */
static uint32_t
sum_words(const unsigned char *data, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++) {
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The length of the IP header that the message starts with, if it has one. */
static size_t
own_header_length(const struct msgsock *socket, const struct message *message)
{
	if (!socket->options.own_header)
		return 0;
	if (socket->family == AF_INET6)
		return IPV6_HEADER;
	return message->length == 0 ? IPV4_HEADER :
	    (size_t)(message->data[0] & 0xf) * 4;
}

/* Fills in the checksum. Returns false for a message too short for one. */
static bool
fill_checksum(const struct msgsock *socket, const struct message *message)
{
	size_t header = own_header_length(socket, message);
	size_t offset = header + (size_t)socket->options.checksum_offset;
	uint32_t sum = 0;

	if (message->length < offset + 2)
		return false;
	message->data[offset] = message->data[offset + 1] = 0;
	if (socket->family == AF_INET6) {
		uint32_t length = (uint32_t)(message->length - header);

		/* The pseudo header: addresses, length, next header. */
		sum = sum_words(message->data + 8, 32, length & 0xffff) +
		    (length >> 16) + message->data[6];
	}
	sum = sum_words(message->data + header, message->length - header, sum);
	sum = ~((sum & 0xffff) + (sum >> 16));
	message->data[offset] = (unsigned char)(sum >> 8);
	message->data[offset + 1] = (unsigned char)sum;
	return true;
}

/* Returns how many messages, from the first on, have their checksum now. */
static size_t
fill_checksums(const struct msgsock *socket, const struct message *messages,
	       size_t count)
{
	size_t filled = 0;

	if (socket->options.checksum_offset < 0 ||
	    socket->type != SOCK_RAW || !is_inet(socket) ||
	    (socket->family == AF_INET6 && !socket->options.own_header))
		return count;
	while (filled < count && fill_checksum(socket, &messages[filled]))
		filled++;
	return filled;
}

/* An IPv4 address as an inet6 socket takes it (RFC 4291, 2.5.5.2). */
static struct in6_addr
map_ipv4(struct in_addr ipv4)
{
	struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(mapped.s6_addr + 12, &ipv4, sizeof(ipv4));
	return mapped;
}

static struct address
map_peer(const struct msgsock *socket, const struct address *peer)
{
	struct address mapped;

	if (socket->family != AF_INET6 || peer->length == 0 ||
	    peer->sa.sa_family != AF_INET)
		return *peer;
	memset(&mapped, 0, sizeof(mapped));
	mapped.length = sizeof(mapped.in6);
	mapped.in6.sin6_family = AF_INET6;
	mapped.in6.sin6_port = peer->in.sin_port;
	mapped.in6.sin6_addr = map_ipv4(peer->in.sin_addr);
	return mapped;
}

/* Appends a control message; there is room for all that we ever send. */
static void
put_control(struct msghdr *header, int level, int type, const void *data,
	    size_t size)
{
	unsigned char *at = header->msg_control;
	struct cmsghdr *control = (void *)(at + header->msg_controllen);

	memset(control, 0, CMSG_SPACE(size));
	control->cmsg_len = CMSG_LEN(size);
	control->cmsg_level = level;
	control->cmsg_type = type;
	memcpy(CMSG_DATA(control), data, size);
	header->msg_controllen += CMSG_SPACE(size);
}

static void
put_local_inet6(struct msghdr *header, const struct correspondent *to)
{
	struct in6_pktinfo info = { .ipi6_ifindex = 0 };

	if (to->local.sa.sa_family == AF_INET) {
		info.ipi6_addr = map_ipv4(to->local.in.sin_addr);
	} else {
		info.ipi6_addr = to->local.in6.sin6_addr;
		/*
		 * Elsewhere the interface would overrule the route, which
		 * may well lead out by another one.
		 */
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = to->interface;
	}
	put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

/* Says which address of ours a packet is to leave from. */
static void
put_local(const struct msgsock *socket, struct msghdr *header,
	  const struct correspondent *to)
{
	if (socket->family == AF_INET6) {
		put_local_inet6(header, to);
		return;
	}
#ifdef IP_PKTINFO
	struct in_pktinfo info = { .ipi_spec_dst = to->local.in.sin_addr };

	put_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
#endif
}

/*
 * How many messages, from the first on, the kernel may cut out of one packet:
 * equal ones, the last possibly shorter, and none of them empty.
 */
static size_t
run_length(const struct msgsock *socket, const struct message *messages,
	   size_t count)
{
	size_t length = messages[0].length;
	size_t left = IP_MAX - IPV4_HEADER - UDP_HEADER;
	size_t run = 1;

	if (length == 0 || length > socket->segment_most || length > left)
		return 1;
	left -= length;
	if (count > socket->segments_most)
		count = socket->segments_most;
	while (run < count && messages[run].length > 0 &&
	       messages[run].length <= length &&
	       messages[run].length <= left) {
		left -= messages[run].length;
		if (messages[run++].length < length)
			break;
	}
	return run;
}

/* Points `vectors` to the messages; returns how many that took. */
static size_t
gather(struct iovec *vectors, const struct message *messages, size_t count)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		/* Blocks of a file stand side by side: one vector for all. */
		if (i > 0 && messages[i].data ==
		    messages[i - 1].data + messages[i - 1].length) {
			vectors[used - 1].iov_len += messages[i].length;
			continue;
		}
		vectors[used++] = (struct iovec){
			.iov_base = messages[i].data,
			.iov_len = messages[i].length,
		};
	}
	return used;
}

/* Makes one packet of `run` messages. Returns how many vectors it took. */
static size_t
make_packet(struct msgsock *socket, size_t index, struct iovec *vectors,
	    const struct correspondent *to, const struct message *messages,
	    size_t run)
{
	struct outgoing *out = socket->out;
	struct msghdr *header = &out->packets[index].header;
	size_t used = gather(vectors, messages, run);

	memset(header, 0, sizeof(*header));
	header->msg_iov = vectors;
	header->msg_iovlen = used;
	if (!socket->options.connected && to != NULL && out->peer.length > 0) {
		header->msg_name = &out->peer.storage;
		header->msg_namelen = out->peer.length;
	}
	header->msg_control = out->control[index];
	if (to != NULL && to->local.length > 0 && is_inet(socket))
		put_local(socket, header, to);
#if SOCKCAT_LINUX
	if (run > 1) {
		uint16_t segment = (uint16_t)messages[0].length;

		put_control(header, IPPROTO_UDP, UDP_SEGMENT, &segment,
			    sizeof(segment));
	}
#endif
	if (header->msg_controllen == 0)
		header->msg_control = NULL;
	out->messages[index] = run;
	return used;
}

/*
 * How many packets a call may take. An ICMP error that comes while
 * sendmmsg(2) is under way is lost in it: where errors are told, which is on
 * connected sockets (udp(7)), each packet has a call of its own.
 */
static size_t
packets_most(const struct msgsock *socket)
{
	return SOCKCAT_LINUX && !(is_inet(socket) &&
				  socket->options.connected) ? PACKETS : 1;
}

/* Makes packets of as many of the messages as fit; returns how many. */
static size_t
make_packets(struct msgsock *socket, const struct correspondent *to,
	     const struct message *messages, size_t count)
{
	struct outgoing *out = socket->out;
	size_t most = packets_most(socket);
	size_t packets = 0, vectors = 0, taken = 0;

	if (count > MSGSOCK_BATCH)
		count = MSGSOCK_BATCH;
	if (to != NULL)
		out->peer = map_peer(socket, &to->peer);
	while (packets < most && taken < count) {
		size_t run = run_length(socket, messages + taken,
					count - taken);

		vectors += make_packet(socket, packets++,
				       &out->vectors[vectors], to,
				       messages + taken, run);
		taken += run;
	}
	return packets;
}

/* Sends packets. Returns how many went, or -1 if the first one did not. */
static int
send_packets(const struct msgsock *socket, size_t count)
{
	const struct outgoing *out = socket->out;
	const struct msghdr *header = &out->packets[0].header;

#if SOCKCAT_LINUX
	static_assert(sizeof(struct packet) == sizeof(struct mmsghdr) &&
		      offsetof(struct packet, length) ==
		      offsetof(struct mmsghdr, msg_len), "struct mmsghdr");
	/* By number: musl's wrapper makes a call for each packet. */
	if (count > 1)
		return (int)syscall(SYS_sendmmsg, socket->fd, out->packets,
				    count, MSG_DONTWAIT | MSG_NOSIGNAL);
#endif
	(void)count;
	/* The kernel has less to look at so: 1 % of a round trip. */
	if (header->msg_iovlen == 1 && header->msg_name == NULL &&
	    header->msg_control == NULL)
		return send(socket->fd, header->msg_iov->iov_base,
			    header->msg_iov->iov_len,
			    MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -1 : 1;
	return sendmsg(socket->fd, header, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ?
	    -1 : 1;
}

/*
 * The first packet, a run, was refused. Returns whether the reason may be
 * that it is one; runs like it are no longer made then.
 */
static bool
give_up_runs(struct msgsock *socket, size_t length)
{
	switch (errno) {
	case EINVAL:		/* an older kernel's limit, or as EMSGSIZE */
		if (socket->out->messages[0] > SEGMENTS_SURE) {
			socket->segments_most = SEGMENTS_SURE;
			return true;
		}
		/* fall through */
	case EMSGSIZE:		/* one of them would have to be fragmented */
		socket->segment_most = length - 1;
		return true;
	case EIO:		/* no checksums by the card, or IPsec */
	case EOPNOTSUPP:
	case ENOPROTOOPT:
		socket->segment_most = 0;
		return true;
	default:
		return false;
	}
}

/*
 * Whether the receiver has room for the first packet, of messages `length`
 * bytes long, if that is a run: who sends one by one is slow enough.
 */
static bool
receiver_takes(struct msgsock *socket, size_t length)
{
	struct outgoing *out = socket->out;
	size_t count = out->messages[0];

	return count == 1 || !socket->options.connected ||
	    socket->options.passes_on ||
	    peerqueue_takes(&socket->queue, socket->fd,
			    count * (length + MESSAGE_CHARGE));
}

enum msgsock_result
msgsock_send(struct msgsock *socket, const struct correspondent *to,
	     const struct message *messages, size_t count, size_t *sent)
{
	struct outgoing *out = socket->out;
	size_t ready = fill_checksums(socket, messages, count);

	*sent = 0;
	if (ready == 0 && count > 0) {
		errno = EINVAL;
		return MSGSOCK_FAIL;
	}
	while (*sent < ready) {
		const struct message *first = messages + *sent;
		size_t packets = make_packets(socket, to, first,
					      ready - *sent);
		int taken;

		if (!receiver_takes(socket, first->length))
			return *sent > 0 ? MSGSOCK_MOVED : MSGSOCK_BEHIND;
		taken = send_packets(socket, packets);
		if (taken == -1 && out->messages[0] > 1 &&
		    give_up_runs(socket, first->length))
			continue;
		if (taken == -1)
			return *sent > 0 && result_of_errno() ==
			    MSGSOCK_AGAIN ? MSGSOCK_MOVED : result_of_errno();
		for (int i = 0; i < taken; i++)
			*sent += out->messages[i];
		socket->alone = !socket->options.passes_on;
	}
	return MSGSOCK_MOVED;
}

#ifdef IP_PKTINFO
static void
take_local_inet(const struct cmsghdr *control, struct correspondent *from)
{
	struct in_pktinfo info;

	/* Not the packet's destination, which may be a group or broadcast. */
	memcpy(&info, CMSG_DATA(control), sizeof(info));
	/* Queued before we asked: the kernel did not note it. */
	if (info.ipi_spec_dst.s_addr == htonl(INADDR_ANY))
		return;
	address_any(AF_INET, 0, &from->local);
	from->local.in.sin_addr = info.ipi_spec_dst;
	from->interface = (unsigned)info.ipi_ifindex;
}
#endif

static void
take_local_inet6(const struct cmsghdr *control, struct correspondent *from)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(control), sizeof(info));
	from->interface = (unsigned)info.ipi6_ifindex;
	if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
		return;
	address_any(AF_INET6, 0, &from->local);
	from->local.in6.sin6_addr = info.ipi6_addr;
	if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
		from->local.in6.sin6_scope_id = from->interface;
	address_unmap(&from->local);
}

/*
 * Takes from a message's control messages which address of ours it came to,
 * and the length of the messages that it is a run of (0: it is none).
 */
static size_t
take_control(struct msghdr *header, struct correspondent *from)
{
	struct cmsghdr *control;
	int segment = 0;

	from->local.length = 0;
	from->interface = 0;
	for (control = CMSG_FIRSTHDR(header); control != NULL;
	     control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level == IPPROTO_IPV6 &&
		    control->cmsg_type == IPV6_PKTINFO)
			take_local_inet6(control, from);
#ifdef IP_PKTINFO
		/* On inet6 behind the other one, and for IPv4 the better. */
		if (control->cmsg_level == IPPROTO_IP &&
		    control->cmsg_type == IP_PKTINFO)
			take_local_inet(control, from);
#endif
#if SOCKCAT_LINUX
		if (control->cmsg_level == IPPROTO_UDP &&
		    control->cmsg_type == UDP_GRO)
			memcpy(&segment, CMSG_DATA(control), sizeof(segment));
#endif
	}
	return segment > 0 ? (size_t)segment : 0;
}

/* Takes over the sender's name that the kernel wrote into `from`. */
static void
take_peer(const struct msghdr *header, struct correspondent *from)
{
	from->peer.length = header->msg_name != NULL ? header->msg_namelen : 0;
	if (from->peer.length >= sizeof(from->peer.in6))
		address_unmap(&from->peer);
}

static bool
is_admitted(const struct msgsock *socket, const struct correspondent *from)
{
	return socket->options.admits == NULL ||
	    socket->options.admits(socket->options.owner, &from->peer);
}

/* Makes a header that receives into `vector` and `from`. */
static void
make_header(const struct msgsock *socket, struct msghdr *header,
	    struct iovec *vector, struct correspondent *from)
{
	memset(header, 0, sizeof(*header));
	header->msg_iov = vector;
	header->msg_iovlen = 1;
	if (!socket->options.connected) {
		header->msg_name = &from->peer.storage;
		header->msg_namelen = sizeof(from->peer.storage);
	}
}

/* Takes the IP header off. Returns false where there is no whole one. */
static bool
strip_header(const struct msgsock *socket, struct message *message)
{
	size_t header;

	if (!socket->options.strip_header || socket->family != AF_INET ||
	    socket->type != SOCK_RAW)
		return true;
	if (message->length < IPV4_HEADER || message->data[0] >> 4 != 4)
		return false;
	header = (size_t)(message->data[0] & 0xf) * 4;
	if (header < IPV4_HEADER || header > message->length)
		return false;
	message->data += header;
	message->length -= header;
	return true;
}

static void
add_received(struct incoming *in, unsigned char *data, size_t length,
	     const struct correspondent *from)
{
	in->received[in->count++] = (struct received){
		.message = { .data = data, .length = length },
		.from = from,
	};
}

#if SOCKCAT_LINUX
/* Makes the slots that were filled the last time ready again. */
static void
prepare_slots(struct msgsock *socket)
{
	struct incoming *in = socket->in;

	for (size_t i = 0; i < in->filled; i++) {
		struct slot *slot = &in->slots[i];
		struct msghdr *header = &in->packets[i].header;

		slot->vector.iov_base = in->data + i * SLOT_SIZE;
		slot->vector.iov_len = SLOT_SIZE;
		make_header(socket, header, &slot->vector, &in->from[i]);
		header->msg_control = slot->control;
		header->msg_controllen = sizeof(slot->control);
	}
	in->filled = 0;
}

/*
 * Receives into the slots; returns how many were filled, or -1. What comes
 * first after sending is an answer, which comes by itself as a rule: to look
 * for a second message is 5 % of a round trip.
 */
static int
fill_slots(struct msgsock *socket)
{
	struct incoming *in = socket->in;
	struct packet *first = &in->packets[0];
	ssize_t got;

	if (!socket->alone)
		return recvmmsg(socket->fd, (void *)in->packets, SLOTS,
				MSG_DONTWAIT, NULL);
	socket->alone = false;
	got = recvmsg(socket->fd, &first->header, MSG_DONTWAIT);
	if (got == -1)
		return -1;
	first->length = (unsigned)got;
	return 1;
}

/* Adds what slot `index` holds to the runs that are to be taken apart. */
static void
take_slot(struct msgsock *socket, size_t index)
{
	struct incoming *in = socket->in;
	struct packet *packet = &in->packets[index];
	struct correspondent *from = &in->from[index];
	struct message message = {
		.data = in->data + index * SLOT_SIZE,
		.length = packet->length,
	};
	size_t segment = take_control(&packet->header, from);

	take_peer(&packet->header, from);
	if (!is_admitted(socket, from))
		return;
	if (packet->header.msg_flags & MSG_TRUNC)
		socket->error = EMSGSIZE;
	else if (strip_header(socket, &message))
		in->runs[in->runs_end++] = (struct run){
			.data = message.data, .length = message.length,
			.segment = segment > 0 ? segment : message.length,
			.from = from,
		};
}

/* Takes apart what the slots hold, as far as there is room for it. */
static void
split_runs(struct msgsock *socket)
{
	struct incoming *in = socket->in;

	while (in->run < in->runs_end && in->count < MSGSOCK_BATCH) {
		struct run *run = &in->runs[in->run];
		size_t length = run->segment < run->length ? run->segment :
		    run->length;

		add_received(in, run->data, length, run->from);
		run->data += length;
		run->length -= length;
		if (run->length == 0)
			in->run++;
	}
	if (in->run < in->runs_end)
		socket->more = true;
}

static enum msgsock_result
receive_slots(struct msgsock *socket)
{
	struct incoming *in = socket->in;

	if (in->run == in->runs_end) {
		prepare_slots(socket);

		int filled = fill_slots(socket);

		if (filled == -1)
			return result_of_errno();
		in->filled = (size_t)filled;
		socket->more = in->filled == SLOTS;
		in->run = in->runs_end = 0;
		for (size_t i = 0; i < in->filled; i++)
			take_slot(socket, i);
	}
	split_runs(socket);
	return in->count > 0 ? MSGSOCK_MOVED : MSGSOCK_AGAIN;
}
#endif

/*
 * Asks for the length of the next message. Where the system does not tell,
 * `*length` is what there is room for if that is enough, and otherwise more.
 */
static enum msgsock_result
next_length(const struct msgsock *socket, size_t *length)
{
	const struct incoming *in = socket->in;
	ssize_t got;

	*length = in->partial + SLOT_SIZE;
	if (is_bounded(socket) || is_in_parts(socket))
		return MSGSOCK_MOVED;
#if SOCKCAT_LINUX
	got = recv(socket->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	*length = got == -1 ? 0 : (size_t)got;
#else
	struct iovec vector = {
		.iov_base = in->data + in->end, .iov_len = in->size - in->end,
	};
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

	got = recvmsg(socket->fd, &header, MSG_PEEK | MSG_DONTWAIT);
	*length = header.msg_flags & MSG_TRUNC ? 2 * in->size :
	    vector.iov_len;
#endif
	return got == -1 ? result_of_errno() : MSGSOCK_MOVED;
}

/* Makes room for the next message, unless that would move earlier ones. */
static enum msgsock_result
make_room(struct msgsock *socket)
{
	struct incoming *in = socket->in;

	for (;;) {
		size_t length;
		enum msgsock_result result = next_length(socket, &length);

		if (result != MSGSOCK_MOVED || length <= in->size - in->end)
			return result;
		if (in->count > 0) {
			socket->more = true;
			return MSGSOCK_AGAIN;
		}

		unsigned char *data = realloc(in->data, length);

		if (data == NULL)
			return MSGSOCK_FAIL;
		in->data = data;
		in->size = length;
	}
}

/* Whether an empty message is the peer's end. */
static bool
is_end(struct msgsock *socket, const struct msghdr *header)
{
	if (!socket->options.ends)
		return false;
	if (socket->family != AF_UNIX)
		return true;
#if SOCKCAT_LINUX
	/* Every message carries its sender's credentials, the end none. */
	return CMSG_FIRSTHDR(header) == NULL;
#else
	/* The end stays where it is. Two empty messages look the same. */
	unsigned char byte;
	ssize_t got = recv(socket->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	(void)header;
	if (got == -1 && result_of_errno() == MSGSOCK_FAIL)
		socket->error = errno;
	return got == 0;
#endif
}

/*
 * Room for the control messages that were asked for, and no more: into what
 * is left over the kernel would put descriptors that a peer may send.
 */
static void
give_control(const struct msgsock *socket, struct msghdr *header,
	     struct slot *slot)
{
	if (is_inet(socket))
		header->msg_controllen = sizeof(slot->control);
#if SOCKCAT_LINUX
	else if (socket->options.ends && socket->family == AF_UNIX)
		header->msg_controllen = CMSG_SPACE(sizeof(struct ucred));
#endif
	if (header->msg_controllen > 0)
		header->msg_control = slot->control;
}

/* Our own frames come back on packet sockets (packet(7)). */
static bool
is_own(const struct msgsock *socket, const struct correspondent *from)
{
#if SOCKCAT_LINUX
	const struct sockaddr_ll *link = (const void *)&from->peer.storage;

	return socket->family == AF_PACKET && from->peer.length > 0 &&
	    link->sll_pkttype == PACKET_OUTGOING;
#else
	(void)socket;
	(void)from;
	return false;
#endif
}

/* Receives one message, or one part of one, behind those that are there. */
static enum msgsock_result
receive_one(struct msgsock *socket)
{
	struct incoming *in = socket->in;
	struct correspondent *from = &in->from[in->count];
	struct slot *slot = &in->slots[0];
	struct message message = { .data = in->data + in->end };
	struct msghdr header;
	ssize_t got;

	slot->vector.iov_base = message.data + in->partial;
	slot->vector.iov_len = in->size - in->end - in->partial;
	make_header(socket, &header, &slot->vector, from);
	give_control(socket, &header, slot);
	got = recvmsg(socket->fd, &header, MSG_DONTWAIT);
	if (got == -1)
		return result_of_errno();
	if (got == 0 && is_end(socket, &header))
		return MSGSOCK_END;
	if (header.msg_flags & MSG_TRUNC) {
		errno = EMSGSIZE;
		return MSGSOCK_FAIL;
	}
	(void)take_control(&header, from);
	take_peer(&header, from);
	message.length = in->partial + (size_t)got;
	if (is_in_parts(socket) && !(header.msg_flags & MSG_EOR)) {
		in->partial = message.length;
		return MSGSOCK_MOVED;
	}
	in->partial = 0;
	in->end += message.length;
	if (!is_own(socket, from) && is_admitted(socket, from) &&
	    strip_header(socket, &message))
		add_received(in, message.data, message.length, from);
	return MSGSOCK_MOVED;
}

static enum msgsock_result
receive_singles(struct msgsock *socket)
{
	struct incoming *in = socket->in;
	enum msgsock_result result = MSGSOCK_MOVED;

	/* What has come of a message stands behind those given out. */
	memmove(in->data, in->data + in->end, in->partial);
	in->end = 0;
	for (unsigned turn = 0; turn < SINGLES; turn++) {
		result = make_room(socket);
		if (result == MSGSOCK_MOVED)
			result = receive_one(socket);
		if (result != MSGSOCK_MOVED)
			break;
	}
	if (result == MSGSOCK_MOVED)
		socket->more = true;
	if (in->count == 0)
		return result == MSGSOCK_MOVED ? MSGSOCK_AGAIN : result;
	/* Told once only: it must wait until the messages are taken. */
	if (result == MSGSOCK_FAIL)
		socket->error = errno;
	return MSGSOCK_MOVED;
}

enum msgsock_result
msgsock_receive(struct msgsock *socket, const struct received **received,
		size_t *count)
{
	struct incoming *in = socket->in;
	enum msgsock_result result;

	/*
	 * Another socket had the buffers. It has taken all that was in them:
	 * full slots, of which runs have SEGMENTS_MOST, make one batch.
	 */
	if (in->user != socket) {
		in->user = socket;
		in->filled = SLOTS;
		in->run = in->runs_end = 0;
		in->end = in->partial = 0;
	}
	in->count = 0;
	socket->more = false;
	*received = in->received;
	*count = 0;
	if (socket->error != 0) {
		errno = socket->error;
		socket->error = 0;
		return MSGSOCK_FAIL;
	}
#if SOCKCAT_LINUX
	if (is_bounded(socket))
		result = receive_slots(socket);
	else
#endif
		result = receive_singles(socket);
	*count = in->count;
	return result;
}

bool
msgsock_more(const struct msgsock *socket)
{
	return socket->more || socket->error != 0;
}
