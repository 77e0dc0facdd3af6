/*
 * crowd.c: the clients that a listener with -k serves at once
 */
#include "serve/crowd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/diag.h"
#include "cli/options.h"
#include "net/connection.h"
#include "serve/hub.h"
#include "serve/local.h"
#include "serve/run.h"
#include "serve/serve.h"

/* One client. */
struct guest {
	struct crowd *crowd;
	struct local *local;
	struct guest *next, *previous;
};

struct crowd {
	struct run *run;
	struct hub *hub;	/* NULL: each client has its own */
	void (*left)(void *owner);
	void *owner;
	struct guest *guests;
	size_t count;
};

static void
guest_free(struct guest *guest)
{
	local_free(guest->local);
	if (guest->previous != NULL)
		guest->previous->next = guest->next;
	else
		guest->crowd->guests = guest->next;
	if (guest->next != NULL)
		guest->next->previous = guest->previous;
	guest->crowd->count--;
	free(guest);
}

/* What it ended with was told, and is its own affair. */
static void
guest_ended(void *owner, struct outcome outcome)
{
	struct guest *guest = owner;
	struct crowd *crowd = guest->crowd;

	(void)outcome;
	guest_free(guest);
	crowd->left(crowd->owner);
}

static bool
shares_local(const struct options *options)
{
	return options->exec == NULL && options->sh_exec == NULL &&
	    options->to_text == NULL && options->reply == NULL;
}

/*
 * Lets us have as many descriptors as the clients may need, where the soft
 * limit alone is in the way (getrlimit(2)). Programs would inherit that, and
 * some cannot cope: they are themselves the limit.
 */
static void
raise_descriptor_limit(const struct options *options)
{
	/* Two sockets, and a pipe each way for much data. */
	rlim_t wanted = (rlim_t)options->max_conns * 6 + 64;
	struct rlimit limit;

	if (options->exec != NULL || options->sh_exec != NULL ||
	    getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

struct crowd *
crowd_new(struct run *run, void (*left)(void *owner), void *owner)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	if (crowd == NULL)
		return NULL;
	raise_descriptor_limit(run->options);
	crowd->run = run;
	crowd->left = left;
	crowd->owner = owner;
	if (shares_local(run->options)) {
		crowd->hub = hub_new(run);
		if (crowd->hub == NULL) {
			free(crowd);
			return NULL;
		}
	}
	return crowd;
}

void
crowd_free(struct crowd *crowd)
{
	struct guest *guest, *next;

	if (crowd == NULL)
		return;
	for (guest = crowd->guests; guest != NULL; guest = next) {
		next = guest->next;
		guest_free(guest);
	}
	hub_free(crowd->hub);
	free(crowd);
}

void
crowd_add(struct crowd *crowd, const struct connection *connection)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	const struct local_request request = {
		.run = crowd->run, .connection = connection,
		.ended = guest_ended, .owner = guest,
	};

	if (guest == NULL) {
		(void)close(connection->fd);
		diag_error("serving a client failed: %s",
			   diag_strerror(ENOMEM));
		return;
	}
	guest->local = crowd->hub != NULL ?
	    hub_join(crowd->hub, &request) : serve_start(&request);
	if (guest->local == NULL) {
		diag_error("serving a client failed: %s",
			   diag_strerror(errno));
		free(guest);
		return;
	}
	guest->crowd = crowd;
	guest->next = crowd->guests;
	if (guest->next != NULL)
		guest->next->previous = guest;
	crowd->guests = guest;
	crowd->count++;
}

size_t
crowd_count(const struct crowd *crowd)
{
	return crowd->count;
}

struct outcome
crowd_expire(struct crowd *crowd, const char *limit)
{
	if (crowd->hub != NULL)
		return hub_expire(crowd->hub, limit);
	if (crowd->count > 0)
		diag_error("%s with %zu client%s connected", limit,
			   crowd->count, crowd->count == 1 ? "" : "s");
	else
		diag_error("%s", limit);
	return outcome_of(CAUSE_TIMED_OUT);
}
