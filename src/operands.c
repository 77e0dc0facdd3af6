/*
 * operands.c: DESTINATION PORT… when connecting, ADDRESS PORT when listening
 */
#include "operands.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "family.h"

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

/* What the endpoint's form says of the family and the type. */
static int
settle_types(struct options *options, char error[OPERANDS_ERROR])
{
	const struct endpoint *endpoint = &options->endpoint;

	if (endpoint->kind == ENDPOINT_UNIX) {
		if (options->family == AF_INET || options->family == AF_INET6)
			return complain(error, "a Unix-domain path excludes "
			    "-4 and -6");
		options->family = AF_UNIX;
	}
	if (endpoint->transport == TRANSPORT_UDP)
		return complain(error, "udp: datagrams are not offered");
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

	if (endpoint->kind == ENDPOINT_UNIX) {
		if (count > 0)
			return complain(error, "a Unix-domain path takes no "
			    "port: %s", ports[0]);
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
	return complain(error, "no port given");
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
	if (endpoint->kind == ENDPOINT_UNIX)
		return options->source_host == NULL &&
		    options->source_port == NULL ? 0 :
		    complain(error, "a Unix-domain path excludes -s and -p");
	if (merge_source_host(options, error) == -1 ||
	    merge_source_port(options, error) == -1)
		return -1;
	if (options->ports != NULL)
		return 0;
	if (endpoint_needs_brackets(endpoint, error))
		return -1;
	return complain(error, "no port to listen on given");
}

int
operands_apply(struct options *options, char *const *operands, size_t count,
	       char error[OPERANDS_ERROR])
{
	int result;

	if (options->family == AF_UNIX)
		result = apply_unix(options, operands, count, error);
	else if (options->listen)
		result = apply_listen(options, operands, count, error);
	else
		result = apply_connect(options, operands, count, error);
	return result == 0 ? settle_types(options, error) : -1;
}
