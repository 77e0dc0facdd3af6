/*
 * options.c: one table of options, and all that is made from it
 *
 * A row says an option's letter, its long name, what it takes, what the help
 * says of it, how its value is stored, where, and what it excludes. Adding an
 * option is one row here and one member of struct options.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/outcome.h"
#include "cli/operands.h"
#include "net/family.h"
#include "net/protocol.h"

/* Where in the help an option stands. */
enum group {
	GROUP_WHAT, GROUP_CONNECT, GROUP_LISTEN, GROUP_LOCAL, GROUP_ENDS,
	GROUP_TIMES,
	GROUP_MESSAGES, GROUP_DATA, GROUP_SOCKET, GROUP_REST,
};

static const char *const group_titles[] = {
	[GROUP_WHAT] = "What kind of socket",
	[GROUP_CONNECT] = "Connecting",
	[GROUP_LISTEN] = "Listening",
	[GROUP_LOCAL] =
	    "The local side, instead of standard input and output",
	[GROUP_ENDS] = "Ends of data",
	[GROUP_TIMES] =
	    "Times (seconds; fractions and the units ms s m h are understood)",
	[GROUP_MESSAGES] = "Messages: datagram, seqpacket and raw sockets",
	[GROUP_DATA] = "Data",
	[GROUP_SOCKET] = "Socket options",
	[GROUP_REST] = "Other",
};

/* With what an option makes sense. */
enum side { EITHER, CONNECTING, LISTENING };

struct row {
	enum group group;
	char letter;		/* 0: none */
	const char *name;
	const char *argument;	/* NULL: takes none */
	bool optional;		/* the argument may be missing */
	enum side side;
	const char *excludes;	/* long names, with blanks between them */
	/*
	 * Stores `value` (NULL where none was given) at `offset`. Returns 0,
	 * or -1 with what is wrong in `error`.
	 */
	int (*store)(struct options *options, const struct row *row,
		     const char *value, char *error);
	size_t offset;
	int constant;		/* what store_constant() stores */
	const char *sockopt;	/* what store_sockopt() sets */
	const char *help;	/* NULL: hidden */
};

#define VERSION "0.1.0"

#define ERROR_ROOM OPERANDS_ERROR

#define complain(error, ...) \
	((void)snprintf(error, ERROR_ROOM, __VA_ARGS__), -1)

/* The member of `options` that a row stores into. */
static void *
member(struct options *options, const struct row *row)
{
	return (char *)options + row->offset;
}

static int
store_flag(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	(void)value;
	(void)error;
	*(bool *)member(options, row) = true;
	return 0;
}

static int
store_nothing(struct options *options, const struct row *row,
	      const char *value, char *error)
{
	(void)options;
	(void)row;
	(void)value;
	(void)error;
	return 0;
}

static int
store_count(struct options *options, const struct row *row, const char *value,
	    char *error)
{
	(void)value;
	(void)error;
	++*(unsigned *)member(options, row);
	return 0;
}

static int
store_constant(struct options *options, const struct row *row,
	       const char *value, char *error)
{
	(void)value;
	(void)error;
	*(int *)member(options, row) = row->constant;
	return 0;
}

static int
store_text(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	if (value[0] == '\0')
		return complain(error, "is empty");
	*(const char **)member(options, row) = value;
	return 0;
}

static int
store_time(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	if (clock_parse(value, member(options, row)) == -1)
		return complain(error, "is no time: %s", value);
	return 0;
}

/* A time, 0 where none is given. */
static int
store_optional_time(struct options *options, const struct row *row,
		    const char *value, char *error)
{
	if (value != NULL)
		return store_time(options, row, value, error);
	*(int64_t *)member(options, row) = 0;
	return 0;
}

/* A time; a negative one means never, as in OpenBSD's nc. */
static int
store_quit(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	int64_t ignored;

	if (value[0] != '-')
		return store_time(options, row, value, error);
	if (clock_parse(value + 1, &ignored) == -1)
		return complain(error, "is no time: %s", value);
	*(int64_t *)member(options, row) = QUIT_NEVER;
	return 0;
}

static int
store_size(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	const size_t most = (size_t)64 * 1024 * 1024;
	size_t size;

	if (size_parse(value, &size) == -1)
		return complain(error, "is no size: %s", value);
	if (size == 0 || size > most)
		return complain(error, "is not from 1 to 64M: %s", value);
	*(size_t *)member(options, row) = size;
	return 0;
}

static int
store_positive(struct options *options, const struct row *row,
	       const char *value, char *error)
{
	if (number_parse(value, 1, 2147483647, member(options, row)) == -1)
		return complain(error, "is no number from 1 to 2147483647: "
				"%s", value);
	return 0;
}

static int
store_backlog(struct options *options, const struct row *row,
	      const char *value, char *error)
{
	unsigned long backlog;

	if (number_parse(value, 0, 2147483647, &backlog) == -1)
		return complain(error, "is no number from 0 to 2147483647: "
				"%s", value);
	*(int *)member(options, row) = (int)backlog;
	return 0;
}

/* Permission bits in octal, as chmod(1) takes them. */
static int
store_mode(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	size_t digits = strspn(value, "01234567");

	if (digits == 0 || digits > 4 || value[digits] != '\0' ||
	    strtoul(value, NULL, 8) > 0777)
		return complain(error, "is no octal mode up to 0777: %s",
				value);
	*(int *)member(options, row) = (int)strtoul(value, NULL, 8);
	return 0;
}

static int
store_family(struct options *options, const struct row *row,
	     const char *value, char *error)
{
	const struct family *family = family_by_name(value);

	if (family == NULL)
		return complain(error, "is inet, inet6%s, not %s",
				SOCKCAT_LINUX ? ", unix, vsock or packet" :
				" or unix", value);
	*(int *)member(options, row) = family->number;
	return 0;
}

static int
store_type(struct options *options, const struct row *row, const char *value,
	   char *error)
{
	static const struct {
		const char *name;
		int type;
	} types[] = {
		{ "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM },
		{ "seqpacket", SOCK_SEQPACKET }, { "raw", SOCK_RAW },
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(types); i++) {
		if (strcmp(value, types[i].name) == 0) {
			*(int *)member(options, row) = types[i].type;
			return 0;
		}
	}
	return complain(error, "is stream, dgram, seqpacket or raw, not %s",
			value);
}

static int
store_protocol(struct options *options, const struct row *row,
	       const char *value, char *error)
{
	int number = protocol_number(value);

	if (number == -1)
		return complain(error, "knows no protocol %s", value);
	*(int *)member(options, row) = number;
	return 0;
}

static int
store_frame(struct options *options, const struct row *row,
	    const char *value, char *error)
{
	static const char *const names[] = {
		[FRAME_NONE] = "none", [FRAME_LINE] = "line",
		[FRAME_NUL] = "nul", [FRAME_LEN16] = "len16",
		[FRAME_LEN32] = "len32",
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			*(enum framing *)member(options, row) =
			    (enum framing)i;
			return 0;
		}
	}
	return complain(error, "is none, line, nul, len16 or len32, not %s",
			value);
}

static int
store_group(struct options *options, const struct row *row,
	    const char *value, char *error)
{
	size_t room = (options->group_count + 1) * sizeof(*options->groups);
	const char **grown = realloc(options->groups, room);

	(void)row;
	if (grown == NULL)
		return complain(error, "out of memory");
	options->groups = grown;
	options->groups[options->group_count++] = value;
	return 0;
}

static int
store_checksum(struct options *options, const struct row *row,
	       const char *value, char *error)
{
	unsigned long offset;

	if (number_parse(value, 0, 65533, &offset) == -1)
		return complain(error, "is no number from 0 to 65533: %s",
				value);
	if (offset % 2 != 0)
		return complain(error, "is not even: %s", value);
	*(int *)member(options, row) = (int)offset;
	return 0;
}

static int
store_choice(struct options *options, const struct row *row,
	     const char *value, char *error)
{
	static const char *const names[] = {
		[STORE_AUTO] = "auto", [STORE_MEMORY] = "memory",
		[STORE_PIPE] = "pipe",
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			*(enum store_choice *)member(options, row) =
			    (enum store_choice)i;
			return 0;
		}
	}
	return complain(error, "is auto, memory or pipe, not %s", value);
}

static int
store_sockopt(struct options *options, const struct row *row,
	      const char *value, char *error)
{
	size_t room = (options->sockopt_count + 1) * sizeof(*options->sockopts);
	struct sockopt_request *grown = realloc(options->sockopts, room);

	if (grown == NULL)
		return complain(error, "out of memory");
	options->sockopts = grown;
	grown += options->sockopt_count;
	if ((row->sockopt != NULL ?
	     sockopt_parse_named(row->name, row->sockopt, value, grown,
				 error) :
	     sockopt_parse(value, grown, error)) == -1)
		return -1;
	options->sockopt_count++;
	return 0;
}

static int
store_broadcast(struct options *options, const struct row *row,
		const char *value, char *error)
{
	options->broadcast = true;
	return store_sockopt(options, row, value, error);
}

/* What `constant` says of a row that store_access() stores. */
enum { ACCESS_DENY = 1 << 0, ACCESS_FILE = 1 << 1 };

static int
store_access(struct options *options, const struct row *row,
	     const char *value, char *error)
{
	size_t room = (options->access_count + 1) * sizeof(*options->access);
	struct access_option *grown = realloc(options->access, room);

	if (grown == NULL)
		return complain(error, "out of memory");
	options->access = grown;
	options->access[options->access_count++] = (struct access_option){
		.text = value, .deny = (row->constant & ACCESS_DENY) != 0,
		.file = (row->constant & ACCESS_FILE) != 0,
	};
	return 0;
}

static int
store_descriptor(struct options *options, const struct row *row,
		 const char *value, char *error)
{
	unsigned long number;

	if (number_parse(value, 0, 2147483647, &number) == -1)
		return complain(error, "is no descriptor: %s", value);
	*(int *)member(options, row) = (int)number;
	return 0;
}

static int
store_endpoint(struct options *options, const struct row *row,
	       const char *value, char *error)
{
	char wrong[ENDPOINT_ERROR];

	(void)row;
	if (endpoint_parse(value, &options->to, wrong) == -1)
		return complain(error, "%s", wrong);
	if (options->to.kind == ENDPOINT_HOST && options->to.port == NULL)
		return complain(error, "%s", endpoint_needs_brackets(
				&options->to, wrong) ? wrong :
				"needs a port");
	if (options->to.kind == ENDPOINT_HOST && options->to.host[0] == '\0')
		return complain(error, "needs a host: %s", value);
	options->to_text = value;
	return 0;
}

static int show_help(struct options *options, const struct row *row,
		     const char *value, char *error);
static int show_version(struct options *options, const struct row *row,
			const char *value, char *error);
static int show_sockopts(struct options *options, const struct row *row,
			 const char *value, char *error);

#define IN(field) .offset = offsetof(struct options, field)

static const struct row rows[] = {
	{ GROUP_WHAT, '4', "ipv4", .store = store_constant, IN(family),
	  .constant = AF_INET, .excludes = "ipv6 unixsock family",
	  .help = "IPv4 only" },
	{ GROUP_WHAT, '6', "ipv6", .store = store_constant, IN(family),
	  .constant = AF_INET6, .excludes = "unixsock family",
	  .help = "IPv6 only" },
	{ GROUP_WHAT, 'U', "unixsock", .store = store_constant, IN(family),
	  .constant = AF_UNIX, .excludes = "family",
	  .help = "a Unix-domain socket: PATH, or @NAME for an abstract one" },
	{ GROUP_WHAT, 0, "vsock", .store = store_constant, IN(family),
	  .constant = AF_VSOCK, .excludes = "family ipv4 ipv6 unixsock",
	  .help = "a socket between virtual machines: CID PORT" },
	{ GROUP_WHAT, 'f', "family", "FAMILY", .store = store_family,
	  IN(family), .help = "inet, inet6, unix, vsock or packet" },
	{ GROUP_WHAT, 'u', "udp", .store = store_constant, IN(type),
	  .constant = SOCK_DGRAM, .excludes = "type seqpacket raw sctp mptcp",
	  .help = "datagrams: UDP, or what the family has" },
	{ GROUP_WHAT, 'y', "type", "TYPE", .store = store_type, IN(type),
	  .excludes = "seqpacket raw",
	  .help = "stream, dgram, seqpacket or raw" },
	{ GROUP_WHAT, 0, "seqpacket", .store = store_constant, IN(type),
	  .constant = SOCK_SEQPACKET, .excludes = "raw",
	  .help = "messages over a connection" },
	{ GROUP_WHAT, 0, "raw", .store = store_constant, IN(type),
	  .constant = SOCK_RAW,
	  .help = "packets of --protocol, without ports" },
	{ GROUP_WHAT, 0, "protocol", "NAME|N", .store = store_protocol,
	  IN(protocol), .excludes = "sctp mptcp udplite",
	  .help = "what socket(2) takes as its third argument" },
	{ GROUP_WHAT, 0, "sctp", .store = store_constant, IN(protocol),
	  .constant = PROTOCOL_SCTP, .excludes = "mptcp udplite raw",
	  .help = "SCTP instead of TCP" },
	{ GROUP_WHAT, 0, "mptcp", .store = store_constant, IN(protocol),
	  .constant = PROTOCOL_MPTCP, .excludes = "udplite raw seqpacket",
	  .help = "Multipath TCP" },
	{ GROUP_WHAT, 0, "udplite", .store = store_constant, IN(protocol),
	  .constant = PROTOCOL_UDPLITE, .excludes = "raw seqpacket",
	  .help = "UDP-Lite" },
	{ GROUP_WHAT, 'l', "listen", .store = store_flag, IN(listen),
	  .help = "listen for a connection instead of making one" },

	{ GROUP_CONNECT, 'n', "nodns", .store = store_flag, IN(numeric_only),
	  .help = "do not look up names" },
	{ GROUP_CONNECT, 'p', "source-port", "PORT", .store = store_text,
	  IN(source_port), .help = "connect from PORT; with -l: listen on it" },
	{ GROUP_CONNECT, 's', "source", "ADDR", .store = store_text,
	  IN(source_host), .help = "connect from ADDR; with -l: listen on it" },
	{ GROUP_CONNECT, 'r', "random-ports", .store = store_flag,
	  IN(random_ports), .side = CONNECTING,
	  .help = "try the destination's ports in random order" },
	{ GROUP_CONNECT, 0, "connect-timeout", "TIME", .store = store_time,
	  IN(connect_timeout), .side = CONNECTING,
	  .help = "give up connecting after TIME" },
	{ GROUP_CONNECT, 0, "wait", "TIME", .store = store_time,
	  IN(connect_timeout), .side = CONNECTING,
	  .help = "the same, by Ncat's name" },
	{ GROUP_CONNECT, 0, "retry-for", "TIME", .store = store_time,
	  IN(retry_for), .side = CONNECTING,
	  .help = "keep trying to connect for TIME" },

	{ GROUP_LISTEN, 0, "backlog", "N", .store = store_backlog,
	  IN(backlog), .side = LISTENING,
	  .help = "connections that may wait to be accepted" },
	{ GROUP_LISTEN, 0, "accept-timeout", "TIME", .store = store_time,
	  IN(accept_timeout), .side = LISTENING,
	  .help = "give up when no client came in TIME" },
	{ GROUP_LISTEN, 0, "port-file", "FILE", .store = store_text,
	  IN(port_file), .side = LISTENING,
	  .help = "write the port (or path) listened on to FILE" },
	{ GROUP_LISTEN, 0, "unix-mode", "MODE", .store = store_mode,
	  IN(unix_mode), .side = LISTENING,
	  .help = "permissions of a Unix socket's file, in octal" },

	{ GROUP_LISTEN, 0, "ready-fd", "N", .store = store_descriptor,
	  IN(ready_fd), .side = LISTENING,
	  .help = "write what is listened on to descriptor N" },
	{ GROUP_LISTEN, 'k', "keep-open", .store = store_flag, IN(keep_open),
	  .side = LISTENING, .help = "serve many clients, at once" },
	{ GROUP_LISTEN, 0, "max-conns", "N", .store = store_positive,
	  IN(max_conns), .side = LISTENING,
	  .help = "so many at once (128); more wait" },
	{ GROUP_LISTEN, 0, "allow", "LIST", .store = store_access,
	  .side = LISTENING,
	  .help = "only these: ADDR, ADDR/PREFIX, name, uid:N, gid:N" },
	{ GROUP_LISTEN, 0, "deny", "LIST", .store = store_access,
	  .constant = ACCESS_DENY, .side = LISTENING,
	  .help = "not these, even if they are allowed" },
	{ GROUP_LISTEN, 0, "allowfile", "FILE", .store = store_access,
	  .constant = ACCESS_FILE, .side = LISTENING,
	  .help = "the same, from the lines of FILE" },
	{ GROUP_LISTEN, 0, "denyfile", "FILE", .store = store_access,
	  .constant = ACCESS_DENY | ACCESS_FILE, .side = LISTENING,
	  .help = "likewise" },
	{ GROUP_LISTEN, 0, "broker", .store = store_flag, IN(broker),
	  .side = LISTENING, .excludes = "exec sh-exec to reply",
	  .help = "pass on what a client sends to all others" },
	{ GROUP_LISTEN, 0, "chat", .store = store_flag, IN(chat),
	  .side = LISTENING, .excludes = "exec sh-exec to reply",
	  .help = "the same, with the senders' names" },

	{ GROUP_LOCAL, 'e', "exec", "COMMAND", .store = store_text, IN(exec),
	  .excludes = "sh-exec to reply recv-only send-only",
	  .help = "a program and its arguments, without a shell" },
	{ GROUP_LOCAL, 'c', "sh-exec", "COMMAND", .store = store_text,
	  IN(sh_exec), .excludes = "to reply recv-only send-only",
	  .help = "a command for the shell" },
	{ GROUP_LOCAL, 0, "to", "ENDPOINT", .store = store_endpoint,
	  .excludes = "reply recv-only send-only",
	  .help = "another endpoint: a relay" },
	{ GROUP_LOCAL, 0, "reply", "FILE", .store = store_text, IN(reply),
	  .side = LISTENING, .excludes = "recv-only send-only",
	  .help = "what is in FILE for each client; -: standard input" },

	{ GROUP_ENDS, 'N', "half-close", .store = store_nothing,
	  .excludes = "no-shutdown",
	  .help = "half-close after the end of input: the default" },
	{ GROUP_ENDS, 0, "no-shutdown", .store = store_flag, IN(no_shutdown),
	  .help = "do not half-close after the end of input" },
	{ GROUP_ENDS, 'q', "quit", "TIME", .store = store_quit,
	  IN(quit_after),
	  .help = "quit TIME after the end of input; 0: when all is sent" },
	{ GROUP_ENDS, 'd', "recv-only", .store = store_flag, IN(recv_only),
	  .excludes = "send-only", .help = "do not read standard input" },
	{ GROUP_ENDS, 0, "send-only", .store = store_flag, IN(send_only),
	  .help = "discard what is received; exit when all is sent" },
	{ GROUP_ENDS, 0, "peer-quit", "TIME", true,
	  .store = store_optional_time, IN(peer_quit),
	  .help = "quit when the peer has ended, TIME (0) later" },
	{ GROUP_ENDS, 'W', "recv-limit", "N", .store = store_positive,
	  IN(max_packets), .help = "quit after N reads from the socket" },

	{ GROUP_TIMES, 'w', "timeout", "TIME", .store = store_time,
	  IN(timeout),
	  .help = "limit on connecting (status 5), then on idling (0)" },
	{ GROUP_TIMES, 0, "idle-timeout", "TIME", .store = store_time,
	  IN(idle_timeout), .help = "limit on idling: status 5" },
	{ GROUP_TIMES, 0, "max-time", "TIME", .store = store_time,
	  IN(max_time), .help = "limit on the whole run: status 5" },
	{ GROUP_TIMES, 'i', "delay", "TIME", .store = store_time,
	  IN(line_interval), .help = "pause between lines sent" },

	{ GROUP_MESSAGES, 0, "frame", "KIND", .store = store_frame,
	  IN(framing), .excludes = "lines",
	  .help = "how they stand in bytes: none line nul len16 len32" },
	{ GROUP_MESSAGES, 0, "lines", .store = store_constant, IN(framing),
	  .constant = FRAME_LINE, .help = "one line is one message" },
	{ GROUP_MESSAGES, 0, "show-peer", .store = store_flag, IN(show_peer),
	  .help = "put the sender before each message (with --lines)" },
	{ GROUP_MESSAGES, 'b', "broadcast", .store = store_broadcast,
	  IN(broadcast), .sockopt = "broadcast",
	  .help = "allow sending to broadcast addresses" },
	{ GROUP_MESSAGES, 0, "multicast", "GROUP[@SOURCE][%IFACE]",
	  .store = store_group,
	  .help = "join a group; may be repeated" },
	{ GROUP_MESSAGES, 0, "multicast-ttl", "TTL", .store = store_sockopt,
	  .sockopt = "multicast-ttl",
	  .help = "how far what is sent to a group may go" },
	{ GROUP_MESSAGES, 0, "multicast-loop", "yes|no",
	  .store = store_sockopt, .sockopt = "multicast-loop",
	  .help = "whether this host's listeners get it, too" },
	{ GROUP_MESSAGES, 0, "interface", "IFACE", .store = store_text,
	  IN(interface), .help = "use this interface only" },
	{ GROUP_MESSAGES, 0, "ip-header", .store = store_flag,
	  IN(ip_header),
	  .help = "raw: send and show messages with their IP header" },
	{ GROUP_MESSAGES, 0, "checksum", "OFFSET", .store = store_checksum,
	  IN(checksum_offset),
	  .help = "raw: fill in the Internet checksum at OFFSET" },

	{ GROUP_DATA, 'C', "crlf", .store = store_flag, IN(crlf),
	  .help = "send LF as CRLF" },
	{ GROUP_DATA, 't', "telnet", .store = store_flag, IN(telnet),
	  .help = "refuse telnet options, and take them out of the output" },
	{ GROUP_DATA, 0, "block-size", "SIZE", .store = store_size,
	  IN(block_size), .help = "read at most SIZE bytes; messages of SIZE bytes" },
	{ GROUP_DATA, 0, "store", "KIND", .store = store_choice, IN(store) },

	{ GROUP_SOCKET, 'D', "debug", .store = store_sockopt,
	  .sockopt = "debug", .help = "SO_DEBUG" },
	{ GROUP_SOCKET, 'I', "rcvbuf", "SIZE", .store = store_sockopt,
	  .sockopt = "rcvbuf", .help = "size of the receive buffer" },
	{ GROUP_SOCKET, 'O', "sndbuf", "SIZE", .store = store_sockopt,
	  .sockopt = "sndbuf", .help = "size of the send buffer" },
	{ GROUP_SOCKET, 'T', "tos", "TOS", .store = store_sockopt,
	  .sockopt = "tos", .help = "type of service: number or keyword" },
	{ GROUP_SOCKET, 'M', "ttl", "TTL", .store = store_sockopt,
	  .sockopt = "ttl", .help = "time to live, or hop limit" },
	{ GROUP_SOCKET, 'm', "min-ttl", "TTL", .store = store_sockopt,
	  .sockopt = "min-ttl", .help = "drop what comes with a lower one" },
	{ GROUP_SOCKET, 0, "sockopt", "NAME[=VALUE]", .store = store_sockopt,
	  .help = "any socket option; LEVEL:OPT=VALUE by number" },
	{ GROUP_SOCKET, 0, "list-sockopts", .store = show_sockopts,
	  .help = "list the socket options" },

	{ GROUP_REST, 'v', "verbose", .store = store_count, IN(verbose),
	  .help = "tell more on standard error; may be repeated" },
	{ GROUP_REST, 'h', "help", .store = show_help,
	  .help = "show this help" },
	{ GROUP_REST, 0, "version", .store = show_version,
	  .help = "show the version" },
};

static const struct row *
row_of_letter(char letter)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static const struct row *
row_of_name(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(rows); i++)
		if (strncmp(rows[i].name, name, length) == 0 &&
		    rows[i].name[length] == '\0')
			return &rows[i];
	return NULL;
}

static const char *
row_name_at(size_t index)
{
	return rows[index].help != NULL ? rows[index].name : NULL;
}

/* One line that names the mistake, and status 2. */
__attribute__((format(printf, 1, 2)))
_Noreturn static void
mistake(const char *format, ...)
{
	char text[ERROR_ROOM + 256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	diag_error("%s (see sockcat --help)", text);
	outcome_exit(outcome_of(CAUSE_USAGE));
}

/* How the user wrote the option of `row`: "-x" or "--name". */
static const char *
row_text(const struct row *row, bool by_letter, char text[64])
{
	if (by_letter)
		(void)snprintf(text, 64, "-%c", row->letter);
	else
		(void)snprintf(text, 64, "--%s", row->name);
	return text;
}

/* The command line while it is taken apart. */
struct parser {
	int argc;
	char **argv;
	int next;		/* index of the next word */
	struct options *options;
	bool seen[ARRAY_LENGTH(rows)];
	size_t operand_count;	/* they are moved to the front of argv + 1 */
};

static void
parser_store(struct parser *parser, const struct row *row, const char *value,
	     bool by_letter)
{
	char error[ERROR_ROOM] = "", text[64];

	parser->seen[row - rows] = true;
	if (row->store(parser->options, row, value, error) == -1)
		mistake("%s %s", row_text(row, by_letter, text), error);
}

/* The next word as the value of `row`'s option. */
static const char *
parser_value(struct parser *parser, const struct row *row, bool by_letter)
{
	char text[64];

	if (parser->next >= parser->argc)
		mistake("%s needs %s", row_text(row, by_letter, text),
			row->argument);
	return parser->argv[parser->next++];
}

static void
parse_long(struct parser *parser, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t length = equals != NULL ? (size_t)(equals - word) :
	    strlen(word);
	const struct row *row = row_of_name(word, length);
	const char *value = equals != NULL ? equals + 1 : NULL;

	if (row == NULL) {
		char name[64];
		const char *meant;

		(void)snprintf(name, sizeof(name), "%.*s", (int)length, word);
		meant = nearest(name, row_name_at, ARRAY_LENGTH(rows));
		if (meant != NULL)
			mistake("no such option: --%s; did you mean --%s?",
				name, meant);
		mistake("no such option: --%s", name);
	}
	if (row->argument == NULL && value != NULL)
		mistake("--%s takes no value", row->name);
	if (row->argument != NULL && value == NULL && !row->optional)
		value = parser_value(parser, row, false);
	parser_store(parser, row, value, false);
}

static void
parse_letters(struct parser *parser, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		const struct row *row = row_of_letter(*letters);

		if (row == NULL)
			mistake("no such option: -%c", *letters);
		if (row->argument == NULL) {
			parser_store(parser, row, NULL, true);
			continue;
		}
		parser_store(parser, row, letters[1] != '\0' ? letters + 1 :
			     parser_value(parser, row, true), true);
		return;
	}
}

static void
parse_words(struct parser *parser)
{
	while (parser->next < parser->argc) {
		char *word = parser->argv[parser->next++];

		if (strcmp(word, "--") == 0)
			break;
		if (strncmp(word, "--", 2) == 0)
			parse_long(parser, word + 2);
		else if (word[0] == '-' && word[1] != '\0')
			parse_letters(parser, word + 1);
		else
			parser->argv[1 + parser->operand_count++] = word;
	}
	while (parser->next < parser->argc)
		parser->argv[1 + parser->operand_count++] =
		    parser->argv[parser->next++];
}

/* Whether `name` stands in the list `names`. */
static bool
names_include(const char *names, const char *name)
{
	size_t length = strlen(name);

	while (names != NULL && *names != '\0') {
		if (strncmp(names, name, length) == 0 &&
		    (names[length] == ' ' || names[length] == '\0'))
			return true;
		names = strchr(names, ' ');
		if (names != NULL)
			names++;
	}
	return false;
}

/* How to name an option in a message about it: by its letter if it has one. */
static const char *
row_short(const struct row *row, char text[64])
{
	return row_text(row, row->letter != 0, text);
}

static void
check_conflicts(const struct parser *parser)
{
	char one[64], other[64];
	size_t i, j;

	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (!parser->seen[i])
			continue;
		if (rows[i].side == LISTENING && !parser->options->listen)
			mistake("%s is for listening: it needs -l",
				row_short(&rows[i], one));
		if (rows[i].side == CONNECTING && parser->options->listen &&
		    parser->options->to_text == NULL)
			mistake("%s is for connecting: it excludes -l "
				"(without --to)", row_short(&rows[i], one));
		for (j = 0; j < ARRAY_LENGTH(rows); j++)
			if (parser->seen[j] && names_include(rows[i].excludes,
							     rows[j].name))
				mistake("%s excludes %s",
					row_short(&rows[i], one),
					row_short(&rows[j], other));
	}
}

/* What -w means beside the options that say parts of it. */
static void
settle_timeout(struct options *options)
{
	if (options->timeout == NEVER)
		return;
	if (options->timeout == 0) {
		/* As -q 0; a listener of messages never ends by itself. */
		if (options->quit_after == NEVER &&
		    !(options->listen && (options->type == SOCK_DGRAM ||
					  options->type == SOCK_RAW)))
			options->quit_after = 0;
		return;
	}
	if (options->connect_timeout == NEVER)
		options->connect_timeout = options->timeout;
	options->idle_quiet = options->timeout;
}

/*
 * An interface is an option of the socket, except where it is the address.
 */
static void
settle_interface(struct options *options)
{
	const struct row row = { .name = "interface", .sockopt = "interface" };
	char error[ERROR_ROOM];

	if (options->interface != NULL && options->family != AF_PACKET &&
	    store_sockopt(options, &row, options->interface, error) == -1)
		mistake("--interface %s", error);
}

bool
options_need_messages(const struct options *options)
{
	return options->framing != FRAME_NONE || options->show_peer ||
	    options->group_count > 0;
}

/* What makes no sense together although each by itself does. */
static void
check_messages(const struct options *options)
{
	bool stream = options->type == SOCK_STREAM;

	/* What is handed over shows its type only when it is looked at. */
	if (options->endpoint.kind == ENDPOINT_FD)
		stream = false;
	/* Lines of many clients are kept whole: -k has those of streams, too. */
	if (stream && ((options->framing != FRAME_NONE &&
			!(options->keep_open &&
			  options->framing == FRAME_LINE)) ||
		       options->show_peer))
		mistake("a stream has no messages: --frame, --lines and "
			"--show-peer need another type");
	if (options->type != SOCK_STREAM && options->telnet)
		mistake("-t needs a stream");
	if ((options->type == SOCK_DGRAM || options->type == SOCK_RAW) &&
	    options->accept_timeout != NEVER)
		mistake("--accept-timeout needs connections: a stream or "
			"seqpacket");
	if (options->show_peer && options->framing != FRAME_LINE)
		mistake("--show-peer needs --lines");
	if (options->crlf && (options->framing == FRAME_LEN16 ||
			      options->framing == FRAME_LEN32))
		mistake("-C would make lengths wrong: it excludes len16 and "
			"len32");
	if (options->type != SOCK_RAW &&
	    options->endpoint.kind != ENDPOINT_FD &&
	    (options->ip_header || options->checksum_offset != -1))
		mistake("--ip-header and --checksum need --raw");
	if (stream && options->group_count > 0)
		mistake("--multicast needs datagrams (-u)");
}

/* What --broker and --chat imply. */
static void
settle_broker(struct options *options)
{
	options->broker = options->broker || options->chat;
	options->keep_open = options->keep_open || options->broker;
}

static bool
options_have_local(const struct options *options)
{
	return options->exec != NULL || options->sh_exec != NULL ||
	    options->to_text != NULL || options->reply != NULL;
}

/* Streams go to streams, messages to messages. */
static void
check_to(const struct options *options)
{
	enum endpoint_transport transport = options->to.transport;
	bool stream = options->type == SOCK_STREAM;

	if (options->to_text == NULL ||
	    options->endpoint.kind == ENDPOINT_FD || options->activated > 0)
		return;		/* the type is found out later */
	if (transport == (stream ? TRANSPORT_UDP : TRANSPORT_TCP))
		mistake("--to %s is of another kind: a stream needs a stream, "
			"messages need messages", options->to_text);
	if (options->to.kind == ENDPOINT_FD && (options->keep_open || !stream))
		mistake("--to %s is one connection of a stream: it excludes "
			"-k and other types", options->to_text);
}

/* What a program, a relay, a canned answer or a broker cannot do. */
static void
check_local(const struct options *options)
{
	bool stream = options->type == SOCK_STREAM ||
	    options->endpoint.kind == ENDPOINT_FD;
	bool local = options_have_local(options) || options->broker;

	if (local && (options->telnet || options->max_packets != 0 ||
		      options->line_interval != NEVER ||
		      options->framing != FRAME_NONE || options->show_peer))
		mistake("-t, -W, -i, --frame, --lines and --show-peer are for "
			"standard input and output");
	if (!stream && options->reply != NULL)
		mistake("--reply needs a stream");
	if (options->broker && options->type != SOCK_STREAM)
		mistake("--broker and --chat need a stream");
	if (options->keep_open && (options->telnet ||
				   options->line_interval != NEVER))
		mistake("-k serves clients at once: it excludes -t and -i");
	check_to(options);
}

static void
check_sockopts(const struct options *options)
{
	char error[SOCKOPT_ERROR];
	size_t i;

	/* What is handed over shows its type only when it is looked at. */
	if (options->endpoint.kind == ENDPOINT_FD)
		return;
	for (i = 0; i < options->sockopt_count; i++)
		if (sockopt_check(&options->sockopts[i], options->family,
				  options->type, error) == -1)
			mistake("%s", error);
}

void
options_parse(int argc, char **argv, struct options *options)
{
	struct parser parser = {
		.argc = argc, .argv = argv, .next = 1, .options = options,
	};
	char error[OPERANDS_ERROR];

	*options = (struct options){
		.family = AF_UNSPEC, .type = SOCK_STREAM,
		.connect_timeout = NEVER, .retry_for = NEVER,
		.backlog = -1, .accept_timeout = NEVER, .unix_mode = -1,
		.quit_after = NEVER, .peer_quit = NEVER,
		.line_interval = NEVER, .timeout = NEVER,
		.checksum_offset = -1, .ready_fd = -1, .max_conns = 128,
		.idle_quiet = NEVER, .idle_timeout = NEVER, .max_time = NEVER,
	};
	parse_words(&parser);
	check_conflicts(&parser);
	if (operands_apply(options, argv + 1, parser.operand_count,
			   error) == -1)
		mistake("%s", error);
	settle_timeout(options);
	settle_broker(options);
	check_messages(options);
	check_local(options);
	settle_interface(options);
	check_sockopts(options);
}

void
options_for_to(const struct options *options, struct options *out)
{
	*out = *options;
	out->family = AF_UNSPEC;
	if (options->to.kind == ENDPOINT_UNIX)
		out->family = AF_UNIX;
	else if (options->to.kind == ENDPOINT_VSOCK)
		out->family = AF_VSOCK;
	if (options->to.transport == TRANSPORT_UDP)
		out->type = SOCK_DGRAM;
	out->protocol = 0;
	out->listen = false;
	out->endpoint = options->to;
	out->ports = options->to.port;
	out->source_host = out->source_port = NULL;
	out->group_count = out->sockopt_count = 0;
	out->interface = NULL;
	out->verbose = 0;	/* one line for each client is enough */
}

void
options_free(struct options *options)
{
	free(options->sockopts);
	free(options->groups);
	free(options->access);
	free(options->joined_ports);
}

void
options_each(void (*visit)(const struct option_summary *summary,
			   void *context), void *context)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct option_summary summary = {
			.letter = rows[i].letter, .name = rows[i].name,
			.argument = rows[i].argument,
			.argument_optional = rows[i].optional,
			.help = rows[i].help,
		};

		if (rows[i].help != NULL)
			visit(&summary, context);
	}
}

/* What was asked for has been printed: exit, with a failure if it was not. */
_Noreturn static void
shown(int result)
{
	/* What failed before the last flush only the stream remembers. */
	if (fflush(stdout) == EOF || ferror(stdout) != 0 || result == -1) {
		diag_error("write to standard output failed: %s",
			   diag_strerror(errno));
		outcome_exit(outcome_of(CAUSE_LOCAL));
	}
	outcome_exit(outcome_of(CAUSE_NONE));
}

static void
print_row(const struct row *row)
{
	char names[64];
	int length = 0;

	if (row->letter != 0)
		length = snprintf(names, sizeof(names), "-%c, --%s",
				  row->letter, row->name);
	else
		length = snprintf(names, sizeof(names), "    --%s",
				  row->name);
	if (row->argument != NULL)
		(void)snprintf(names + length, sizeof(names) - (size_t)length,
			       row->optional ? "[=%s]" : " %s",
			       row->argument);
	printf("  %-27s %s\n", names, row->help);
}

static int
show_help(struct options *options, const struct row *row, const char *value,
	  char *error)
{
	size_t i;

	(void)options;
	(void)row;
	(void)value;
	(void)error;
	printf("usage: sockcat [options] DESTINATION [PORT...]     connect\n"
	       "       sockcat [options] -l [ADDRESS] [PORT]       listen\n"
	       "\n"
	       "Connects standard input and output to a socket.\n"
	       "DESTINATION is HOST, HOST:PORT, [ADDR6]:PORT, unix:PATH,"
	       " unix:@NAME, a path,\nvsock:CID:PORT or fd:N.\n");
	for (i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (i == 0 || rows[i].group != rows[i - 1].group)
			printf("\n%s:\n", group_titles[rows[i].group]);
		if (rows[i].help != NULL)
			print_row(&rows[i]);
	}
	printf("\nExit status: 0 success, 1 local failure, 2 usage,"
	       " 3 no such name, 4 refused,\n"
	       "5 timed out, 6 unreachable, 7 address in use, 8 permission"
	       " denied,\n"
	       "9 connection broke. The manual, sockcat(1), says more.\n");
	shown(0);
}

static int
show_version(struct options *options, const struct row *row,
	     const char *value, char *error)
{
	(void)options;
	(void)row;
	(void)value;
	(void)error;
	printf("sockcat " VERSION "\n");
	shown(0);
}

static int
show_sockopts(struct options *options, const struct row *row,
	      const char *value, char *error)
{
	(void)options;
	(void)row;
	(void)value;
	(void)error;
	shown(sockopt_list(stdout));
}
