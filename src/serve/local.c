/*
 * local.c: the local side of a connection: what its data goes to
 */
#include "serve/local.h"

#include <stddef.h>

void
local_open(struct local *local, const struct local_kind *kind,
	   const struct local_request *request)
{
	*local = (struct local){
		.kind = kind, .run = request->run,
		.ended = request->ended, .owner = request->owner,
	};
}

struct outcome
local_expire(struct local *local, const char *limit)
{
	return local->kind->expire(local, limit);
}

void
local_free(struct local *local)
{
	if (local != NULL)
		local->kind->free(local);
}
