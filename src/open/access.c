/*
 * access.c: who may be a client: --allow, --deny, --allowfile, --denyfile
 *
 * Options and files become one list of rules, which is walked for every
 * client. Whatever is not understood ends the run before anybody can come in:
 * a rule that is left out could be the one that keeps somebody out.
 */
#include "open/access.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "base/loop.h"
#include "base/number.h"
#include "cli/options.h"
#include "net/resolve.h"

#if SOCKCAT_LINUX && !defined(SO_PEERGROUPS)
#define SO_PEERGROUPS 59	/* asm-generic/socket.h, Linux 4.13 */
#endif

/* The longest name in the DNS (RFC 1035). */
#define NAME_MAX_LENGTH 253

/* Bits in front of the IPv4 address in ::ffff:0:0/96 (RFC 4291). */
#define MAPPED_BITS 96

enum rule_kind { RULE_ADDRESS, RULE_USER, RULE_GROUP };

struct rule {
	bool deny;
	enum rule_kind kind;
	sa_family_t family;	/* of an address, as the next three */
	unsigned bits;		/* of it that count */
	unsigned scope;		/* interface; 0: any */
	unsigned char address[16];
	unsigned long id;	/* of a user or a group */
};

/* Where a rule stands, for messages. */
struct origin {
	const struct access_option *option;
	unsigned long line;	/* of the file */
};

/* A name whose addresses are not known yet. */
struct unknown {
	struct origin origin;
	char *name;
};

struct access {
	struct loop *loop;
	struct access_request request;
	struct rule *rules;
	size_t count;
	bool allowing;		/* whoever is not allowed is denied */
	bool groups;		/* there are rules for groups */

	struct unknown *unknowns;
	size_t unknown_count, looked_up;
	struct resolve *resolve;
	enum cause cause;
	struct timer finish;	/* calls `done` from the loop */
	struct address refused;	/* the last sender that was */
};

/* Who is at the other end of a Unix socket. */
struct credentials {
	unsigned long user, group;
	gid_t *groups;		/* the supplementary ones; to be freed */
	size_t count;
};

/* Says what is wrong with `rule`. */
static void
tell(const struct origin *origin, const char *rule, const char *wrong)
{
	if (origin->option->file)
		diag_error("%s:%lu: %s: %s", origin->option->text,
			   origin->line, rule, wrong);
	else
		diag_error("%s %s: %s", origin->option->deny ?
			   "--deny" : "--allow", rule, wrong);
}

static enum cause
malformed(const struct origin *origin, const char *rule, const char *wrong)
{
	tell(origin, rule, wrong);
	return CAUSE_USAGE;
}

static enum cause
tell_memory(void)
{
	diag_error("reading the access rules failed: %s",
		   diag_strerror(errno));
	return CAUSE_LOCAL;
}

/* `list` with room for one more after `count`, a power of two at a time. */
static void *
grown(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	return realloc(list, (count == 0 ? 1 : count * 2) * size);
}

static enum cause
add_rule(struct access *access, const struct rule *rule)
{
	struct rule *rules = grown(access->rules, access->count,
				   sizeof(*rules));

	if (rules == NULL)
		return tell_memory();
	access->rules = rules;
	rules[access->count++] = *rule;
	access->groups = access->groups || rule->kind == RULE_GROUP;
	return CAUSE_NONE;
}

/* The bytes of an Internet address: 4 or 16. */
static const unsigned char *
address_bytes(const struct address *address)
{
	return address->sa.sa_family == AF_INET ?
	    (const unsigned char *)&address->in.sin_addr :
	    address->in6.sin6_addr.s6_addr;
}

/* A rule for the first `bits` of an Internet address. */
static enum cause
add_address(struct access *access, bool deny, const struct address *address,
	    unsigned bits)
{
	struct rule rule = {
		.deny = deny, .kind = RULE_ADDRESS, .bits = bits,
		.family = address->sa.sa_family,
	};

	memcpy(rule.address, address_bytes(address),
	       rule.family == AF_INET ? 4 : 16);
	if (rule.family == AF_INET6)
		rule.scope = address->in6.sin6_scope_id;
	return add_rule(access, &rule);
}

/* ADDRESS that has been read, and the text behind its slash, or NULL. */
static enum cause
add_prefix(struct access *access, const struct origin *origin,
	   const char *rule, struct address *address, const char *prefix)
{
	bool deny = origin->option->deny;
	unsigned most = address->sa.sa_family == AF_INET ? 32 : 128;
	unsigned long bits = most;

	if (prefix != NULL && number_parse(prefix, 0, most, &bits) == -1)
		return malformed(origin, rule, most == 32 ?
				 "the prefix must be a number up to 32" :
				 "the prefix must be a number up to 128");
	address_unmap(address);
	if (most == 128 && address->sa.sa_family == AF_INET) {
		/* Peers never look like that, and a shorter one hides IPv4. */
		if (bits < MAPPED_BITS)
			return malformed(origin, rule, "write the prefix of "
					 "an IPv4 address as IPv4");
		bits -= MAPPED_BITS;
	}
	return add_address(access, deny, address, (unsigned)bits);
}

/* Whether it is (the last part of) an address, or of a range of them. */
static bool
is_number(const char *text, size_t length)
{
	size_t i;

	/* inet_aton(3) takes these, too. */
	if (length > 2 && text[0] == '0' && (text[1] | 0x20) == 'x')
		return strspn(text + 2, "0123456789abcdefABCDEF") >= length - 2;
	for (i = 0; i < length; i++)
		if (isalpha((unsigned char)text[i]))
			return false;
	return true;
}

/*
 * Whether it can be a host's name. What ends in a number never is (RFC 1123,
 * 2.1), and to getaddrinfo(3) 10.1 is an address of its own kind.
 */
static bool
looks_like_name(const char *text)
{
	size_t length = strlen(text), last = 0, i;

	if (length > 0 && text[length - 1] == '.')
		length--;	/* the root's dot */
	if (length > NAME_MAX_LENGTH)
		return false;
	for (i = 0; i < length; i++) {
		if (text[i] == '.')
			last = i + 1;
		else if (!isalnum((unsigned char)text[i]) &&
			 text[i] != '-' && text[i] != '_')
			return false;
	}
	return !is_number(text + last, length - last);
}

/* Remembers a name that is to be looked up. */
static enum cause
add_name(struct access *access, const struct origin *origin,
	 const char *name)
{
	struct unknown *list = grown(access->unknowns, access->unknown_count,
				     sizeof(*list));
	char *copy = strdup(name);

	if (list != NULL)
		access->unknowns = list;
	if (list == NULL || copy == NULL) {
		free(copy);
		return tell_memory();
	}
	list[access->unknown_count++] = (struct unknown){
		.origin = *origin, .name = copy,
	};
	return CAUSE_NONE;
}

/* A user's or a group's number from its name; -1 where there is none. */
static int
id_of_name(enum rule_kind kind, const char *name, unsigned long *id)
{
	const struct passwd *user;
	const struct group *group;

	if (kind == RULE_USER) {
		user = getpwnam(name);
		if (user != NULL)
			*id = user->pw_uid;
		return user != NULL ? 0 : -1;
	}
	group = getgrnam(name);
	if (group != NULL)
		*id = group->gr_gid;
	return group != NULL ? 0 : -1;
}

/* uid:N or gid:N; `id` is what stands behind the colon. */
static enum cause
add_id(struct access *access, const struct origin *origin, const char *text,
       enum rule_kind kind, const char *id)
{
	struct rule rule = { .deny = origin->option->deny, .kind = kind };

	if (!access->request.users)
		return malformed(origin, text, "only clients that connect to "
				 "a Unix socket have a user and groups");
	if (id[0] == '\0')
		return malformed(origin, text, "names nobody");
	/* The highest means "none" (chown(2)). */
	if (id[strspn(id, "0123456789")] == '\0') {
		if (number_parse(id, 0, UINT32_MAX - 1UL, &rule.id) == -1)
			return malformed(origin, text, "the number is too "
					 "large");
	} else if (id_of_name(kind, id, &rule.id) == -1) {
		tell(origin, text, kind == RULE_USER ? "no such user" :
		     "no such group");
		return CAUSE_UNKNOWN_NAME;
	}
	if (!SOCKCAT_LINUX) {
		tell(origin, text, "this build cannot ask who a client is");
		return CAUSE_LOCAL;
	}
	return add_rule(access, &rule);
}

/* Reads one rule that is an address, a prefix or a host's name. */
static enum cause
add_host(struct access *access, const struct origin *origin,
	 const char *text)
{
	const char *slash = strrchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	struct address address;
	char host[NAME_MAX_LENGTH + 2];

	if (!access->request.addresses)
		return malformed(origin, text, access->request.users ?
				 "the clients of a Unix socket are told by "
				 "uid:N and gid:N" :
				 "this listener cannot tell its clients "
				 "apart");
	if (length >= sizeof(host))
		return malformed(origin, text, "too long");
	memcpy(host, text, length);
	host[length] = '\0';
	switch (address_numeric(host, 0, &address)) {
	case 0:
		return add_prefix(access, origin, text, &address,
				  slash != NULL ? slash + 1 : NULL);
	case -2:
		tell(origin, text, resolve_strerror(RESOLVE_NO_INTERFACE));
		return CAUSE_UNKNOWN_NAME;
	default:
		break;
	}
	if (slash != NULL || !looks_like_name(host))
		return malformed(origin, text, "neither ADDRESS, "
				 "ADDRESS/PREFIX, a name, uid:N nor gid:N");
	if (access->request.numeric_only) {
		tell(origin, text, resolve_strerror(RESOLVE_NOT_NUMERIC));
		return CAUSE_UNKNOWN_NAME;
	}
	return add_name(access, origin, host);
}

static enum cause
add_text(struct access *access, const struct origin *origin,
	 const char *text)
{
	if (strncmp(text, "uid:", 4) == 0)
		return add_id(access, origin, text, RULE_USER, text + 4);
	if (strncmp(text, "gid:", 4) == 0)
		return add_id(access, origin, text, RULE_GROUP, text + 4);
	return add_host(access, origin, text);
}

/* Reads the rules in `text`, which it cuts up, with separators between. */
static enum cause
read_rules(struct access *access, const struct origin *origin, char *text)
{
	static const char separators[] = ", \t\r\n";
	enum cause cause = CAUSE_NONE;
	char *rest = NULL, *rule = strtok_r(text, separators, &rest);

	for (; rule != NULL && cause == CAUSE_NONE;
	     rule = strtok_r(NULL, separators, &rest))
		cause = add_text(access, origin, rule);
	return cause;
}

/* An empty place in a list is a variable of a script that was not set. */
static bool
has_gap(const char *list)
{
	size_t length;

	for (;; list += length + 1) {
		length = strcspn(list, ",");
		if (strspn(list, " \t") >= length)
			return true;
		if (list[length] == '\0')
			return false;
	}
}

static enum cause
read_list(struct access *access, const struct origin *origin)
{
	const char *list = origin->option->text;
	enum cause cause;
	char *copy;

	if (has_gap(list))
		return malformed(origin, list[0] != '\0' ? list : "\"\"",
				 "an empty rule");
	copy = strdup(list);
	if (copy == NULL)
		return tell_memory();
	cause = read_rules(access, origin, copy);
	free(copy);
	return cause;
}

static enum cause
tell_unreadable(const struct origin *origin)
{
	diag_error("read %s failed: %s", origin->option->text,
		   diag_strerror(errno));
	return cause_of_errno(errno);
}

static enum cause
read_lines(struct access *access, struct origin *origin, FILE *file)
{
	enum cause cause = CAUSE_NONE;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while (cause == CAUSE_NONE &&
	       (length = getline(&line, &room, file)) != -1) {
		origin->line++;
		if (strlen(line) != (size_t)length) {
			cause = malformed(origin, line, "has a NUL byte");
			break;
		}
		line[strcspn(line, "#")] = '\0';
		cause = read_rules(access, origin, line);
	}
	if (cause == CAUSE_NONE && !feof(file))
		cause = tell_unreadable(origin);
	free(line);
	return cause;
}

static enum cause
read_file(struct access *access, struct origin *origin)
{
	FILE *file = fopen(origin->option->text, "re");
	enum cause cause;

	if (file == NULL)
		return tell_unreadable(origin);
	cause = read_lines(access, origin, file);
	(void)fclose(file);
	return cause;
}

/* Whether anybody can come in; a name is there before its addresses. */
static bool
allows_somebody(const struct access *access)
{
	size_t i;

	for (i = 0; i < access->count; i++)
		if (!access->rules[i].deny)
			return true;
	for (i = 0; i < access->unknown_count; i++)
		if (!access->unknowns[i].origin.option->deny)
			return true;
	return false;
}

static enum cause
read_options(struct access *access)
{
	enum cause cause = CAUSE_NONE;
	size_t i;

	for (i = 0; i < access->request.count && cause == CAUSE_NONE; i++) {
		struct origin origin = {
			.option = &access->request.options[i],
		};

		access->allowing = access->allowing || !origin.option->deny;
		cause = origin.option->file ? read_file(access, &origin) :
		    read_list(access, &origin);
	}
	/* That is what was asked for, and hardly what was meant. */
	if (cause == CAUSE_NONE && access->allowing &&
	    !allows_somebody(access))
		diag_error("no rule allows anybody: every client is refused");
	return cause;
}

static void
access_finish(struct access *access, enum cause cause)
{
	access->cause = cause;
	loop_timer(access->loop, &access->finish, 0);
}

static void
finish_expired(struct timer *timer)
{
	struct access *access = container_of(timer, struct access, finish);

	access->request.done(access->request.owner, access->cause);
}

static void look_up_next(struct access *access);

static void
looked_up(void *owner, int error, const struct address *list, size_t count)
{
	struct access *access = owner;
	const struct unknown *unknown = &access->unknowns[access->looked_up];
	enum cause cause = CAUSE_NONE;
	size_t i;

	if (error != 0) {
		tell(&unknown->origin, unknown->name, resolve_strerror(error));
		cause = resolve_cause(error);
	}
	for (i = 0; i < count && cause == CAUSE_NONE; i++) {
		struct address address = list[i];

		cause = add_prefix(access, &unknown->origin, unknown->name,
				   &address, NULL);
	}
	resolve_free(access->resolve);
	access->resolve = NULL;
	access->looked_up++;
	if (cause != CAUSE_NONE)
		access_finish(access, cause);
	else
		look_up_next(access);
}

/* One after the other: each has a thread of its own. */
static void
look_up_next(struct access *access)
{
	struct resolve_request request = {
		.family = AF_UNSPEC, .done = looked_up, .owner = access,
	};

	if (access->looked_up == access->unknown_count) {
		access_finish(access, CAUSE_NONE);
		return;
	}
	request.host = access->unknowns[access->looked_up].name;
	access->resolve = resolve_start(access->loop, &request);
	if (access->resolve == NULL)
		access_finish(access, tell_memory());
}

struct access *
access_open(struct loop *loop, const struct access_request *request)
{
	struct access *access = calloc(1, sizeof(*access));
	enum cause cause;

	if (access == NULL)
		return NULL;
	access->loop = loop;
	access->request = *request;
	access->finish.expired = finish_expired;
	cause = read_options(access);
	if (cause != CAUSE_NONE)
		access_finish(access, cause);
	else
		look_up_next(access);
	return access;
}

void
access_free(struct access *access)
{
	size_t i;

	if (access == NULL)
		return;
	loop_timer(access->loop, &access->finish, NEVER);
	resolve_free(access->resolve);
	for (i = 0; i < access->unknown_count; i++)
		free(access->unknowns[i].name);
	free(access->unknowns);
	free(access->rules);
	free(access);
}

#if SOCKCAT_LINUX

/* The supplementary groups, where the kernel tells; 0, or -1 with errno. */
static int
read_groups(int fd, struct credentials *out)
{
	socklen_t length = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) == 0)
		return 0;	/* there are none */
	if (errno != ERANGE)
		return errno == ENOPROTOOPT ? 0 : -1;
	out->groups = malloc(length);
	if (out->groups == NULL ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, out->groups,
		       &length) == -1)
		return -1;
	out->count = length / sizeof(*out->groups);
	return 0;
}

static int
read_credentials(int fd, bool groups, struct credentials *out)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	*out = (struct credentials){ .groups = NULL };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == -1)
		return -1;
	out->user = peer.uid;
	out->group = peer.gid;
	return groups ? read_groups(fd, out) : 0;
}

#else

/* POSIX has no way to ask. */
static int
read_credentials(int fd, bool groups, struct credentials *out)
{
	(void)fd;
	(void)groups;
	*out = (struct credentials){ .groups = NULL };
	errno = ENOTSUP;
	return -1;
}

#endif

static bool
in_group(const struct credentials *who, unsigned long group)
{
	size_t i;

	if (who->group == group)
		return true;
	for (i = 0; i < who->count; i++)
		if (who->groups[i] == group)
			return true;
	return false;
}

/* Whether the first `bits` of both are the same. */
static bool
same_prefix(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	return memcmp(a, b, bytes) == 0 &&
	    (rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0);
}

static bool
rule_matches(const struct rule *rule, const struct address *peer,
	     const struct credentials *who)
{
	switch (rule->kind) {
	case RULE_USER:
		return who != NULL && who->user == rule->id;
	case RULE_GROUP:
		return who != NULL && in_group(who, rule->id);
	case RULE_ADDRESS:
		break;
	}
	return peer->sa.sa_family == rule->family &&
	    same_prefix(rule->address, address_bytes(peer), rule->bits) &&
	    (rule->scope == 0 || rule->scope == peer->in6.sin6_scope_id);
}

/* The verdict of all rules; `who` is NULL but for a Unix socket. */
static bool
rules_allow(const struct access *access, const struct address *peer,
	    const struct credentials *who)
{
	bool allowed = !access->allowing;
	size_t i;

	for (i = 0; i < access->count; i++) {
		const struct rule *rule = &access->rules[i];

		if (allowed && !rule->deny)
			continue;
		if (!rule_matches(rule, peer, who))
			continue;
		if (rule->deny)
			return false;
		allowed = true;
	}
	return allowed;
}

/* The verdict on the one at `peer`, as IPv4 or IPv6; never on a Unix socket. */
static bool
address_allowed(const struct access *access, const struct address *peer)
{
	struct address address = *peer;

	address_unmap(&address);
	return rules_allow(access, &address, NULL);
}

static bool
unix_allows(const struct access *access, int fd, const struct address *peer)
{
	struct credentials who;
	bool known = read_credentials(fd, access->groups, &who) == 0;
	bool allowed = known && rules_allow(access, peer, &who);

	free(who.groups);
	if (allowed || access->request.verbose == 0)
		return allowed;
	if (known)
		diag_note("Connection from uid %lu gid %lu refused: not "
			  "allowed", who.user, who.group);
	else
		diag_note("Connection refused: its user is not known");
	return false;
}

bool
access_allows(const struct access *access, int fd, const struct address *peer)
{
	char text[ADDRESS_TEXT];

	if (access == NULL)
		return true;
	if (peer->sa.sa_family == AF_UNIX)
		return unix_allows(access, fd, peer);
	if (address_allowed(access, peer))
		return true;
	if (access->request.verbose > 0)
		diag_note("Connection from %s refused: not allowed",
			  address_text(peer, text));
	return false;
}

bool
access_admits(void *owner, const struct address *peer)
{
	struct access *access = owner;
	char text[ADDRESS_TEXT];

	if (address_allowed(access, peer))
		return true;
	if (access->request.verbose > 0 &&
	    !address_equal(&access->refused, peer))
		diag_note("Datagram from %s refused: not allowed",
			  address_text(peer, text));
	access->refused = *peer;
	return false;
}
