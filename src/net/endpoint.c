/*
 * endpoint.c: the text of an endpoint, taken apart
 */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/compat.h"
#include "base/number.h"

/* One byte of sun_path is for the NUL: after a path, before a name. */
#define UNIX_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* How much of an operand a message quotes, so that its end fits in, too. */
#define QUOTE "%.300s"

static const struct prefix {
	const char *text;
	enum endpoint_kind kind;
	enum endpoint_transport transport;
} prefixes[] = {
	{ "tcp:", ENDPOINT_HOST, TRANSPORT_TCP },
	{ "udp:", ENDPOINT_HOST, TRANSPORT_UDP },
	{ "unix:", ENDPOINT_UNIX, TRANSPORT_UNSAID },
	{ "vsock:", ENDPOINT_VSOCK, TRANSPORT_UNSAID },
	{ "fd:", ENDPOINT_FD, TRANSPORT_UNSAID },
};

__attribute__((format(printf, 2, 3)))
static int
fail(char *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, ENDPOINT_ERROR, format, arguments);
	va_end(arguments);
	return -1;
}

/*
 * Whether `length` bytes are an IPv6 address in numbers, with or without a
 * %scope (RFC 4007, 11). Whether that is an interface of this host is not
 * looked up.
 */
static bool
is_inet6(const char *text, size_t length)
{
	char numbers[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	const char *percent = memchr(text, '%', length);

	if (percent != NULL) {
		size_t rest = length - (size_t)(percent + 1 - text);
		if (rest == 0 || memchr(percent + 1, ':', rest) != NULL)
			return false;
		length = (size_t)(percent - text);
	}
	if (length >= sizeof(numbers))
		return false;
	memcpy(numbers, text, length);
	numbers[length] = '\0';
	return inet_pton(AF_INET6, numbers, &ignored) == 1;
}

/*
 * Blanks and control characters are never part of a host or port, but are
 * easily left at the end of one by a script (a CR, say). Quotes only what is
 * before the bad byte, so that the message stays one line.
 */
static int
check_bytes(const char *text, char *error)
{
	for (const char *at = text; *at != '\0'; at++) {
		unsigned char byte = (unsigned char)*at;
		size_t before = (size_t)(at - text);

		if (byte <= ' ' || byte == 0x7f)
			return fail(error, "blank or control character "
				    "(0x%02X) in an address, after '%.*s'",
				    byte, before < 300 ? (int)before : 300,
				    text);
	}
	return 0;
}

static int
set_host(struct endpoint *out, const char *host, size_t length,
	 char *error)
{
	if (length > ENDPOINT_HOST_MAX)
		return fail(error, "host name too long: "
			    "%zu bytes, at most %d are possible",
			    length, ENDPOINT_HOST_MAX);
	memcpy(out->host, host, length);
	out->host[length] = '\0';
	return 0;
}

/* [ADDR6] or [ADDR6]:PORT; `text` is past the first bracket. */
static int
parse_bracketed(const char *text, struct endpoint *out, char *error)
{
	const char *end = strchr(text, ']');

	if (end == NULL)
		return fail(error, "'[" QUOTE "': no ']' after the '['", text);
	if (!is_inet6(text, (size_t)(end - text)))
		return fail(error, "'[" QUOTE "': what is in the brackets "
			    "is not an IPv6 address", text);
	if (end[1] == ':' && end[2] != '\0')
		out->port = end + 2;
	else if (end[1] == ':')
		return fail(error, "'[" QUOTE "': no port after the ':'", text);
	else if (end[1] != '\0')
		return fail(error, "'[" QUOTE "': only ':' and a port can "
			    "follow the ']'", text);
	out->bracketed = true;
	return set_host(out, text, (size_t)(end - text), error);
}

/*
 * Where the last colon of `text` is, if what stands before it is an IPv6
 * address and something follows; else NULL.
 */
static const char *
port_colon(const char *text)
{
	const char *colon = strrchr(text, ':');

	if (colon == NULL || colon[1] == '\0' ||
	    !is_inet6(text, (size_t)(colon - text)))
		return NULL;
	return colon;
}

/* A text with two colons or more, but not in brackets. */
static int
parse_inet6(const char *text, struct endpoint *out, char *error)
{
	size_t length = strlen(text);
	const char *colon;

	if (is_inet6(text, length))
		return set_host(out, text, length, error);
	colon = port_colon(text);
	if (colon != NULL)
		return fail(error, "an IPv6 address before a port "
			    "needs brackets: [%.*s]:" QUOTE,
			    (int)(colon - text), text, colon + 1);
	return fail(error, "'" QUOTE "' has several ':' but is not an IPv6 "
		    "address", text);
}

static int
parse_host(const char *text, struct endpoint *out, char *error)
{
	const char *colon = strchr(text, ':');

	if (check_bytes(text, error) == -1)
		return -1;
	if (strchr(text, '/') != NULL)
		return fail(error, "'" QUOTE "' is a path; after tcp: or udp: "
			    "stand a host and a port", text);
	if (text[0] == '[')
		return parse_bracketed(text + 1, out, error);
	if (colon == NULL)
		return set_host(out, text, strlen(text), error);
	if (strchr(colon + 1, ':') != NULL)
		return parse_inet6(text, out, error);
	if (colon[1] == '\0')
		return fail(error, "'" QUOTE "': no port after the ':'", text);
	out->port = colon + 1;
	return set_host(out, text, (size_t)(colon - text), error);
}

static int
parse_path(const char *text, struct endpoint *out, char *error)
{
	size_t length;

	out->kind = ENDPOINT_UNIX;
	out->abstract = text[0] == '@';
	out->path = out->abstract ? text + 1 : text;
	length = strlen(out->path);
	if (length == 0)
		return fail(error, out->abstract ?
			    "no name after the '@' of a Unix-domain socket" :
			    "the path of a Unix-domain socket is empty");
	if (length > UNIX_MAX)
		return fail(error, "the %s of a Unix-domain socket is too "
			    "long: %zu bytes, at most %zu are possible",
			    out->abstract ? "abstract name" : "path",
			    length, UNIX_MAX);
	return 0;
}

/* Reads a number of vsock(7), or one of the words that stand for one. */
static int
vsock_number(const char *text, unsigned *out)
{
	static const struct {
		const char *word;
		unsigned number;
	} words[] = {
		{ "any", 0xffffffffU }, { "hypervisor", 0 }, { "local", 1 },
		{ "host", 2 },
	};
	unsigned long number;

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		if (strcmp(text, words[i].word) == 0) {
			*out = words[i].number;
			return 0;
		}
	}
	if (number_parse(text, 0, 0xffffffffUL, &number) == -1)
		return -1;
	*out = (unsigned)number;
	return 0;
}

int
endpoint_parse_vsock(const char *cid, const char *port, struct endpoint *out,
		     char error[ENDPOINT_ERROR])
{
	*out = (struct endpoint){ .kind = ENDPOINT_VSOCK };
	if (vsock_number(cid, &out->cid) == -1)
		return fail(error, "'" QUOTE "' is not a CID: a number, any, "
			    "local or host", cid);
	if (vsock_number(port, &out->vsock_port) == -1)
		return fail(error, "'" QUOTE "' is not a port of a vsock "
			    "socket", port);
	return 0;
}

/* CID:PORT; the CID is copied out, as it must end in a NUL. */
static int
parse_vsock(const char *text, struct endpoint *out, char *error)
{
	const char *colon = strchr(text, ':');
	char cid[16];

	if (colon == NULL || (size_t)(colon - text) >= sizeof(cid))
		return fail(error, "vsock:" QUOTE " is not vsock:CID:PORT",
			    text);
	memcpy(cid, text, (size_t)(colon - text));
	cid[colon - text] = '\0';
	return endpoint_parse_vsock(cid, colon + 1, out, error);
}

static int
parse_fd(const char *text, struct endpoint *out, char *error)
{
	unsigned long number;

	out->kind = ENDPOINT_FD;
	if (number_parse(text, 0, 2147483647, &number) == -1)
		return fail(error, "fd:" QUOTE " does not name a descriptor",
			    text);
	out->fd = (int)number;
	return 0;
}

/* What stands behind the prefix of anything but a host. */
static int
parse_special(enum endpoint_kind kind, const char *text,
	      struct endpoint *out, char *error)
{
	/* A path may have any byte in it; numbers have none of those. */
	if (kind != ENDPOINT_UNIX && check_bytes(text, error) == -1)
		return -1;
	switch (kind) {
	case ENDPOINT_VSOCK:
		return parse_vsock(text, out, error);
	case ENDPOINT_FD:
		return parse_fd(text, out, error);
	case ENDPOINT_UNIX:
	case ENDPOINT_HOST:
		break;
	}
	return parse_path(text, out, error);
}

int
endpoint_parse_unix(const char *text, struct endpoint *out,
		    char error[ENDPOINT_ERROR])
{
	*out = (struct endpoint){ .kind = ENDPOINT_UNIX };
	return parse_path(text, out, error);
}

int
endpoint_parse(const char *text, struct endpoint *out,
	       char error[ENDPOINT_ERROR])
{
	*out = (struct endpoint){ .kind = ENDPOINT_HOST };
	if (text[0] == '\0')
		return fail(error, "an empty text is not an address");

	for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
		const struct prefix *prefix = &prefixes[i];
		size_t length = strlen(prefix->text);

		if (strncmp(text, prefix->text, length) != 0)
			continue;
		out->transport = prefix->transport;
		if (prefix->kind != ENDPOINT_HOST)
			return parse_special(prefix->kind, text + length, out,
					     error);
		if (text[length] == '\0')
			return fail(error, "'%s': no host and port after the "
				    "prefix", text);
		return parse_host(text + length, out, error);
	}
	if (strchr(text, '/') != NULL)
		return parse_path(text, out, error);
	return parse_host(text, out, error);
}

bool
endpoint_needs_brackets(const struct endpoint *endpoint,
			char error[ENDPOINT_ERROR])
{
	const char *host = endpoint->host, *colon = port_colon(host);

	/* A last group with letters is hardly meant as a port. */
	if (endpoint->port != NULL || endpoint->bracketed || colon == NULL ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return false;
	fail(error, "'%s' has no port; did you mean [%.*s]:%s?", host,
	     (int)(colon - host), host, colon + 1);
	return true;
}
