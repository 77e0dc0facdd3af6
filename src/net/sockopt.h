/*
 * sockopt.h: socket options by name, from one table
 *
 * A request is made once from text (`--sockopt NAME=VALUE` or a letter's own
 * option) and applied to each socket at the phase its row names.
 *
 * Every socket goes through the phases in their order, also where it is not
 * bound: a connecting one (or one for datagrams) through all four, a
 * listening one through the first three, and an accepted one through
 * SOCKOPT_CONNECTED alone: it has inherited the rest from its listener. A
 * bound socket for datagrams that is never connected ends with the third.
 */
#ifndef SOCKOPT_H
#define SOCKOPT_H

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

/* When in a socket's life an option is set; see setsockopt(2), tcp(7). */
enum sockopt_phase {
	SOCKOPT_MADE,		/* right after socket(2) */
	SOCKOPT_BIND,		/* before bind(2) */
	SOCKOPT_CONNECT,	/* before connect(2) or listen(2) */
	SOCKOPT_CONNECTED,	/* after connect(2) or accept(2) */
};

struct sockopt_row;

/* One option to set: its row and its value in the form setsockopt takes. */
struct sockopt_request {
	const struct sockopt_row *row;	/* NULL: by number */
	int level, option;		/* by number */
	const char *given;		/* "sockopt", "tos": for messages */
	const char *text;		/* its argument, likewise; or NULL */
	union {
		unsigned number;
		unsigned long wide;
		struct linger linger;
		struct timeval time;
		char text[64];
	} value;
	socklen_t length;		/* bytes of `value` to pass */
};

#define SOCKOPT_ERROR 256

/*
 * Reads NAME, NAME=VALUE, LEVEL:OPT=NUMBER or LEVEL:OPT=xHEX into
 * `request`. NAME may also be the constant's (TCP_KEEPIDLE, tcp-keepidle,
 * keepidle). `text` must outlive the request. Returns 0, or -1 with what to
 * say in `error`: "mss=9: out of range for mss (number 88..32767)", to be
 * put behind the option that took the text. An unknown name is answered with
 * the nearest one.
 */
int sockopt_parse(const char *text, struct sockopt_request *request,
		  char error[SOCKOPT_ERROR]);

/*
 * The same from a name and a value apart, as the letters -T -M -m -I -O -D
 * use it. `given` is the letter's long name ("tos"), for messages later on.
 * `value` may be NULL for a switch. `given` and `value` must outlive the
 * request. The line in `error` starts with the value alone.
 */
int sockopt_parse_named(const char *given, const char *name,
			const char *value, struct sockopt_request *request,
			char error[SOCKOPT_ERROR]);

/*
 * Whether the request makes sense for sockets of `family` (AF_UNSPEC: inet
 * or inet6) and `type`. sockopt_apply() asks by itself; option parsing does
 * when it knows both, to make it a usage error. Returns 0, or -1 with a
 * whole line in `error` ("--sockopt nodelay: not an option of …").
 */
int sockopt_check(const struct sockopt_request *request, int family, int type,
		  char error[SOCKOPT_ERROR]);

/*
 * Sets on `fd` those of `count` requests that belong to `phase`, in their
 * order, with `family` and `type` (AF_*, SOCK_*) being the socket's own. On
 * inet6 an IP option is set for IPv6 and for IPv4-mapped peers; requests by
 * number are set at SOCKOPT_CONNECT. Returns 0, or -1 with errno and in
 * `error` a whole line ("--sockopt mss=500: setting TCP_MAXSEG failed: …");
 * an option that is not one of such sockets is ENOPROTOOPT.
 */
int sockopt_apply(int fd, int family, int type, enum sockopt_phase phase,
		  const struct sockopt_request *requests, size_t count,
		  char error[SOCKOPT_ERROR]);

/* Prints the table for --list-sockopts. Returns 0 or -1 with errno. */
int sockopt_list(FILE *out);

#endif
