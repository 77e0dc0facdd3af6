/*
 * resolve.c: names → addresses, without stopping the event loop
 *
 * Theory of operation. A look-up is shared by the thread that asks and the
 * resolve that waits; whoever lets go of it last frees it. The thread owns
 * the writing end of a pipe and tells through it that the answer is there;
 * the loop watches the reading end. Abandoning a look-up is to close the
 * reading end and let go: the thread finds nobody listening, and ends.
 */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "base/number.h"

struct lookup {
	atomic_int holders;
	int told;		/* the pipe's writing end: the thread's */
	int family;
	int error, system_error;	/* EAI_*, and errno with EAI_SYSTEM */
	struct address *list;
	size_t count;
	char host[];
};

struct resolve {
	struct loop *loop;
	struct watch watch;	/* the pipe's reading end; fd -1: none */
	struct lookup *lookup;	/* NULL where no name was looked up */
	void (*done)(void *owner, int error, const struct address *list,
		     size_t count);
	void *owner;
	struct address numeric;
};

static void
lookup_release(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->holders, 1) > 1)
		return;
	free(lookup->list);
	free(lookup);
}

/* Copies what is no repetition and returns how many that were. */
static size_t
copy_unique(const struct addrinfo *info, struct address *out)
{
	size_t count = 0;

	for (; info != NULL; info = info->ai_next) {
		struct address address = { .length = info->ai_addrlen };
		size_t i = 0;

		if ((info->ai_family != AF_INET &&
		     info->ai_family != AF_INET6) ||
		    info->ai_addrlen > sizeof(address.storage))
			continue;
		memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
		while (i < count && !address_equal(&out[i], &address))
			i++;
		if (i == count)
			out[count++] = address;
	}
	return count;
}

/* Copies, taking turns between the first one's family and the other. */
static void
interleave(const struct address *in, size_t count,
	   struct address *out)
{
	size_t next[2] = { 0, 0 }, done = 0;
	int other = 0;

	while (done < count) {
		size_t at = next[other];

		while (at < count && other != (in[at].sa.sa_family !=
					       in[0].sa.sa_family))
			at++;
		next[other] = at + 1;
		if (at < count)
			out[done++] = in[at];
		other = !other;
	}
}

/* Puts the answer's addresses into the list; 0 or EAI_*. */
static int
lookup_list(struct lookup *lookup, const struct addrinfo *info)
{
	const struct addrinfo *each;
	struct address *found;
	size_t length = 0;

	for (each = info; each != NULL; each = each->ai_next)
		length++;
	if (length == 0)
		return EAI_NONAME;
	found = calloc(length, sizeof(*found));
	lookup->list = calloc(length, sizeof(*lookup->list));
	if (found == NULL || lookup->list == NULL) {
		free(found);
		return EAI_MEMORY;
	}
	lookup->count = copy_unique(info, found);
	interleave(found, lookup->count, lookup->list);
	free(found);
	return lookup->count > 0 ? 0 : EAI_NONAME;
}

static void
lookup_ask(struct lookup *lookup)
{
	/*
	 * Without AI_ADDRCONFIG: glibc does not count loopback addresses, so
	 * it would hide localhost from -4 and -6 on a host without a network.
	 * An address that cannot be reached fails at once anyway. The type is
	 * there because otherwise each address comes once for each type.
	 */
	const struct addrinfo hints = {
		.ai_family = lookup->family, .ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *info = NULL;

	errno = 0;
	lookup->error = getaddrinfo(lookup->host, NULL, &hints, &info);
	lookup->system_error = errno;
	/* Without descriptors it finds nothing, and says so in other words. */
	if (lookup->error != 0 && (errno == EMFILE || errno == ENFILE))
		lookup->error = EAI_SYSTEM;
	if (lookup->error == 0) {
		lookup->error = lookup_list(lookup, info);
		freeaddrinfo(info);
	}
}

static void *
lookup_run(void *argument)
{
	struct lookup *lookup = argument;
	int told = lookup->told;

	lookup_ask(lookup);
	lookup_release(lookup);
	/* Not just close(2): a child may hold a copy until it calls exec. */
	(void)!write(told, "", 1);
	close(told);
	return NULL;
}

static void
lookup_answered(struct watch *watch, short events)
{
	struct resolve *resolve = container_of(watch, struct resolve, watch);
	const struct lookup *lookup = resolve->lookup;

	(void)events;
	/* Seeing that the thread has let go, we see what it wrote before. */
	if (atomic_load(&lookup->holders) > 1)
		return;
	loop_unwatch(resolve->loop, watch);
	close(watch->fd);
	watch->fd = -1;
	errno = lookup->system_error;
	resolve->done(resolve->owner, lookup->error, lookup->list,
		      lookup->count);
}

/* Starts a detached thread in which no signal is ever handled; 0 or errno. */
static int
thread_start(void *(*run)(void *), void *argument)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int error = pthread_attr_init(&attributes);

	if (error != 0)
		return error;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}

static struct lookup *
lookup_new(const char *host, int family, int told)
{
	size_t size = strlen(host) + 1;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + size);

	if (lookup == NULL)
		return NULL;
	atomic_init(&lookup->holders, 2);
	lookup->told = told;
	lookup->family = family;
	memcpy(lookup->host, host, size);
	return lookup;
}

/* Sets the watch and starts the thread; 0, or an errno with nothing held. */
static int
lookup_start(struct resolve *resolve,
	     const struct resolve_request *request)
{
	int ends[2], error;

	if (compat_pipe(ends) == -1)
		return errno;
	resolve->lookup = lookup_new(request->host, request->family, ends[1]);
	resolve->watch.fd = ends[0];
	loop_watch(resolve->loop, &resolve->watch, POLLIN);
	error = resolve->lookup != NULL ?
	    thread_start(lookup_run, resolve->lookup) : ENOMEM;
	if (error != 0) {
		loop_unwatch(resolve->loop, &resolve->watch);
		free(resolve->lookup);
		close(ends[0]);
		close(ends[1]);
	}
	return error;
}

/* Whether the answer needs no look-up; it is then in `*error` and `*out`. */
static bool
answer_at_once(const struct resolve_request *request, int *error,
	       struct address *out)
{
	int result = address_numeric(request->host, 0, out);

	if (result == -1) {
		*error = RESOLVE_NOT_NUMERIC;
		return request->numeric_only;
	}
	if (result == -2)
		*error = RESOLVE_NO_INTERFACE;
	else if (request->family != AF_UNSPEC &&
		 request->family != out->sa.sa_family)
		*error = RESOLVE_OTHER_FAMILY;
	else
		*error = 0;
	return true;
}

struct resolve *
resolve_start(struct loop *loop,
	      const struct resolve_request *request)
{
	struct resolve *resolve = calloc(1, sizeof(*resolve));
	int error;

	if (resolve == NULL)
		return NULL;
	*resolve = (struct resolve){
		.loop = loop,
		.watch = { .fd = -1, .ready = lookup_answered },
		.done = request->done, .owner = request->owner,
	};
	if (answer_at_once(request, &error, &resolve->numeric)) {
		resolve->done(resolve->owner, error, &resolve->numeric,
			      error == 0 ? 1 : 0);
		return resolve;
	}
	error = lookup_start(resolve, request);
	if (error != 0) {
		free(resolve);
		errno = error;
		return NULL;
	}
	return resolve;
}

void
resolve_free(struct resolve *resolve)
{
	if (resolve == NULL)
		return;
	loop_unwatch(resolve->loop, &resolve->watch);
	if (resolve->watch.fd != -1)
		close(resolve->watch.fd);
	if (resolve->lookup != NULL)
		lookup_release(resolve->lookup);
	free(resolve);
}

/* gai_strerror(3) translates, and each C library words it differently. */
static const struct {
	int error;
	const char *text;
} texts[] = {
	{ EAI_AGAIN, "Temporary failure in name resolution" },
	{ EAI_BADFLAGS, "Bad flags for a name look-up" },
	{ EAI_FAIL, "Non-recoverable failure in name resolution" },
	{ EAI_FAMILY, "Address family not supported" },
	{ EAI_MEMORY, "Out of memory" },
	{ EAI_NONAME, "Name or service not known" },
	{ EAI_SERVICE, "Service not supported for this type of socket" },
	{ EAI_SOCKTYPE, "Type of socket not supported" },
#ifdef EAI_NODATA
	{ EAI_NODATA, "No address associated with hostname" },
#endif
#ifdef EAI_ADDRFAMILY
	{ EAI_ADDRFAMILY, "Address family for hostname not supported" },
#endif
#ifdef EAI_OVERFLOW
	{ EAI_OVERFLOW, "Name too long" },
#endif
	{ RESOLVE_NO_INTERFACE, "No such interface" },
	{ RESOLVE_NOT_NUMERIC,
	  "Name or service not known (-n takes numeric addresses only)" },
	{ RESOLVE_OTHER_FAMILY, "Address family for hostname not supported" },
};

const char *
resolve_strerror(int error)
{
	if (error == EAI_SYSTEM)
		return diag_strerror(errno);
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		if (texts[i].error == error)
			return texts[i].text;
	return "Unknown failure in name resolution";
}

enum cause
resolve_cause(int error)
{
	if (error == 0)
		return CAUSE_NONE;
	if (error == EAI_SYSTEM)
		return cause_of_errno(errno);
	return error == EAI_MEMORY ? CAUSE_LOCAL : CAUSE_UNKNOWN_NAME;
}

#define RANGE_CHARACTERS "0123456789-"
#define PORT_COUNT (UINT16_MAX + 1)

/* Reads a number or the name of a service; 0, or -1. */
static int
port_parse(const char *text, const char *protocol, uint16_t *port)
{
	const struct servent *service;
	unsigned long number;

	if (number_parse(text, 0, UINT16_MAX, &number) == 0) {
		*port = (uint16_t)number;
		return 0;
	}
	/* Reading services(5) takes longer than all else for a number. */
	if (text[strspn(text, RANGE_CHARACTERS)] == '\0')
		return -1;
	service = getservbyname(text, protocol);
	if (service == NULL)
		return -1;
	*port = ntohs((uint16_t)service->s_port);
	return 0;
}

/*
 * Reads two ports with a '-' between them; 0, or -1. Names may contain '-'
 * themselves, so each one is tried.
 */
static int
range_parse(char *text, const char *protocol,
	    struct port_range *range)
{
	char *dash;

	for (dash = strchr(text, '-'); dash != NULL;
	     dash = strchr(dash + 1, '-')) {
		int result;

		*dash = '\0';
		result = port_parse(text, protocol, &range->first);
		if (result == 0)
			result = port_parse(dash + 1, protocol, &range->last);
		*dash = '-';
		if (result == 0)
			return 0;
	}
	return -1;
}

/* Why `text` is neither a port nor a range: -1 or -2, as ports_parse(). */
static int
item_error(const char *text, const char *protocol,
	   char error[PORTS_ERROR])
{
	size_t digits = strspn(text, RANGE_CHARACTERS);

	if (text[0] == '\0') {
		snprintf(error, PORTS_ERROR, "a port is missing");
		return -1;
	}
	if (text[digits] == '\0') {
		snprintf(error, PORTS_ERROR,
			 "%s is not a port or a range from 0 to 65535", text);
		return -1;
	}
	/* Names of services start with a letter, bar a few (3com-tsmux). */
	if (digits > 0 || strspn(text, " \t+") > 0) {
		snprintf(error, PORTS_ERROR, "%s is not a port", text);
		return -1;
	}
	snprintf(error, PORTS_ERROR, "service %s/%s is not known", text,
		 protocol);
	return -2;
}

/* Reads what stands between two commas, as ports_parse() does. */
static int
item_parse(char *text, const char *protocol,
	   struct port_range *range, char error[PORTS_ERROR])
{
	if (port_parse(text, protocol, &range->first) == 0) {
		range->last = range->first;
		return 0;
	}
	if (range_parse(text, protocol, range) == -1)
		return item_error(text, protocol, error);
	if (range->first > range->last) {
		snprintf(error, PORTS_ERROR,
			 "port range %s runs backwards", text);
		return -1;
	}
	return 0;
}

int
ports_parse(const char *text, const char *protocol,
	    struct port_range **ranges, size_t *count,
	    char error[PORTS_ERROR])
{
	size_t commas = 0, done = 0;
	char *copy = strdup(text), *item = copy, *end;
	struct port_range *list;
	int result = 0;

	for (const char *at = text; *at != '\0'; at++)
		commas += *at == ',';
	list = calloc(commas + 1, sizeof(*list));
	if (copy == NULL || list == NULL) {
		snprintf(error, PORTS_ERROR, "%s", diag_strerror(ENOMEM));
		result = -1;
	}
	while (result == 0 && done <= commas) {
		end = item + strcspn(item, ",");
		*end = '\0';
		result = item_parse(item, protocol, &list[done++], error);
		item = end + 1;
	}
	free(copy);
	if (result != 0) {
		free(list);
		return result;
	}
	*ranges = list;
	*count = done;
	return 0;
}

uint16_t *
ports_list(const struct port_range *ranges, size_t count,
	   size_t *total)
{
	unsigned char seen[PORT_COUNT / 8] = { 0 };
	size_t room = 1, done = 0;	/* malloc(0) may return NULL */
	uint16_t *list;

	for (size_t i = 0; i < count; i++)
		room += (size_t)(ranges[i].last - ranges[i].first) + 1;
	if (room > PORT_COUNT)
		room = PORT_COUNT;
	list = malloc(room * sizeof(*list));
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		for (unsigned port = ranges[i].first; port <= ranges[i].last;
		     port++) {
			unsigned char bit = (unsigned char)(1U << port % 8);

			if ((seen[port / 8] & bit) == 0)
				list[done++] = (uint16_t)port;
			seen[port / 8] |= bit;
		}
	}
	*total = done;
	return list;
}
