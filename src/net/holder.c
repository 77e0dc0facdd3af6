/*
 * holder.c: which process holds a port or a Unix-domain name
 *
 * /proc/net has a line for each socket with its address and its inode's
 * number; /proc/PID/fd has a link "socket:[NUMBER]" for each socket that a
 * process has open.
 */
#include "net/holder.h"

#include "base/compat.h"

#if SOCKCAT_LINUX

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The number of an inode as text, as it is only compared. */
#define INODE_TEXT 24

/* A state of /proc/net/tcp in hexadecimal (TCP_LISTEN in tcp_states.h). */
#define LISTENING "0A"

/* Of /proc/net/unix: an accepted or connected socket (SS_CONNECTED). */
#define CONNECTED 3U

/* Whether the process has the socket of `inode` open. */
static bool
process_has(const char *pid, const char *inode)
{
	char path[sizeof("/proc//fd") + INODE_TEXT], wanted[INODE_TEXT + 16];
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%.*s/fd", INODE_TEXT, pid);
	snprintf(wanted, sizeof(wanted), "socket:[%s]", inode);
	fds = opendir(path);
	if (fds == NULL)
		return false;
	for (struct dirent *fd; !found && (fd = readdir(fds)) != NULL;) {
		char link[INODE_TEXT + 16];
		ssize_t length = readlinkat(dirfd(fds), fd->d_name, link,
					    sizeof(link) - 1);
		if (length == -1)
			continue;
		link[length] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	closedir(fds);
	return found;
}

/* The first process that has the socket of `inode` open, or -1. */
static long
find_process(const char *inode)
{
	DIR *proc = opendir("/proc");
	long pid = -1;

	if (proc == NULL)
		return -1;
	for (struct dirent *entry; pid == -1 && (entry = readdir(proc));)
		if (strspn(entry->d_name, "0123456789") > 0 &&
		    process_has(entry->d_name, inode))
			pid = strtol(entry->d_name, NULL, 10);
	closedir(proc);
	return pid;
}

static int
name_process(long pid, char text[HOLDER_TEXT])
{
	char path[HOLDER_TEXT], name[HOLDER_TEXT / 2] = "";
	FILE *file;

	if (pid == -1)
		return -1;
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	size_t length = fread(name, 1, sizeof(name) - 1, file);
	fclose(file);
	/* The kernel ends it with a newline; there may be more in the name. */
	if (length == 0)
		return -1;
	name[length - 1] = '\0';
	snprintf(text, HOLDER_TEXT, "%s, process %ld", name, pid);
	return 0;
}

static bool
is_wildcard(const struct address *address)
{
	if (address->sa.sa_family == AF_INET)
		return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

/*
 * Whether sockets at the two would share an address. That an IPv6 wildcard
 * takes IPv4, too, is assumed: /proc/net does not tell.
 */
static bool
overlaps(struct address a, struct address b)
{
	address_unmap(&a);
	address_unmap(&b);
	if (address_port(&a) != address_port(&b))
		return false;
	if (a.sa.sa_family != b.sa.sa_family)
		return is_wildcard(a.sa.sa_family == AF_INET6 ? &a : &b);
	if (is_wildcard(&a) || is_wildcard(&b))
		return true;
	if (a.sa.sa_family == AF_INET)
		return a.in.sin_addr.s_addr == b.in.sin_addr.s_addr;
	/* There are no scopes in /proc/net. */
	return IN6_ARE_ADDR_EQUAL(&a.in6.sin6_addr, &b.in6.sin6_addr);
}

/*
 * Reads an address of /proc/net: 32-bit words in hexadecimal, each as the
 * processor would read it from memory.
 */
static void
read_address(const char *host, const char *port,
	     struct address *out)
{
	bool is_v4 = strlen(host) == 8;
	unsigned char *bytes;

	address_any(is_v4 ? AF_INET : AF_INET6,
		    (uint16_t)strtoul(port, NULL, 16), out);
	bytes = is_v4 ? (unsigned char *)&out->in.sin_addr
		      : out->in6.sin6_addr.s6_addr;
	for (size_t i = 0; i < (is_v4 ? 1U : 4U); i++) {
		char digits[9] = "";
		memcpy(digits, host + 8 * i, 8);
		uint32_t word = (uint32_t)strtoul(digits, NULL, 16);
		memcpy(bytes + 4 * i, &word, sizeof(word));
	}
}

/*
 * Copies word `number` (from 0) of a line, if it fits. Returns what follows
 * it, or NULL. (In a static program, scanf(3) would be 13 KiB more.)
 */
static const char *
take_word(const char *line, unsigned number, char *text, size_t size)
{
	size_t length;

	for (;;) {
		line += strspn(line, " ");
		length = strcspn(line, " \n");
		if (length == 0)
			return NULL;
		if (number-- == 0)
			break;
		line += length;
	}
	if (length >= size)
		return NULL;
	memcpy(text, line, length);
	text[length] = '\0';
	return line + length;
}

/*
 * Finds a socket of `file` that overlaps with `wanted` and is in `state`
 * (NULL: in any).
 */
static bool
find_inet(const char *file, const struct address *wanted,
	  const char *state, char inode[INODE_TEXT])
{
	FILE *table = fopen(file, "re");
	bool found = false;
	char line[512];

	if (table == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), table) != NULL) {
		char local[32 + 1 + 4 + 1], *port, is[3];
		struct address held;

		/* Of no process, with number 0, are those in TIME_WAIT. */
		if (!take_word(line, 1, local, sizeof(local)) ||
		    !take_word(line, 3, is, sizeof(is)) ||
		    !take_word(line, 9, inode, INODE_TEXT) ||
		    (port = strchr(local, ':')) == NULL ||
		    strcmp(inode, "0") == 0)
			continue;
		*port++ = '\0';
		read_address(local, port, &held);
		found = overlaps(*wanted, held) &&
			(state == NULL || strcmp(state, is) == 0);
	}
	fclose(table);
	return found;
}

/*
 * What listens is the likely culprit; but a connection that somebody's
 * client has from this port is in the way of a listener, too.
 */
static int
inet_holder(const struct address *address, int type,
	    char text[HOLDER_TEXT])
{
	static const char *const tcp[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	static const char *const udp[] = { "/proc/net/udp", "/proc/net/udp6" };
	const char *const *files = type == SOCK_STREAM ? tcp : udp;
	const char *const states[] = { LISTENING, NULL };
	int own = address->sa.sa_family == AF_INET ? 0 : 1;
	char inode[INODE_TEXT];

	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return -1;
	for (size_t i = type == SOCK_STREAM ? 0 : 1; i < 2; i++)
		if (find_inet(files[own], address, states[i], inode) ||
		    find_inet(files[1 - own], address, states[i], inode))
			return name_process(find_process(inode), text);
	return -1;
}

/* Whether process `pid` means `wanted` by `path`. */
static bool
is_same_file(const struct stat *wanted, long pid, const char *path)
{
	char seen[PATH_MAX];
	struct stat status;

	snprintf(seen, sizeof(seen), "/proc/%ld/%s/%s", pid,
		 path[0] == '/' ? "root" : "cwd", path);
	return lstat(seen, &status) == 0 && status.st_dev == wanted->st_dev &&
	       status.st_ino == wanted->st_ino;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/*
 * If this line of /proc/net/unix is about the socket at `name`, returns the
 * process that has it open; else -1. `file` is what stands at `name`; NULL
 * for an abstract name, of which each type has its own.
 */
static long
unix_process(const char *line, const char *name, int wanted_type,
	     const struct stat *file)
{
	char type[5], state[3], inode[INODE_TEXT];
	const char *held = take_word(line, 6, inode, sizeof(inode));

	if (held == NULL || *held++ != ' ' ||
	    !take_word(line, 4, type, sizeof(type)) ||
	    !take_word(line, 5, state, sizeof(state)))
		return -1;
	long is = strtol(type, NULL, 16);
	/* A listener's connections have its name. */
	if (is != SOCK_DGRAM && strtoul(state, NULL, 16) == CONNECTED)
		return -1;

	if (file == NULL)
		return is == wanted_type && strcmp(held, name) == 0
			? find_process(inode) : -1;
	/* Looking at all of them could be slow; most have other names. */
	if (strcmp(base_name(held), base_name(name)) != 0)
		return -1;
	long pid = find_process(inode);
	return pid != -1 && is_same_file(file, pid, held) ? pid : -1;
}

static int
unix_holder(const struct address *address, int type,
	    char text[HOLDER_TEXT])
{
	bool is_abstract = address->un.sun_path[0] == '\0';
	char name[ADDRESS_TEXT], line[512];
	struct stat file;
	FILE *table;
	long pid = -1;

	address_host(address, name);
	if (!is_abstract && lstat(name, &file) == -1)
		return -1;
	table = fopen("/proc/net/unix", "re");
	if (table == NULL)
		return -1;
	while (pid == -1 && fgets(line, sizeof(line), table) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		pid = unix_process(line, name, type,
				   is_abstract ? NULL : &file);
	}
	fclose(table);
	return name_process(pid, text);
}

int
holder_of(const struct address *address, int type, char text[HOLDER_TEXT])
{
	switch (address->sa.sa_family) {
	case AF_INET:
	case AF_INET6:
		return inet_holder(address, type, text);
	case AF_UNIX:
		return unix_holder(address, type, text);
	default:
		return -1;
	}
}

#else

int
holder_of(const struct address *address, int type, char text[HOLDER_TEXT])
{
	(void)address;
	(void)type;
	(void)text;
	return -1;
}

#endif
