/*
 * access.h: who may be a client: --allow, --deny, --allowfile, --denyfile
 */
#ifndef ACCESS_H
#define ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "net/family.h"

struct access;
struct access_option;	/* cli/options.h */
struct loop;

struct access_request {
	const struct access_option *options;	/* must outlive the rules */
	size_t count;
	bool numeric_only;	/* -n: a name is an error */
	unsigned verbose;
	/* What the clients to come can be told by; other rules are errors. */
	bool addresses;
	bool users;		/* uid: and gid: */
	/*
	 * Called once, from the loop: `cause` is CAUSE_NONE, or what failed,
	 * which has been told.
	 */
	void (*done)(void *owner, enum cause cause);
	void *owner;
};

/*
 * Reads the rules: ADDRESS, ADDRESS/PREFIX, a name (all its addresses), uid:N
 * and gid:N (a name from passwd(5) or group(5) may stand for N). Names are
 * looked up once, from the loop, before `done`. Returns NULL with errno when
 * out of memory; access_free() may be called at any time.
 */
struct access *access_open(struct loop *loop,
			   const struct access_request *request);
void access_free(struct access *access);

/*
 * Whether the client at `peer` may come in; with `verbose` it is told of where
 * it may not. A denial wins; where anything is allowed by name, nothing else
 * is. An IPv4 peer is matched as IPv4. On a Unix socket the peer's user and
 * group, its supplementary groups included where the kernel tells them, are
 * asked of the connected `fd` (SO_PEERCRED in unix(7)); whoever cannot be
 * asked may not. NULL allows all.
 */
bool access_allows(const struct access *access, int fd,
		   const struct address *peer);

/*
 * The same of the sender of a message, for msgsock.h: `access` is a struct
 * access. Of several messages from one sender the first is told of.
 */
bool access_admits(void *access, const struct address *peer);

#endif
