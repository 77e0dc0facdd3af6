/*
 * endpoint.c (fuzzer): odd texts for endpoint_parse() and its sisters
 *
 * Includes the source, so that one file is all there is to compile:
 *	clang -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
 *		tests/fuzz/endpoint.c
 */
#include "../../src/net/endpoint.c"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* A message is one line that ends within its room. */
static void
check_error(const char *error)
{
	size_t length = strnlen(error, ENDPOINT_ERROR);

	check(length > 0 && length < ENDPOINT_ERROR);
	for (size_t i = 0; i < length; i++)
		check((unsigned char)error[i] >= ' ' && error[i] != 0x7f);
}

/* `part` points into `text` and goes on to its end. */
static void
check_tail(const char *part, const char *text)
{
	check(part > text || part == text);
	check(part < text + strlen(text));
	check(part[0] != '\0');
}

static void
check_host(const struct endpoint *endpoint, const char *text)
{
	size_t length = strnlen(endpoint->host, sizeof(endpoint->host));

	check(length <= ENDPOINT_HOST_MAX);
	check(strstr(text, endpoint->host) != NULL);
	check(length > 0 || endpoint->port != NULL);
	check(endpoint->path == NULL && !endpoint->abstract);
	for (size_t i = 0; i < length; i++)
		check((unsigned char)endpoint->host[i] > ' ');
	if (endpoint->port != NULL)
		check_tail(endpoint->port, text);
	if (endpoint->bracketed)
		check(strchr(endpoint->host, ':') != NULL);
}

static void
check_path(const struct endpoint *endpoint, const char *text)
{
	check(endpoint->host[0] == '\0' && endpoint->port == NULL);
	check(endpoint->transport == TRANSPORT_UNSAID);
	check_tail(endpoint->path, text);
	check(strlen(endpoint->path) < sizeof(struct sockaddr_un) -
	      offsetof(struct sockaddr_un, sun_path));
	check(!endpoint->abstract || endpoint->path[-1] == '@');
}

/* What the brackets' message proposes must be right itself. */
static void
check_proposal(const struct endpoint *endpoint, const char *error)
{
	char again[ENDPOINT_ERROR], proposal[ENDPOINT_ERROR];
	struct endpoint parsed;
	const char *start = strchr(error, '[');

	check_error(error);
	check(start != NULL && endpoint->port == NULL);
	memcpy(proposal, start, strlen(start) + 1);
	proposal[strlen(proposal) - 1] = '\0';
	check(endpoint_parse(proposal, &parsed, again) == 0);
	check(parsed.bracketed && parsed.port != NULL);
	check(!endpoint_needs_brackets(&parsed, again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[ENDPOINT_ERROR];
	struct endpoint endpoint;
	char *text = malloc(size + 1);

	check(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';

	if (endpoint_parse(text, &endpoint, error) == -1)
		check_error(error);
	else if (endpoint.kind == ENDPOINT_UNIX)
		check_path(&endpoint, text);
	else if (endpoint.kind == ENDPOINT_HOST)
		check_host(&endpoint, text);
	else	/* numbers, which have no text to point to */
		check(endpoint.fd >= 0 && endpoint.path == NULL);
	if (endpoint.kind == ENDPOINT_HOST &&
	    endpoint_needs_brackets(&endpoint, error))
		check_proposal(&endpoint, error);

	if (endpoint_parse_unix(text, &endpoint, error) == -1)
		check_error(error);
	else
		check_path(&endpoint, text);
	free(text);
	return 0;
}
