/*
 * sockopt.c: socket options by name, from one table
 *
 * An addition is one row. Where the phases come from: on Linux 6.18 each
 * option of this table was set on a listener and read back from the socket
 * accepted. On inet and inet6 all that a connection has use for are
 * inherited, but for TCP_QUICKACK and SO_PRIORITY; so they are set before
 * listen(2), where they count for the handshake too. Unix sockets inherit
 * nothing but SO_PASSCRED: see is_due().
 */
#include "net/sockopt.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/nearest.h"
#include "base/number.h"

/* Newer than the C libraries' headers; the number is Linux's (6.15). */
#if SOCKCAT_LINUX && !defined(TCP_RTO_MAX_MS)
#define TCP_RTO_MAX_MS 44
#endif

/* How the text of a value is read, and what is handed to the kernel. */
enum kind {
	KIND_SWITCH,
	KIND_NUMBER,
	KIND_KEYWORD,		/* or a number */
	KIND_SIZE,
	KIND_RATE,		/* a size in an unsigned long */
	KIND_SECONDS,
	KIND_MILLISECONDS,
	KIND_MICROSECONDS,
	KIND_LINGER,		/* seconds in a struct linger */
	KIND_TIMEVAL,
	KIND_TEXT,		/* `min` to `max` characters */
	KIND_INTERFACE,		/* its name */
	KIND_INTERFACE_INDEX,	/* its name, for a multicast option */
};

/* As --list-sockopts and messages call the kinds; by enum kind. */
static const char *const kind_names[] = {
	"yes or no", "number", "keyword or", "size", "size", "seconds",
	"ms", "us", "seconds", "time", "text", "interface", "interface",
};
_Static_assert(ARRAY_LENGTH(kind_names) == KIND_INTERFACE_INDEX + 1,
	       "each kind has a name");

/* By enum sockopt_phase. */
static const char *const phase_names[] = {
	"made", "bind", "connect", "connected",
};

struct keyword {
	const char *name;
	unsigned value;
};

static const struct keyword switch_keywords[] = {
	{ "yes", 1 }, { "on", 1 }, { "1", 1 },
	{ "no", 0 }, { "off", 0 }, { "0", 0 },
	{ NULL, 0 },
};

/* RFC 791 and 1349 for the words, RFC 2474, 2597, 3246 … for the rest. */
static const struct keyword tos_keywords[] = {
	{ "lowdelay", 0x10 }, { "throughput", 0x08 },
	{ "reliability", 0x04 }, { "lowcost", 0x02 }, { "mincost", 0x02 },
	{ "critical", 0xa0 }, { "inetcontrol", 0xc0 },
	{ "netcontrol", 0xe0 },
	{ "ef", 0xb8 }, { "va", 0xb0 }, { "le", 0x04 },
	{ "af11", 0x28 }, { "af12", 0x30 }, { "af13", 0x38 },
	{ "af21", 0x48 }, { "af22", 0x50 }, { "af23", 0x58 },
	{ "af31", 0x68 }, { "af32", 0x70 }, { "af33", 0x78 },
	{ "af41", 0x88 }, { "af42", 0x90 }, { "af43", 0x98 },
	{ "cs0", 0x00 }, { "cs1", 0x20 }, { "cs2", 0x40 }, { "cs3", 0x60 },
	{ "cs4", 0x80 }, { "cs5", 0xa0 }, { "cs6", 0xc0 }, { "cs7", 0xe0 },
	{ NULL, 0 },
};

#if SOCKCAT_LINUX
/* IP_PMTUDISC_* and IPV6_PMTUDISC_* have the same numbers; see ip(7). */
static const struct keyword mtu_discover_keywords[] = {
	{ "dont", 0 }, { "want", 1 }, { "do", 2 }, { "probe", 3 },
	{ "interface", 4 }, { "omit", 5 },
	{ NULL, 0 },
};

/* IPV6_PREFER_SRC_* (RFC 5014); musl's headers lack them. */
static const struct keyword source_keywords[] = {
	{ "tmp", 0x1 }, { "public", 0x2 }, { "default", 0x100 },
	{ NULL, 0 },
};
#endif

/* The families in a row's mask: bit 1 << index of this table. */
static const struct {
	int number;
	const char *name;
} families[] = {
	{ AF_INET, "inet" },
	{ AF_INET6, "inet6" },
	{ AF_UNIX, "unix" },
};

#define INET4 (1u << 0)
#define INET6 (1u << 1)
#define INET (INET4 | INET6)
#define UNIX (1u << 2)
/* What the socket layer does itself; also vsock, packet and others. */
#define ANY (~0u)

static const struct {
	int number;
	const char *name;
} types[] = {
	{ SOCK_STREAM, "stream" },
	{ SOCK_DGRAM, "dgram" },
	{ SOCK_SEQPACKET, "seqpacket" },
	{ SOCK_RAW, "raw" },
};

/* The types in a row's mask: bit 1 << SOCK_*. */
#define STREAM (1u << SOCK_STREAM)
#define CONNECTING (STREAM | 1u << SOCK_SEQPACKET)
#define MESSAGES (1u << SOCK_DGRAM | 1u << SOCK_RAW)
#define WITH_PORTS (CONNECTING | 1u << SOCK_DGRAM)
#define ALL (CONNECTING | MESSAGES)

struct sockopt_row {
	const char *name;
	int level, option;
	const char *constant;		/* the option's name in C */
	int option6;			/* its IPv6 sister; 0: none */
	const char *constant6;
	unsigned families, types;
	unsigned phases;		/* bit 1 << SOCKOPT_* for each */
	enum kind kind;
	unsigned long min, max;
	const struct keyword *keywords;
};

/* Columns of a row that go together. */
#define SOCKET(option, families, types) \
	SOL_SOCKET, option, #option, 0, NULL, families, types
#define TCP(option) IPPROTO_TCP, option, #option, 0, NULL, INET, STREAM
#define IP(option, option6, types) \
	IPPROTO_IP, option, #option, option6, #option6, INET, types
#define IP6(option, types) \
	IPPROTO_IPV6, option, #option, 0, NULL, INET6, types

#define SWITCH KIND_SWITCH, 0, 1, switch_keywords
#define NUMBER(min, max) KIND_NUMBER, min, max, NULL
#define KEYWORD(list, max) KIND_KEYWORD, 0, max, list
#define SIZE(min) KIND_SIZE, min, INT_MAX, NULL
#define RATE KIND_RATE, 1, ULONG_MAX, NULL
#define SECONDS(min, max) KIND_SECONDS, min, max, NULL
#define MILLISECONDS(min, max) KIND_MILLISECONDS, min, max, NULL
#define MICROSECONDS KIND_MICROSECONDS, 0, INT_MAX, NULL
#define LINGER KIND_LINGER, 0, 32767, NULL
#define TIMEVAL KIND_TIMEVAL, 0, INT_MAX, NULL
#define TEXT(max) KIND_TEXT, 1, max, NULL
#define INTERFACE KIND_INTERFACE, 1, IFNAMSIZ - 1, NULL
#define INTERFACE_INDEX KIND_INTERFACE_INDEX, 1, IFNAMSIZ - 1, NULL

#define MADE (1u << SOCKOPT_MADE)
#define BIND (1u << SOCKOPT_BIND)
#define CONNECT (1u << SOCKOPT_CONNECT)
#define CONNECTED (1u << SOCKOPT_CONNECTED)

/*
 * In the order of --list-sockopts. SO_PRIORITY comes a phase after IP_TOS,
 * which changes the priority too, so that it holds in whatever order they
 * are given. The ranges are Linux's.
 */
static const struct sockopt_row rows[] = {
	{ "nodelay", TCP(TCP_NODELAY), CONNECT, SWITCH },
	{ "mss", TCP(TCP_MAXSEG), CONNECT, NUMBER(88, 32767) },
	{ "keepalive", SOCKET(SO_KEEPALIVE, INET, STREAM), CONNECT, SWITCH },
#ifdef TCP_KEEPIDLE
	{ "keepalive-idle", TCP(TCP_KEEPIDLE), CONNECT, SECONDS(1, 32767) },
	{ "keepalive-interval", TCP(TCP_KEEPINTVL), CONNECT,
	  SECONDS(1, 32767) },
	{ "keepalive-count", TCP(TCP_KEEPCNT), CONNECT, NUMBER(1, 127) },
#endif
	{ "linger", SOCKET(SO_LINGER, INET, CONNECTING), CONNECT, LINGER },
	{ "oobinline", SOCKET(SO_OOBINLINE, INET | UNIX, STREAM), CONNECT,
	  SWITCH },
	{ "rcvlowat", SOCKET(SO_RCVLOWAT, ANY, STREAM), CONNECT, SIZE(1) },
	/* The kernel takes more than net.core.[rw]mem_max as that much. */
	{ "rcvbuf", SOCKET(SO_RCVBUF, ANY, ALL), MADE, SIZE(0) },
	{ "sndbuf", SOCKET(SO_SNDBUF, ANY, ALL), MADE, SIZE(0) },
	/* These two: for programs of --exec; our own sockets never block. */
	{ "rcvtimeo", SOCKET(SO_RCVTIMEO, ANY, ALL), CONNECT, TIMEVAL },
	{ "sndtimeo", SOCKET(SO_SNDTIMEO, ANY, ALL), CONNECT, TIMEVAL },
	{ "reuseaddr", SOCKET(SO_REUSEADDR, INET, ALL), BIND, SWITCH },
	{ "reuseport", SOCKET(SO_REUSEPORT, INET, ALL), BIND, SWITCH },
	{ "broadcast", SOCKET(SO_BROADCAST, INET, MESSAGES), MADE, SWITCH },
	{ "dontroute", SOCKET(SO_DONTROUTE, INET, ALL), CONNECT, SWITCH },
	{ "debug", SOCKET(SO_DEBUG, ANY, ALL), MADE, SWITCH },
	/* TCP leaves the two ECN bits alone, so "lowcost" is 0 there. */
	{ "tos", IP(IP_TOS, IPV6_TCLASS, ALL), BIND,
	  KEYWORD(tos_keywords, 255) },
	{ "ttl", IP(IP_TTL, IPV6_UNICAST_HOPS, ALL), CONNECT, NUMBER(1, 255) },
#if defined(IP_MINTTL) && defined(IPV6_MINHOPCOUNT)
	/* Linux takes it on UDP too, but then lets everything pass. */
	{ "min-ttl", IP(IP_MINTTL, IPV6_MINHOPCOUNT, STREAM), CONNECT,
	  NUMBER(0, 255) },
#endif
	{ "multicast-ttl", IP(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, MESSAGES),
	  CONNECT, NUMBER(0, 255) },
	{ "multicast-loop",
	  IP(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, MESSAGES), CONNECT,
	  SWITCH },
	{ "v6only", IP6(IPV6_V6ONLY, WITH_PORTS), BIND, SWITCH },
#if SOCKCAT_LINUX
	{ "multicast-interface",
	  IP(IP_MULTICAST_IF, IPV6_MULTICAST_IF, MESSAGES), CONNECT,
	  INTERFACE_INDEX },
	{ "multicast-all", IP(IP_MULTICAST_ALL, IPV6_MULTICAST_ALL, MESSAGES),
	  BIND, SWITCH },
	{ "mtu-discover", IP(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, ALL), CONNECT,
	  KEYWORD(mtu_discover_keywords, 5) },
	{ "freebind", IP(IP_FREEBIND, IPV6_FREEBIND, ALL), BIND, SWITCH },
	{ "transparent", IP(IP_TRANSPARENT, IPV6_TRANSPARENT, ALL), BIND,
	  SWITCH },
	{ "bind-no-port", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT,
	  "IP_BIND_ADDRESS_NO_PORT", 0, NULL, INET, WITH_PORTS, BIND, SWITCH },
	{ "prefer-source", IP6(IPV6_ADDR_PREFERENCES, ALL), BIND,
	  KEYWORD(source_keywords, 0xfff) },
	{ "dontfrag", IP6(IPV6_DONTFRAG, MESSAGES), CONNECT, SWITCH },
	{ "autoflowlabel", IP6(IPV6_AUTOFLOWLABEL, ALL), CONNECT, SWITCH },
	{ "interface", SOCKET(SO_BINDTODEVICE, INET, ALL), BIND, INTERFACE },
	{ "mark", SOCKET(SO_MARK, ANY, ALL), MADE, NUMBER(0, UINT32_MAX) },
	{ "priority", SOCKET(SO_PRIORITY, ANY, ALL), CONNECT | CONNECTED,
	  NUMBER(0, INT_MAX) },
	{ "rcvbufforce", SOCKET(SO_RCVBUFFORCE, ANY, ALL), MADE, SIZE(0) },
	{ "sndbufforce", SOCKET(SO_SNDBUFFORCE, ANY, ALL), MADE, SIZE(0) },
	{ "pacing-rate", SOCKET(SO_MAX_PACING_RATE, INET, ALL), CONNECT, RATE },
	{ "incoming-cpu", SOCKET(SO_INCOMING_CPU, INET, ALL), MADE,
	  NUMBER(0, INT_MAX) },
	{ "busy-poll", SOCKET(SO_BUSY_POLL, ANY, ALL), MADE, MICROSECONDS },
	{ "no-check", SOCKET(SO_NO_CHECK, INET4, 1u << SOCK_DGRAM), CONNECT,
	  SWITCH },
	{ "passcred", SOCKET(SO_PASSCRED, UNIX, ALL), MADE, SWITCH },
	{ "cork", TCP(TCP_CORK), CONNECT, SWITCH },
	/* listen(2) resets it, and the kernel changes its mind later on. */
	{ "quickack", TCP(TCP_QUICKACK), CONNECTED, SWITCH },
	{ "syncnt", TCP(TCP_SYNCNT), CONNECT, NUMBER(1, 127) },
	{ "linger2", TCP(TCP_LINGER2), CONNECT, SECONDS(1, 120) },
	{ "defer-accept", TCP(TCP_DEFER_ACCEPT), CONNECT, SECONDS(1, 32767) },
	{ "window-clamp", TCP(TCP_WINDOW_CLAMP), CONNECT, SIZE(1) },
	{ "congestion", TCP(TCP_CONGESTION), CONNECT, TEXT(15) },
	{ "user-timeout", TCP(TCP_USER_TIMEOUT), CONNECT,
	  MILLISECONDS(0, INT_MAX) },
	{ "fastopen", TCP(TCP_FASTOPEN), CONNECT, NUMBER(0, INT_MAX) },
	{ "fastopen-connect", TCP(TCP_FASTOPEN_CONNECT), CONNECT, SWITCH },
	{ "fastopen-no-cookie", TCP(TCP_FASTOPEN_NO_COOKIE), CONNECT, SWITCH },
	{ "notsent-lowat", TCP(TCP_NOTSENT_LOWAT), CONNECT, SIZE(0) },
	{ "thin-linear", TCP(TCP_THIN_LINEAR_TIMEOUTS), CONNECT, SWITCH },
	{ "rto-max", TCP(TCP_RTO_MAX_MS), CONNECT, MILLISECONDS(1000, 120000) },
	{ "tx-delay", TCP(TCP_TX_DELAY), CONNECT, MICROSECONDS },
#endif
};

/* Room for what value_hint() says. */
#define HINT 48

/* What the row takes, in short: "number 88..32767". Returns `hint`. */
static const char *
value_hint(const struct sockopt_row *row, char *hint)
{
	const char *kind = kind_names[row->kind];
	bool ranged = row->kind == KIND_NUMBER || row->kind == KIND_KEYWORD ||
		      row->kind == KIND_SECONDS || row->kind == KIND_LINGER ||
		      row->kind == KIND_MILLISECONDS;

	if (ranged && row->max < INT_MAX)
		snprintf(hint, HINT, "%s %lu..%lu", kind, row->min, row->max);
	else
		snprintf(hint, HINT, "%s", kind);
	return hint;
}

/* What the user gave, as messages start: "--sockopt mss=9". */
#define GIVEN_FORMAT "--%s%s%.100s"
#define GIVEN(request) \
	(request)->given, (request)->text ? " " : "", \
	(request)->text ? (request)->text : ""

/* The same where whoever prints it puts the option first. */
#define TEXT_FORMAT "%.100s"
#define TEXT_OF(request) \
	((request)->text ? (request)->text : (request)->given)

static int
find_keyword(const struct keyword *list, const char *text,
	     unsigned *out)
{
	for (; list->name; list++)
		if (strcasecmp(list->name, text) == 0) {
			*out = list->value;
			return 0;
		}
	errno = EINVAL;
	return -1;
}

/*
 * A number alone counts in the kernel's unit, as tcp(7) has it; with a unit
 * of its own it is a time as everywhere else.
 */
static int
parse_time(const char *text, int64_t unit,
	   const struct sockopt_row *row, unsigned long *out)
{
	int64_t time;

	if (text[strspn(text, "0123456789")] == '\0')
		return number_parse(text, row->min, row->max, out);
	if (clock_parse(text, &time) < 0 || time % unit != 0) {
		errno = EINVAL;
		return -1;
	}
	time /= unit;
	if (time < (int64_t)row->min || time > (int64_t)row->max) {
		errno = ERANGE;
		return -1;
	}
	*out = (unsigned long)time;
	return 0;
}

static int
parse_size(const char *text, const struct sockopt_row *row,
	   unsigned long *out)
{
	size_t bytes;

	if (size_parse(text, &bytes) < 0)
		return -1;
	if (bytes < row->min || bytes > row->max) {
		errno = ERANGE;
		return -1;
	}
	*out = bytes;
	return 0;
}

static int
parse_timeval(const char *text, const struct sockopt_row *row,
	      struct sockopt_request *request)
{
	int64_t time;

	if (clock_parse(text, &time) < 0) {
		errno = EINVAL;
		return -1;
	}
	if (time / SECOND > (int64_t)row->max) {
		errno = ERANGE;
		return -1;
	}
	/* Less than a microsecond would be 0, which is no limit at all. */
	time = (time + 999) / 1000;
	request->value.time.tv_sec = time / 1000000;
	request->value.time.tv_usec = time % 1000000;
	request->length = sizeof(request->value.time);
	return 0;
}

static int
parse_text(const char *text, const struct sockopt_row *row,
	   struct sockopt_request *request)
{
	size_t length = strlen(text);

	if (length < row->min || length > row->max) {
		errno = length ? ERANGE : EINVAL;
		return -1;
	}
	memcpy(request->value.text, text, length + 1);
	request->length = (socklen_t)length;
	return 0;
}

/* Reads what in the end is one number; switches and times are, too. */
static int
parse_number(const char *text, const struct sockopt_row *row,
	     unsigned long *out)
{
	unsigned value;

	switch (row->kind) {
	case KIND_SIZE:
	case KIND_RATE:
		return parse_size(text, row, out);
	case KIND_SECONDS:
	case KIND_LINGER:
		return parse_time(text, SECOND, row, out);
	case KIND_MILLISECONDS:
		return parse_time(text, MILLISECOND, row, out);
	case KIND_MICROSECONDS:
		return parse_time(text, MILLISECOND / 1000, row, out);
	default:
		break;
	}
	if (row->keywords && find_keyword(row->keywords, text, &value) == 0) {
		*out = value;
		return 0;
	}
	if (row->kind == KIND_SWITCH)
		return -1;
	return number_parse_hex(text, row->min, row->max, out);
}

/* Stores `number` in the form that setsockopt takes. */
static void
store_number(struct sockopt_request *request, unsigned long number)
{
	enum kind kind = request->row ? request->row->kind : KIND_NUMBER;

	switch (kind) {
	case KIND_RATE:
		request->value.wide = number;
		request->length = sizeof(request->value.wide);
		break;
	case KIND_LINGER:
		request->value.linger.l_onoff = 1;
		request->value.linger.l_linger = (int)number;
		request->length = sizeof(request->value.linger);
		break;
	default:
		request->value.number = (unsigned)number;
		request->length = sizeof(request->value.number);
	}
}

static int
parse_value(const char *text, struct sockopt_request *request)
{
	const struct sockopt_row *row = request->row;
	unsigned long number;

	switch (row->kind) {
	case KIND_TIMEVAL:
		return parse_timeval(text, row, request);
	case KIND_TEXT:
	case KIND_INTERFACE:
	case KIND_INTERFACE_INDEX:
		return parse_text(text, row, request);
	default:
		break;
	}
	if (parse_number(text, row, &number) < 0)
		return -1;
	store_number(request, number);
	return 0;
}

/*
 * Whether `name` is C's name of an option, in any case, with '-' for '_',
 * and with or without what stands before its first '_'.
 */
static bool
is_constant(const char *constant, const char *name, size_t length)
{
	const char *bare = strchr(constant, '_') + 1;
	size_t i;

	if (strlen(bare) == length)
		constant = bare;
	else if (strlen(constant) != length)
		return false;
	for (i = 0; i < length; i++) {
		int letter = name[i] == '-' ? '_' : name[i];

		if (letter >= 'a' && letter <= 'z')
			letter += 'A' - 'a';
		if (letter != constant[i])
			return false;
	}
	return true;
}

static const struct sockopt_row *
find_row(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		if (strlen(rows[i].name) == length &&
		    memcmp(rows[i].name, name, length) == 0)
			return &rows[i];
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		if (is_constant(rows[i].constant, name, length) ||
		    (rows[i].constant6 &&
		     is_constant(rows[i].constant6, name, length)))
			return &rows[i];
	return NULL;
}

static const char *
row_name(size_t index)
{
	return rows[index].name;
}

static int
say_unknown(const struct sockopt_request *request,
	    const char *name, size_t length,
	    char error[SOCKOPT_ERROR])
{
	char word[48];
	const char *meant;

	snprintf(word, sizeof(word), "%.*s",
		 length < sizeof(word) ? (int)length : 0, name);
	meant = nearest(word, row_name, ARRAY_LENGTH(rows));
	if (meant)
		snprintf(error, SOCKOPT_ERROR, TEXT_FORMAT
			 ": no such socket option; did you mean %s?",
			 TEXT_OF(request), meant);
	else
		snprintf(error, SOCKOPT_ERROR, TEXT_FORMAT
			 ": no such socket option (see --list-sockopts)",
			 TEXT_OF(request));
	return -1;
}

/* Fills in the row named by `length` bytes at `name`, and the value. */
static int
parse_named(const char *name, size_t length, const char *value,
	    struct sockopt_request *request,
	    char error[SOCKOPT_ERROR])
{
	const struct sockopt_row *row = find_row(name, length);
	char hint[HINT];

	if (!row)
		return say_unknown(request, name, length, error);
	request->row = row;
	if (!value && row->kind == KIND_SWITCH)
		value = "yes";
	if (!value) {
		snprintf(error, SOCKOPT_ERROR, TEXT_FORMAT
			 ": needs a value (%s)", TEXT_OF(request),
			 value_hint(row, hint));
		return -1;
	}
	if (parse_value(value, request) < 0) {
		snprintf(error, SOCKOPT_ERROR, TEXT_FORMAT ": %s %s (%s)",
			 TEXT_OF(request), errno == ERANGE ?
			 "out of range for" : "not a value of", row->name,
			 value_hint(row, hint));
		return -1;
	}
	return 0;
}

/* Reads a number up to `stop`, and moves `*at` past that. */
static int
read_part(const char **at, char stop, unsigned long *out)
{
	char part[24];
	const char *end = strchr(*at, stop);

	if (!end || (size_t)(end - *at) >= sizeof(part))
		return -1;
	memcpy(part, *at, (size_t)(end - *at));
	part[end - *at] = '\0';
	*at = end + 1;
	return number_parse_hex(part, 0, INT_MAX, out);
}

/* Reads pairs of hexadecimal digits into the value. */
static int
parse_bytes(const char *digits, struct sockopt_request *request)
{
	size_t length = strlen(digits);

	if (length == 0 || length % 2 != 0 ||
	    length / 2 > sizeof(request->value.text))
		return -1;
	for (size_t i = 0; i < length; i += 2) {
		char pair[] = { '0', 'x', digits[i], digits[i + 1], '\0' };
		unsigned long byte;

		if (number_parse_hex(pair, 0, UINT8_MAX, &byte) < 0)
			return -1;
		request->value.text[i / 2] = (char)byte;
	}
	request->length = (socklen_t)(length / 2);
	return 0;
}

static int
parse_by_number(const char *text, struct sockopt_request *request)
{
	unsigned long level, option, number;

	if (read_part(&text, ':', &level) < 0 ||
	    read_part(&text, '=', &option) < 0)
		return -1;
	request->level = (int)level;
	request->option = (int)option;
	if (*text == 'x')
		return parse_bytes(text + 1, request);
	if (number_parse_hex(text, 0, UINT32_MAX, &number) < 0)
		return -1;
	store_number(request, number);
	return 0;
}

int
sockopt_parse(const char *text, struct sockopt_request *request,
	      char error[SOCKOPT_ERROR])
{
	size_t length = strcspn(text, "=");
	const char *value = text[length] ? text + length + 1 : NULL;

	*request = (struct sockopt_request){
		.given = "sockopt", .text = text
	};
	if (*text < '0' || *text > '9')
		return parse_named(text, length, value, request, error);
	if (parse_by_number(text, request) < 0) {
		snprintf(error, SOCKOPT_ERROR, TEXT_FORMAT
			 ": not LEVEL:OPT=NUMBER or LEVEL:OPT=xHEX",
			 TEXT_OF(request));
		return -1;
	}
	return 0;
}

int
sockopt_parse_named(const char *given, const char *name,
		    const char *value, struct sockopt_request *request,
		    char error[SOCKOPT_ERROR])
{
	*request = (struct sockopt_request){ .given = given, .text = value };
	return parse_named(name, strlen(name), value, request, error);
}

/* The bits of a row's mask for `family`; for others than ours the top one. */
static unsigned
family_mask(int family)
{
	if (family == AF_UNSPEC)
		return INET;
	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		if (families[i].number == family)
			return 1u << i;
	return 1u << 31;
}

static const char *
family_name(int family)
{
	for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
		if (families[i].number == family)
			return families[i].name;
	return family == AF_UNSPEC ? "inet" : "such";
}

static const char *
type_name(int type)
{
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
		if (types[i].number == type)
			return types[i].name;
	return "other";
}

int
sockopt_check(const struct sockopt_request *request, int family, int type,
	      char error[SOCKOPT_ERROR])
{
	const struct sockopt_row *row = request->row;

	if (!row || (row->families & family_mask(family) &&
		     row->types & 1u << type))
		return 0;
	snprintf(error, SOCKOPT_ERROR, GIVEN_FORMAT
		 ": not an option of %s %s sockets (see --list-sockopts)",
		 GIVEN(request), family_name(family), type_name(type));
	return -1;
}

/*
 * Whether `phase` is the one to set it in. A socket accepted from a listener
 * that is neither inet nor inet6 has inherited nothing (measured for Unix
 * sockets): there everything is set once more when connected, which changes
 * nothing for a socket that has it already.
 */
static bool
is_due(const struct sockopt_request *request, int family,
       enum sockopt_phase phase)
{
	unsigned due = request->row ? request->row->phases : CONNECT;

	if (family != AF_INET && family != AF_INET6)
		due |= CONNECTED;
	return due & 1u << phase;
}

#if SOCKCAT_LINUX
/* Each family has its own idea of how an interface is named. */
static int
set_interface(int fd, int level, int option, const char *name)
{
	struct ip_mreqn request = { .imr_ifindex = (int)if_nametoindex(name) };

	if (request.imr_ifindex == 0)
		return -1;
	if (level == IPPROTO_IPV6)
		return setsockopt(fd, level, option, &request.imr_ifindex,
				  sizeof(request.imr_ifindex));
	return setsockopt(fd, level, option, &request, sizeof(request));
}
#endif

static int
set(int fd, int level, int option,
    const struct sockopt_request *request)
{
	unsigned char byte = (unsigned char)request->value.number;

#if SOCKCAT_LINUX
	if (request->row && request->row->kind == KIND_INTERFACE_INDEX)
		return set_interface(fd, level, option, request->value.text);
#endif
	/* The BSDs take nothing but a byte here; Linux takes either. */
	if (request->row && level == IPPROTO_IP &&
	    (option == IP_MULTICAST_TTL || option == IP_MULTICAST_LOOP))
		return setsockopt(fd, level, option, &byte, sizeof(byte));
	return setsockopt(fd, level, option, &request->value,
			  request->length);
}

/* Composes the line for a setsockopt(2) that failed. Keeps errno. */
static int
say_failed(const struct sockopt_request *request,
	   const char *constant, char error[SOCKOPT_ERROR])
{
	int cause = errno;

	if (cause == ENOPROTOOPT || cause == EOPNOTSUPP)
		snprintf(error, SOCKOPT_ERROR, GIVEN_FORMAT
			 ": setting %s failed: not offered by this kernel "
			 "for such a socket", GIVEN(request), constant);
	else
		snprintf(error, SOCKOPT_ERROR, GIVEN_FORMAT
			 ": setting %s failed: %s",
			 GIVEN(request), constant, diag_strerror(cause));
	errno = cause;
	return -1;
}

/*
 * On an inet6 socket the IPv4 option, too, because its peer may be an
 * IPv4-mapped one. Raw sockets have none, and not every system has.
 */
static int
apply_row(int fd, int family, int type,
	  const struct sockopt_request *request,
	  char error[SOCKOPT_ERROR])
{
	const struct sockopt_row *row = request->row;
	bool sister = family == AF_INET6 && row->option6;

	if (sister && set(fd, IPPROTO_IPV6, row->option6, request) < 0)
		return say_failed(request, row->constant6, error);
	if (sister && type == SOCK_RAW)
		return 0;
	if (set(fd, row->level, row->option, request) == 0 ||
	    (sister && !SOCKCAT_LINUX))
		return 0;
	return say_failed(request, row->constant, error);
}

static int
apply_one(int fd, int family, int type,
	  const struct sockopt_request *request,
	  char error[SOCKOPT_ERROR])
{
	if (sockopt_check(request, family, type, error) < 0) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (request->row)
		return apply_row(fd, family, type, request, error);
	if (set(fd, request->level, request->option, request) < 0)
		return say_failed(request, "it", error);
	return 0;
}

int
sockopt_apply(int fd, int family, int type, enum sockopt_phase phase,
	      const struct sockopt_request *requests, size_t count,
	      char error[SOCKOPT_ERROR])
{
	for (size_t i = 0; i < count; i++)
		if (is_due(&requests[i], family, phase) &&
		    apply_one(fd, family, type, &requests[i], error) < 0)
			return -1;
	return 0;
}

/* Room for what list_phases() says. */
#define WHEN 16

static const char *
level_name(const struct sockopt_row *row)
{
	switch (row->level) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_IP:
		return row->option6 ? "ip+ipv6" : "ip";
	case IPPROTO_IPV6:
		return "ipv6";
	default:
		return "socket";
	}
}

/* Appends `word` and a blank before it where there is something already. */
static void
append(char *list, size_t size, const char *word)
{
	size_t length = strlen(list);

	snprintf(list + length, size - length, "%s%s", length ? " " : "",
		 word);
}

/* The first phase, and a '+' where the option is set anew in a later one. */
static const char *
list_phases(const struct sockopt_row *row, char *when)
{
	size_t first = 0;

	while (!(row->phases & 1u << first))
		first++;
	snprintf(when, WHEN, "%s%s", phase_names[first],
		 row->phases >> first == 1 ? "" : "+");
	return when;
}

static void
list_row(FILE *out, const struct sockopt_row *row)
{
	char hint[HINT], when[WHEN];
	char on_families[32] = "", on_types[40] = "";

	if (row->families == ANY)
		append(on_families, sizeof(on_families), "any");
	else
		for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
			if (row->families & 1u << i)
				append(on_families, sizeof(on_families),
				       families[i].name);
	if (row->types == ALL)
		append(on_types, sizeof(on_types), "any");
	else
		for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
			if (row->types & 1u << types[i].number)
				append(on_types, sizeof(on_types),
				       types[i].name);
	fprintf(out, "%-19s %-7s %-18s %-9s %-15s %s\n", row->name,
		level_name(row), value_hint(row, hint),
		list_phases(row, when), on_families, on_types);
}

static void
list_keywords(FILE *out, const struct sockopt_row *row)
{
	int column = fprintf(out, "%s:", row->name);

	for (const struct keyword *word = row->keywords; word->name; word++) {
		if (column + 1 + (int)strlen(word->name) > 78)
			column = fprintf(out, "\n   ") - 1;
		column += fprintf(out, " %s", word->name);
	}
	fprintf(out, "\n");
}

static const char list_legend[] =
	"\n"
	"WHEN: made, before bind, before connect or listen, once connected "
	"or accepted\n"
	"      (+: that, and once more when connected or accepted)\n"
	"yes or no: also on, off, 1, 0; without a value yes\n"
	"number: 0x may start it; size: bytes, or with k, M or G\n"
	"seconds, ms, us: a number of those, or a time with its unit "
	"(500ms, 2m)\n"
	"time: seconds, with a fraction or a unit\n"
	"\n"
	"Keywords:\n";

int
sockopt_list(FILE *out)
{
	fprintf(out, "%-19s %-7s %-18s %-9s %-15s %s\n", "NAME", "LEVEL",
		"VALUE", "WHEN", "FAMILIES", "TYPES");
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		list_row(out, &rows[i]);
	fputs(list_legend, out);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		if (rows[i].kind == KIND_KEYWORD)
			list_keywords(out, &rows[i]);
	return ferror(out) || fflush(out) == EOF ? -1 : 0;
}
