/*
 * program.c: what -e and -c name: a program, its arguments, its environment
 */
#include "serve/program.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/diag.h"
#include "net/protocol.h"

#define SHELL "/bin/sh"
#define BLANKS " \t\n"

/* For where PATH is not set. */
#define STANDARD_PATH "/usr/bin:/bin"

/* More than the variables of any connection, and than one of them needs. */
#define VARIABLES 16
#define VARIABLE_TEXT (ADDRESS_TEXT + 32)

/* Names that no program gets from our own environment, by how they begin. */
static const char *const withheld[] = {
	/* What we were handed is not the program's: sd_listen_fds(3). */
	"LISTEN_FD", "LISTEN_PID", "NOTIFY_SOCKET=",
	/* Of another connection: that which we run on, perhaps. */
	"PROTO=", "TCPLOCAL", "TCPREMOTE", "UDPLOCAL", "UDPREMOTE",
	"UDPLITELOCAL", "UDPLITEREMOTE", "SCTPLOCAL", "SCTPREMOTE",
	"VSOCKLOCAL", "VSOCKREMOTE", "UNIXLOCAL", "UNIXREMOTE",
	"NCAT_LOCAL_", "NCAT_REMOTE_", "NCAT_PROTO=",
};

/* Declared by whoever uses it, says POSIX; glibc does it, too. */
extern char **environ;	/* NOLINT(readability-redundant-declaration) */

/* Where the splitting of a command is. */
struct splitter {
	const char *from;
	char *to;
};

/* Takes what a backslash between double quotes stands for: sh(1), 2.2.3. */
static void
split_escape(struct splitter *splitter)
{
	if (splitter->from[1] != '\0' &&
	    strchr("\"\\$`", splitter->from[1]) != NULL)
		splitter->from++;
	*splitter->to++ = *splitter->from++;
}

/* Takes what stands between quotes. Returns -1 where they stay open. */
static int
split_quoted(struct splitter *splitter)
{
	char quote = *splitter->from++;

	while (*splitter->from != quote) {
		if (*splitter->from == '\0')
			return -1;
		if (quote == '"' && *splitter->from == '\\')
			split_escape(splitter);
		else
			*splitter->to++ = *splitter->from++;
	}
	splitter->from++;
	return 0;
}

/* Takes one word. Returns -1 where a quote stays open. */
static int
split_word(struct splitter *splitter)
{
	while (*splitter->from != '\0' &&
	       strchr(BLANKS, *splitter->from) == NULL) {
		if (*splitter->from == '\'' || *splitter->from == '"') {
			if (split_quoted(splitter) == -1)
				return -1;
			continue;
		}
		if (*splitter->from == '\\' && splitter->from[1] != '\0')
			splitter->from++;
		*splitter->to++ = *splitter->from++;
	}
	*splitter->to++ = '\0';
	return 0;
}

/*
 * Splits `text` into `argv`, which has room for all of its words, and their
 * text into `to`, which has room for all of it. Returns how many words there
 * are, or -1.
 */
static int
split_text(const char *text, char **argv, char *to)
{
	struct splitter splitter = { .from = text, .to = to };
	int count = 0;

	for (;;) {
		splitter.from += strspn(splitter.from, BLANKS);
		argv[count] = NULL;
		if (*splitter.from == '\0')
			return count;
		argv[count++] = splitter.to;
		if (split_word(&splitter) == -1)
			return -1;
	}
}

/* Fills in `argv`, in one block with what it points to. */
static enum cause
program_split(const char *exec, struct program *out)
{
	size_t length = strlen(exec);
	/* At most every other character is a word; and the NULL. */
	size_t room = (length + 1) / 2 + 1;
	int count;

	out->argv = malloc(room * sizeof(char *) + length + 1);
	if (out->argv == NULL) {
		diag_error("out of memory");
		return CAUSE_LOCAL;
	}
	count = split_text(exec, out->argv, (char *)(out->argv + room));
	if (count == -1) {
		diag_error("-e has a quote that is not closed: %s", exec);
		return CAUSE_USAGE;
	}
	if (count == 0 || out->argv[0][0] == '\0') {
		diag_error("-e names no program");
		return CAUSE_USAGE;
	}
	return CAUSE_NONE;
}

/* Returns 0 where `path` can be run, as far as can be known; else an errno. */
static int
path_error(const char *path)
{
	struct stat status;

	if (stat(path, &status) == -1)
		return errno;
	if (S_ISDIR(status.st_mode))
		return EISDIR;
	return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : EACCES;
}

/* The path of `name` in the first directory of `list`; an empty one is ".". */
static char *
path_join(const char *list, const char *name)
{
	size_t length = strcspn(list, ":");
	char *path = malloc(length + strlen(name) + sizeof("./"));

	if (path == NULL)
		return NULL;
	memcpy(path, list, length);
	if (length == 0)
		path[length++] = '.';
	path[length++] = '/';
	memcpy(path + length, name, strlen(name) + 1);
	return path;
}

/*
 * Where on PATH `name` is, to be free()d. Else NULL with errno: EACCES if
 * what is there may not be run, ENOENT if nothing is.
 */
static char *
path_find(const char *name)
{
	const char *list = getenv("PATH");
	int result = ENOENT;

	if (list == NULL)
		list = STANDARD_PATH;
	for (;;) {
		char *path = path_join(list, name);
		int error = path != NULL ? path_error(path) : ENOMEM;

		if (error == 0)
			return path;
		free(path);
		if (error == EACCES || error == ENOMEM)
			result = error;
		list += strcspn(list, ":");
		if (*list == '\0' || error == ENOMEM)
			break;
		list++;
	}
	errno = result;
	return NULL;
}

static enum cause
program_find(struct program *out)
{
	const char *name = out->argv[0];
	bool search = strchr(name, '/') == NULL;
	int error = search ? 0 : path_error(name);

	if (error == 0) {
		out->path = search ? path_find(name) : strdup(name);
		if (out->path != NULL)
			return CAUSE_NONE;
		error = errno;
	}
	diag_error("run %s failed: %s", name, search && error == ENOENT ?
		   "not found on PATH" : diag_strerror(error));
	return error == EISDIR ? CAUSE_PERMISSION : cause_of_errno(error);
}

static bool
variable_withheld(const char *variable)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(withheld); i++)
		if (strncmp(variable, withheld[i], strlen(withheld[i])) == 0)
			return true;
	return false;
}

static enum cause
program_take_environment(struct program *out)
{
	size_t count = 0, i;

	while (environ != NULL && environ[count] != NULL)
		count++;
	out->environment = calloc(count + 1, sizeof(char *));
	if (out->environment == NULL) {
		diag_error("out of memory");
		return CAUSE_LOCAL;
	}
	for (i = 0; i < count; i++)
		if (!variable_withheld(environ[i]))
			out->environment[out->environment_count++] =
			    environ[i];
	return CAUSE_NONE;
}

/* As program_split() for a command of the shell's. */
static enum cause
program_take_shell(const char *command, struct program *out)
{
	const char *words[] = { "sh", "-c", command, NULL };

	if (command[strspn(command, BLANKS)] == '\0') {
		diag_error("-c names no command");
		return CAUSE_USAGE;
	}
	out->path = strdup(SHELL);
	out->argv = malloc(sizeof(words));
	if (out->path == NULL || out->argv == NULL) {
		diag_error("out of memory");
		return CAUSE_LOCAL;
	}
	memcpy(out->argv, words, sizeof(words));
	return CAUSE_NONE;
}

static enum cause
program_check_shell(const struct program *program)
{
	int error = path_error(program->path);

	if (error == 0)
		return CAUSE_NONE;
	diag_error("run %s failed: %s", program->path, diag_strerror(error));
	return cause_of_errno(error);
}

enum cause
program_prepare(const char *exec, const char *shell, struct program *out)
{
	enum cause cause;

	*out = (struct program){ 0 };
	cause = exec != NULL ? program_split(exec, out) :
	    program_take_shell(shell, out);
	if (cause == CAUSE_NONE)
		cause = exec != NULL ? program_find(out) :
		    program_check_shell(out);
	if (cause == CAUSE_NONE)
		cause = program_take_environment(out);
	if (cause != CAUSE_NONE)
		program_free(out);
	return cause;
}

void
program_free(struct program *program)
{
	free(program->path);
	free(program->argv);
	free(program->environment);
	*program = (struct program){ 0 };
}

/* An environment that is being made: pointers, then text, in one block. */
struct block {
	char **next;
	char *text;
	const char *proto;	/* what UCSPI's names begin with */
};

__attribute__((format(printf, 2, 3)))
static void
block_add(struct block *block, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(block->text, VARIABLE_TEXT, format, arguments);
	va_end(arguments);
	*block->next++ = block->text;
	*block->next = NULL;
	block->text += VARIABLE_TEXT;
}

/* The host and the port of an address, as two texts. */
static void
address_parts(const struct address *address, char *host, char *port)
{
	*port = '\0';
	address_host(address, host);
	if (address_port(address) != 0)
		(void)sprintf(port, "%u", (unsigned)address_port(address));
#if SOCKCAT_LINUX
	if (address->sa.sa_family == AF_VSOCK) {
		(void)sprintf(host, "%u", address->vsock.cid);
		(void)sprintf(port, "%u", address->vsock.port);
	}
#endif
}

/* What both kinds of names say of one side: "REMOTE" or "LOCAL". */
static void
block_add_side(struct block *block, const char *side,
	       const struct address *address)
{
	char host[ADDRESS_TEXT], port[sizeof("4294967295")];
	int family = address->sa.sa_family;

	if (address->length == 0)
		return;
	address_parts(address, host, port);
	block_add(block, "NCAT_%s_ADDR=%s", side, host);
	block_add(block, "NCAT_%s_PORT=%s", side, port);
	if (family != AF_UNIX) {
		block_add(block, "%s%s%s=%s", block->proto, side,
			  family == AF_INET || family == AF_INET6 ? "IP" :
			  "CID", host);
		block_add(block, "%s%sPORT=%s", block->proto, side, port);
	} else if (host[0] != '\0') {
		block_add(block, "UNIX%sPATH=%s", side, host);
	}
}

#if SOCKCAT_LINUX
/* The peer's credentials: unix(7), SO_PEERCRED. */
static void
block_add_credentials(struct block *block, int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == -1)
		return;
	block_add(block, "UNIXREMOTEPID=%ld", (long)peer.pid);
	block_add(block, "UNIXREMOTEEUID=%lu", (unsigned long)peer.uid);
	block_add(block, "UNIXREMOTEEGID=%lu", (unsigned long)peer.gid);
}
#else
static void
block_add_credentials(struct block *block, int fd)
{
	(void)block;
	(void)fd;
}
#endif

/* What PROTO says of the socket: UCSPI's word, in capitals. */
static void
proto_name(const struct program_connection *connection, int family, char *text)
{
	const char *name = family == AF_UNIX ? "unix" :
	    family == AF_INET || family == AF_INET6 ?
	    protocol_name(connection->type, connection->protocol) : "vsock";

	while (*name != '\0')
		*text++ = (char)toupper((unsigned char)*name++);
	*text = '\0';
}

/* Our own address, asked for where it was not given. */
static void
local_address(const struct program_connection *connection,
	      struct address *local)
{
	*local = connection->local;
	if (local->length == 0) {
		local->length = sizeof(local->storage);
		if (getsockname(connection->fd, &local->sa,
				&local->length) == -1)
			local->length = 0;
	}
	if (local->length != 0)
		address_unmap(local);
}

char **
program_environment(const struct program *program,
		    const struct program_connection *connection)
{
	size_t count = program->environment_count;
	size_t slots = (count + VARIABLES + 1) * sizeof(char *);
	char **environment = malloc(slots + VARIABLES * VARIABLE_TEXT);
	struct block block;
	struct address local;
	char proto[16];

	if (environment == NULL)
		return NULL;
	local_address(connection, &local);
	proto_name(connection, local.sa.sa_family, proto);
	memcpy(environment, program->environment, count * sizeof(char *));
	block = (struct block){
		.next = environment + count, .proto = proto,
		.text = (char *)environment + slots,
	};
	block_add(&block, "PROTO=%s", proto);
	block_add(&block, "NCAT_PROTO=%s", proto);
	block_add_side(&block, "REMOTE", &connection->peer);
	block_add_side(&block, "LOCAL", &local);
	if (local.sa.sa_family == AF_UNIX)
		block_add_credentials(&block, connection->fd);
	return environment;
}
