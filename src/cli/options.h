/*
 * options.h: the command line, parsed
 *
 * One table (options.c) says of every option its letter, long name, argument,
 * help, how it is stored and what it excludes; parsing, --help, the conflict
 * checks and the shell completions all come from it.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "io/frame.h"
#include "io/store.h"
#include "net/endpoint.h"
#include "net/sockopt.h"

/* One of --allow, --deny and their files, as it was given. */
struct access_option {
	const char *text;	/* a list with commas, or a file's name */
	bool deny;
	bool file;		/* of lines; # starts a comment */
};

/*
 * A -q that is negative: longer than any run, and not the same as none, which
 * on datagrams means a second.
 */
#define QUIT_NEVER (NEVER - 1)

/*
 * Everything the user asked for. Const once options_parse() has returned.
 * Durations are nanoseconds, NEVER (clock.h) where unset; texts point into
 * argv.
 */
struct options {
	/* family and type of socket, as socket(2) takes them */
	int family;		/* AF_UNSPEC: as the endpoint says */
	int type;		/* SOCK_STREAM, SOCK_DGRAM … */
	int protocol;		/* 0: the type's own */

	/* what to connect to, or listen on */
	bool listen;
	struct endpoint endpoint;	/* kind HOST: host "" means any */
	const char *ports;	/* text of the ports; NULL with Unix sockets */
	char *joined_ports;	/* what options_free() frees of it */
	const char *source_host;	/* -s; NULL: the kernel's choice */
	const char *source_port;	/* -p when connecting; NULL: likewise */
	bool numeric_only;	/* -n */
	bool random_ports;	/* -r */

	/* connecting */
	int64_t connect_timeout;
	int64_t retry_for;

	/* listening */
	int backlog;		/* -1: the system's maximum */
	int64_t accept_timeout;
	int unix_mode;		/* -1: as umask(2) says */
	const char *port_file;
	size_t activated;	/* sockets of LISTEN_FDS, the endpoint being
				   the first of them; 0: none, or an address */
	int ready_fd;		/* --ready-fd; -1: not asked */
	bool keep_open;		/* -k: many clients */
	unsigned long max_conns;	/* that are served at once */
	struct access_option *access;	/* in the order given */
	size_t access_count;

	/* the local side: standard input and output without any of these */
	const char *exec;	/* -e; NULL: not asked, as the next two */
	const char *sh_exec;	/* -c */
	const char *to_text;	/* --to, as it was given */
	struct endpoint to;	/* ... and taken apart */
	const char *reply;	/* --reply */
	bool broker, chat;	/* chat implies broker, and that keep_open */

	/* ends of data */
	bool no_shutdown;
	bool recv_only;
	bool send_only;
	int64_t quit_after;	/* -q; NEVER: wait for the peer's end */
	int64_t peer_quit;	/* --peer-quit; NEVER: not asked */
	unsigned long max_packets;	/* -W; 0: no limit */

	/* times */
	int64_t line_interval;	/* -i */
	int64_t timeout;	/* -w, as it was given */
	int64_t idle_quiet;	/* -w once connected: ends with status 0 */
	int64_t idle_timeout;	/* --idle-timeout: ends with status 5 */
	int64_t max_time;

	/* messages */
	enum framing framing;
	bool show_peer;
	bool broadcast;		/* -b */
	const char **groups;	/* --multicast: GROUP[@SOURCE][%IFACE] */
	size_t group_count;
	const char *interface;	/* --interface */
	bool ip_header;
	int checksum_offset;	/* --checksum; -1: not asked */

	/* data */
	bool crlf;
	bool telnet;
	size_t block_size;	/* bytes; 0: chosen by the store */
	enum store_choice store;

	/* socket options, in the order given */
	struct sockopt_request *sockopts;
	size_t sockopt_count;

	unsigned verbose;	/* how often -v was given */
};

/* Whether they ask for what only messages have. */
bool options_need_messages(const struct options *options);

/*
 * Parses the command line. On a mistake says so in one line and exits with
 * status 2; answers --help, --version and --list-sockopts itself and exits.
 * What it allocates lives until options_free().
 */
void options_parse(int argc, char **argv, struct options *options);
void options_free(struct options *options);

/*
 * The options of a client that connects to what --to names: what was said of
 * family, source, protocol and socket options was said of the other side.
 * They share what `options` has allocated, and are not to be freed.
 */
void options_for_to(const struct options *options, struct options *out);

/* One option as the shell completions need it. */
struct option_summary {
	char letter;		/* 0: none */
	const char *name;	/* long name without the dashes; NULL: none */
	const char *argument;	/* NULL: takes none */
	bool argument_optional;
	const char *help;
};

/*
 * Calls `visit` for every option that --help shows, in the table's order.
 */
void options_each(void (*visit)(const struct option_summary *summary,
				void *context), void *context);

#endif
