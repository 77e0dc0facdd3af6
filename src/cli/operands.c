/*
 * operands.c: DESTINATION PORT… when connecting, ADDRESS PORT when listening
 */
#include "cli/operands.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/activation.h"
#include "net/family.h"
#include "net/protocol.h"

#define complain(error, ...) \
	((void)snprintf(error, OPERANDS_ERROR, __VA_ARGS__), -1)

/* Whether a lone operand behind -l is a port or a service. */
static bool
looks_like_port(const char *text)
{
	struct address address;

	return strpbrk(text, "/:@") == NULL &&
	    address_numeric(text, 0, &address) == -1;
}

static const char *
type_name(int type)
{
	switch (type) {
	case SOCK_STREAM:
		return "stream";
	case SOCK_DGRAM:
		return "dgram";
	case SOCK_SEQPACKET:
		return "seqpacket";
	default:
		return "raw";
	}
}

/* One string of the port operands, with commas between them. */
static int
join_ports(struct options *options, char *const *ports, size_t count)
{
	size_t room = 1, length = 0, i;
	char *joined;

	for (i = 0; i < count; i++)
		room += strlen(ports[i]) + 1;
	joined = calloc(1, room);
	if (joined == NULL)
		return -1;
	for (i = 0; i < count; i++)
		length += (size_t)snprintf(joined + length, room - length,
					   "%s%s", i > 0 ? "," : "",
					   ports[i]);
	options->joined_ports = joined;
	options->ports = joined;
	return 0;
}

/* The family that a form of endpoint belongs to; AF_UNSPEC: inet, inet6. */
static int
family_of_kind(enum endpoint_kind kind)
{
	switch (kind) {
	case ENDPOINT_UNIX:
		return AF_UNIX;
	case ENDPOINT_VSOCK:
		return AF_VSOCK;
	case ENDPOINT_FD:
	case ENDPOINT_HOST:
		break;
	}
	return AF_UNSPEC;
}

/* What the endpoint's form says of the family. */
static int
settle_family(struct options *options, char error[OPERANDS_ERROR])
{
	int family = family_of_kind(options->endpoint.kind);

	if (family != AF_UNSPEC) {
		if (options->family != AF_UNSPEC && options->family != family &&
		    family_by_number(family) != NULL)
			return complain(error, "the endpoint is of family %s, "
			    "which excludes family %s",
			    family_by_number(family)->name,
			    family_by_number(options->family)->name);
		options->family = family;
	}
	if (options->family != AF_UNSPEC &&
	    family_by_number(options->family) == NULL)
		return complain(error, "this build has no vsock sockets");
	/* There is no raw socket for both versions of IP. */
	if (options->family == AF_UNSPEC && options->listen &&
	    options->endpoint.host[0] == '\0' &&
	    !protocol_has_ports(options->type, options->protocol))
		options->family = options->protocol == IPPROTO_ICMPV6 ?
		    AF_INET6 : AF_INET;
	return 0;
}

/* What the endpoint's prefix, the protocol and the family say of the type. */
static int
settle_type(struct options *options, char error[OPERANDS_ERROR])
{
	enum endpoint_transport transport = options->endpoint.transport;
	const struct family *family = family_by_number(options->family);

	if (options->protocol == PROTOCOL_UDPLITE ||
	    (transport == TRANSPORT_UDP && options->type == SOCK_STREAM))
		options->type = SOCK_DGRAM;
	else if (options->family == AF_PACKET && options->type == SOCK_STREAM)
		options->type = SOCK_RAW;
	if ((transport == TRANSPORT_TCP && options->type != SOCK_STREAM) ||
	    (transport == TRANSPORT_UDP && options->type != SOCK_DGRAM))
		return complain(error, "the endpoint's prefix and the options "
		    "name different types of socket");
	if (family != NULL && (family->types & (1U << options->type)) == 0)
		return complain(error, "%s sockets are never %s",
				family->name, type_name(options->type));
	if (options->type == SOCK_RAW && options->protocol == 0 &&
	    options->family != AF_PACKET)
		return complain(error, "--raw needs --protocol");
	return 0;
}

static int
apply_unix(struct options *options, char *const *operands, size_t count,
	   char error[OPERANDS_ERROR])
{
	if (options->source_port != NULL ||
	    (options->source_host != NULL && options->listen))
		return complain(error, "a Unix-domain socket excludes %s",
				options->source_port != NULL ? "-p" : "-s");
	if (count == 0)
		return complain(error, "no path given for -U");
	if (count > 1)
		return complain(error, "a Unix-domain path takes no port: %s",
				operands[1]);
	return endpoint_parse_unix(operands[0], &options->endpoint, error);
}

/* The port of an endpoint that has been parsed; its own or the operands'. */
static int
settle_ports(struct options *options, char *const *ports, size_t count,
	     char error[OPERANDS_ERROR])
{
	const struct endpoint *endpoint = &options->endpoint;

	if (endpoint->kind != ENDPOINT_HOST) {
		if (count > 0)
			return complain(error, "the endpoint takes no port: "
			    "%s", ports[0]);
		return 0;
	}
	if (!protocol_has_ports(options->type, options->protocol)) {
		if (count > 0 || endpoint->port != NULL)
			return complain(error, "%s has no ports: %s",
			    protocol_name(options->type, options->protocol),
			    count > 0 ? ports[0] : endpoint->port);
		return 0;
	}
	if (count > 0 && endpoint->port != NULL)
		return complain(error, "two ports given: %s and %s",
				endpoint->port, ports[0]);
	if (count > 0)
		return join_ports(options, ports, count) == 0 ? 0 :
		    complain(error, "out of memory");
	options->ports = endpoint->port;
	if (options->ports != NULL)
		return 0;
	if (endpoint_needs_brackets(endpoint, error))
		return -1;
	return complain(error, "no port given for %s", endpoint->host);
}

/* CID PORT; with -l the CID may be left out. */
static int
apply_vsock(struct options *options, char *const *operands, size_t count,
	    char error[OPERANDS_ERROR])
{
	if (options->listen && count == 1)
		return endpoint_parse_vsock("any", operands[0],
					    &options->endpoint, error);
	if (count != 2)
		return complain(error, "--vsock takes CID and PORT");
	return endpoint_parse_vsock(operands[0], operands[1],
				    &options->endpoint, error);
}

/* A link has no address of its own: the interface says it all. */
static int
apply_packet(const struct options *options, char *const *operands,
	     size_t count, char error[OPERANDS_ERROR])
{
	if (options->interface == NULL)
		return complain(error, "--family packet needs --interface");
	if (count > 0)
		return complain(error, "--family packet takes no operand: %s",
				operands[0]);
	return 0;
}

static int
apply_connect(struct options *options, char *const *operands, size_t count,
	      char error[OPERANDS_ERROR])
{
	if (count == 0)
		return complain(error, "no destination given");
	if (endpoint_parse(operands[0], &options->endpoint, error) == -1 ||
	    settle_ports(options, operands + 1, count - 1, error) == -1)
		return -1;
	if (options->endpoint.kind == ENDPOINT_HOST &&
	    options->endpoint.host[0] == '\0')
		return complain(error, "no host given: %s", operands[0]);
	return 0;
}

/* -s gives the address to listen on, where no operand did. */
static int
merge_source_host(struct options *options, char error[OPERANDS_ERROR])
{
	struct endpoint *endpoint = &options->endpoint;
	struct endpoint source;

	if (options->source_host == NULL)
		return 0;
	if (endpoint_parse(options->source_host, &source, error) == -1)
		return -1;
	if (source.port != NULL || source.kind != ENDPOINT_HOST)
		return complain(error, "-s takes an address alone: %s",
				options->source_host);
	if (endpoint->host[0] != '\0' &&
	    strcmp(endpoint->host, source.host) != 0)
		return complain(error, "two addresses given: %s and %s",
				source.host, endpoint->host);
	memcpy(endpoint->host, source.host, sizeof(endpoint->host));
	options->source_host = NULL;
	return 0;
}

/* -p gives the port to listen on, where no operand did. */
static int
merge_source_port(struct options *options, char error[OPERANDS_ERROR])
{
	if (options->source_port == NULL)
		return 0;
	if (options->ports != NULL &&
	    strcmp(options->ports, options->source_port) != 0)
		return complain(error, "two different ports given: %s and %s",
				options->source_port, options->ports);
	options->ports = options->source_port;
	options->source_port = NULL;
	return 0;
}

static int
apply_listen(struct options *options, char *const *operands, size_t count,
	     char error[OPERANDS_ERROR])
{
	struct endpoint *endpoint = &options->endpoint;

	if (count > 2)
		return complain(error, "too many operands: %s", operands[2]);
	if (count == 1 && options->source_port == NULL &&
	    protocol_has_ports(options->type, options->protocol) &&
	    looks_like_port(operands[0])) {
		options->ports = operands[0];
	} else if (count > 0) {
		if (endpoint_parse(operands[0], endpoint, error) == -1)
			return -1;
		options->ports = endpoint->port;
		if (count == 2 &&
		    settle_ports(options, operands + 1, 1, error) == -1)
			return -1;
	}
	if (endpoint->kind != ENDPOINT_HOST)
		return options->source_host == NULL &&
		    options->source_port == NULL ? 0 :
		    complain(error, "the endpoint excludes -s and -p");
	if (merge_source_host(options, error) == -1 ||
	    merge_source_port(options, error) == -1)
		return -1;
	if (options->ports != NULL ||
	    !protocol_has_ports(options->type, options->protocol))
		return 0;
	if (endpoint_needs_brackets(endpoint, error))
		return -1;
	return complain(error, "no port to listen on given");
}

/* Where no address is given, the sockets that were handed over are taken. */
static bool
apply_activation(struct options *options, size_t count)
{
	if (!options->listen || count > 0 || options->source_host != NULL ||
	    options->source_port != NULL || options->family == AF_PACKET)
		return false;
	options->activated = activation_count();
	if (options->activated == 0)
		return false;
	options->endpoint.kind = ENDPOINT_FD;
	options->endpoint.fd = ACTIVATION_FIRST;
	return true;
}

int
operands_apply(struct options *options, char *const *operands, size_t count,
	       char error[OPERANDS_ERROR])
{
	int result;

	if (apply_activation(options, count))
		result = 0;
	else if (options->family == AF_UNIX)
		result = apply_unix(options, operands, count, error);
	else if (options->family == AF_VSOCK)
		result = apply_vsock(options, operands, count, error);
	else if (options->family == AF_PACKET)
		result = apply_packet(options, operands, count, error);
	else if (options->listen)
		result = apply_listen(options, operands, count, error);
	else
		result = apply_connect(options, operands, count, error);
	if (result == 0)
		result = settle_family(options, error);
	return result == 0 ? settle_type(options, error) : -1;
}
