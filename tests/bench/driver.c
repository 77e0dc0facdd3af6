/*
 * driver.c - the ends that a benchmark needs besides the program it measures.
 *
 * One small static program with a verb for each: a launcher that measures
 * what it starts, servers to talk to, a source and a sink for pipes.  It is
 * in C for two reasons: a start takes less time than one line of a script,
 * and ru_maxrss of a child begins at what its parent held when it forked, so
 * that under a big parent every program looks big.
 *
 * A measuring verb writes one line to the descriptor REPORT:
 *	start ns, end ns, runs, CPU ns, peak resident KiB, worst exit status
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO	104	/* linux/udp.h, since Linux 5.0 */
#endif

#define BLOCK	131072	/* what cat reads and writes at a time */
#define BULK	262144	/* what the ends of a relay do */
#define PING	64
#define NS	1000000000LL

static const char banner[] = "220 ready\r\n";

struct report {
	long long start, end;	/* CLOCK_MONOTONIC, ns */
	long long cpu;		/* user and system, ns */
	long runs, rss;
	int status;
};

static void die(const char *what)
{
	fprintf(stderr, "driver: %s: %s\n", what, strerror(errno));
	exit(125);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

static void report_write(int fd, const struct report *r)
{
	dprintf(fd, "%lld %lld %ld %lld %ld %d\n", r->start, r->end, r->runs,
	    r->cpu, r->rss, r->status);
}

/* The report's descriptor is ours, not the measured program's. */
static int report_fd(const char *text)
{
	int fd = atoi(text);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		die("report");
	return fd;
}

/* Starts a command on the two descriptors; it does not outlive us. */
static pid_t command_start(char **argv, int in, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		die("dup2");
	execvp(argv[0], argv);
	die(argv[0]);
	return -1;
}

static void usage_add(struct report *r, const struct rusage *usage)
{
	struct rusage u = *usage;

	r->cpu += (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS +
	    (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL;
	if (u.ru_maxrss > r->rss)
		r->rss = u.ru_maxrss;
}

static void command_wait(pid_t pid, struct report *r)
{
	struct rusage u;
	int status;

	while (wait4(pid, &status, 0, &u) < 0)
		if (errno != EINTR)
			die("wait");
	usage_add(r, &u);
	status = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
	if (status > r->status)
		r->status = status;
}

/* What a server's children have used that it did not wait for. */
static void orphans_wait(struct report *r)
{
	struct rusage u;

	while (wait4(-1, NULL, 0, &u) > 0)
		usage_add(r, &u);
}

/*
 * run REPORT COUNT MS COMMAND...: the command COUNT times, one after the
 * other, on our own descriptors; no further run begins after MS.
 */
static int verb_run(char **argv)
{
	int fd = report_fd(argv[0]);
	long count = atol(argv[1]);
	long long budget = atoll(argv[2]) * 1000000;
	struct report r = { .start = now() };

	do {
		command_wait(command_start(argv + 3, 0, 1), &r);
		r.runs++;
		r.end = now();
	} while (r.runs < count && r.end < r.start + budget);
	report_write(fd, &r);
	return 0;
}

/*
 * serve REPORT COMMAND...: the command until we are told to end it (SIGTERM),
 * for servers that never end by themselves.  That it dies of it is no failure.
 */
static int verb_serve(char **argv)
{
	int fd = report_fd(argv[0]), number;
	struct report r = { .start = now(), .runs = 1 };
	sigset_t term, before;
	siginfo_t info = { 0 };
	pid_t pid;

	/* Of a server that ends before its children these are ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigaddset(&term, SIGCHLD);
	sigprocmask(SIG_BLOCK, &term, &before);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		execvp(argv[1], argv + 1);
		die(argv[1]);
	}
	/* The server itself is left for later: its status is wanted. */
	while (sigwait(&term, &number) == 0 && number == SIGCHLD &&
	    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0)
		continue;
	kill(pid, SIGTERM);
	command_wait(pid, &r);
	if (number == SIGTERM && r.status == 128 + SIGTERM)
		r.status = 0;
	orphans_wait(&r);
	r.end = now();
	report_write(fd, &r);
	return 0;
}

static int read_whole(int fd, char *buf, size_t len)
{
	ssize_t n;

	for (; len > 0; buf += n, len -= (size_t)n) {
		n = read(fd, buf, len);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static int write_whole(int fd, const char *buf, size_t len)
{
	ssize_t n;

	for (; len > 0; buf += n, len -= (size_t)n) {
		n = write(fd, buf, len);
		if (n <= 0)
			return -1;
	}
	return 0;
}

/* One message there and back, and it must be the one that was sent. */
static int ping(int to, int from, long serial)
{
	char sent[PING], got[PING];

	memset(sent, (int)(serial % 251), sizeof(sent));
	if (write_whole(to, sent, sizeof(sent)) < 0 ||
	    read_whole(from, got, sizeof(got)) < 0)
		return -1;
	return memcmp(sent, got, sizeof(sent)) == 0 ? 0 : -1;
}

/*
 * pingpong REPORT COUNT MS COMMAND...: 64 bytes into the command and the 64
 * back, COUNT times or for MS.  The time begins after the first: connecting
 * is another figure.
 */
static int verb_pingpong(char **argv)
{
	int fd = report_fd(argv[0]);
	long count = atol(argv[1]);
	long long budget = atoll(argv[2]) * 1000000;
	struct report r = { 0 };
	int in[2], out[2];
	char end;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		die("pipe");
	pid = command_start(argv + 3, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	if (ping(in[1], out[0], 0) < 0)
		return 1;
	r.start = r.end = now();
	while (r.runs < count && r.end < r.start + budget) {
		if (ping(in[1], out[0], r.runs + 1) < 0)
			return 1;
		r.runs++;
		r.end = now();
	}
	close(in[1]);
	while (read(out[0], &end, 1) > 0)
		continue;
	command_wait(pid, &r);
	report_write(fd, &r);
	return 0;
}

/* Listens on 127.0.0.1 or on a path; returns the port, too (0 for a path). */
static int server_listen(const char *path, int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr *addr = (struct sockaddr *)&in;
	socklen_t len = sizeof(in);
	int fd;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (path) {
		addr = (struct sockaddr *)&un;
		len = sizeof(un);
		if (strlen(path) >= sizeof(un.sun_path)) {
			errno = ENAMETOOLONG;
			die(path);
		}
		memcpy(un.sun_path, path, strlen(path) + 1);
	}
	fd = socket(addr->sa_family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, addr, len) < 0 || listen(fd, 128) < 0)
		die("listen");
	if (!path && getsockname(fd, addr, &len) < 0)
		die("getsockname");
	*port = ntohs(in.sin_port);
	return fd;
}

/* The same, and tells the port. */
static int server_open(const char *path)
{
	int port, fd = server_listen(path, &port);

	printf("%d\n", port);
	fflush(stdout);
	return fd;
}

/* banner [PATH]: a line to each client, and its end. */
static int verb_banner(char **argv)
{
	int server = server_open(argv[0]), fd;

	while ((fd = accept(server, NULL, NULL)) >= 0) {
		(void)write_whole(fd, banner, sizeof(banner) - 1);
		close(fd);
	}
	die("accept");
	return 1;
}

/* echo [PATH]: to each client what it says, one client after the other. */
static int verb_echo(char **argv)
{
	int server = server_open(argv[0]), fd;
	char buf[4096];
	ssize_t n;

	while ((fd = accept(server, NULL, NULL)) >= 0) {
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (write_whole(fd, buf, (size_t)n) < 0)
				break;
		close(fd);
	}
	die("accept");
	return 1;
}

/* A UDP socket on 127.0.0.1; tells the port. */
static int udp_open(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		die("udp");
	printf("%d\n", ntohs(in.sin_port));
	fflush(stdout);
	return fd;
}

/* udp-echo: to whoever sends, what was sent. */
static int verb_udp_echo(char **argv)
{
	int fd = udp_open();
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[65536];
	ssize_t n;

	(void)argv;
	do
		n = recvfrom(fd, buf, sizeof(buf), 0,
		    (struct sockaddr *)&from, &len);
	while (n >= 0 && sendto(fd, buf, (size_t)n, 0,
	    (struct sockaddr *)&from, len) >= 0);
	die("udp-echo");
	return 1;
}

/* Receives one datagram, or a run that was not cut; the length of each. */
static ssize_t udp_receive(int fd, char *buf, size_t size, size_t *each)
{
	_Alignas(struct cmsghdr) char control[64];
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&h);
	int segment = 0;

	if (c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
		memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	*each = segment > 0 ? (size_t)segment : n > 0 ? (size_t)n : 0;
	return n;
}

/*
 * udp-drain LENGTH: reads datagrams, as fast as the kernel hands them over,
 * until standard input ends; tells how many came, their bytes, and how many
 * were not LENGTH bytes long.
 */
static int verb_udp_drain(char **argv)
{
	static char buf[65536];
	size_t wanted = (size_t)atol(argv[0]), each;
	int fd = udp_open(), one = 1;
	struct pollfd p[] = { { .fd = fd, .events = POLLIN },
	    { .fd = 0, .events = POLLIN } };
	long long count = 0, bytes = 0, odd = 0;
	ssize_t n;

	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
	while (poll(p, 2, -1) > 0) {
		while ((n = udp_receive(fd, buf, sizeof(buf), &each)) >= 0) {
			size_t last = each ? (size_t)n % each : 0;

			count += n == 0 ? 1 : (n + (ssize_t)each - 1) /
			    (ssize_t)each;
			odd += each == wanted ? last != 0 :
			    n == 0 ? 1 : (n + (ssize_t)each - 1) /
			    (ssize_t)each;
			bytes += n;
		}
		if (p[1].revents)
			break;
	}
	printf("%lld %lld %lld\n", count, bytes, odd);
	return 0;
}

/* Connects to 127.0.0.1:PORT, or to a path where there is a / in it. */
static int client_open(const char *where, int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr *addr = (struct sockaddr *)&in;
	socklen_t len = sizeof(in);
	int fd;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons((uint16_t)atoi(where));
	if (strchr(where, '/')) {
		addr = (struct sockaddr *)&un;
		len = sizeof(un);
		strncpy(un.sun_path, where, sizeof(un.sun_path) - 1);
	}
	fd = socket(addr->sa_family, type, 0);
	if (fd < 0 || connect(fd, addr, len) < 0)
		die("connect");
	return fd;
}

/*
 * read PORT: connects and reads to the end.  Nothing that does this can start
 * and end with less.
 */
static int verb_read(char **argv)
{
	int fd = client_open(argv[0], SOCK_STREAM);
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write_whole(1, buf, (size_t)n) < 0)
			return 1;
	return n < 0;
}

/*
 * talk WHERE [udp]: standard input to the socket and back, by the least that
 * has to be called for each message: poll, read, write.
 */
static int verb_talk(char **argv)
{
	static char buf[65536];
	int fd = client_open(argv[0], argv[1] ? SOCK_DGRAM : SOCK_STREAM);
	struct pollfd p[] = { { .fd = 0, .events = POLLIN },
	    { .fd = fd, .events = POLLIN } };
	const int to[] = { fd, 1 };
	ssize_t n;

	while (poll(p, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			n = read(p[i].fd, buf, sizeof(buf));
			if (n <= 0)
				return 0;
			if (write_whole(to[i], buf, (size_t)n) < 0)
				return 1;
		}
	return 1;
}

/* sendfile PATH: standard input, a file, into a Unix socket. */
static int verb_sendfile(char **argv)
{
	int fd = client_open(argv[0], SOCK_STREAM), size = 512 * 1024;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	do
		n = sendfile(fd, 0, NULL, 8 << 20);
	while (n > 0);
	return n < 0;
}

/* splice PATH: what the first client of a Unix socket sends, to stdout. */
static int verb_splice(char **argv)
{
	int port, fd = accept(server_listen(argv[0], &port), NULL, NULL);
	int hold[2];
	ssize_t n, put;

	if (fd < 0 || pipe(hold) < 0)
		die("accept");
	fcntl(hold[1], F_SETPIPE_SZ, 1 << 20);
	while ((n = splice(fd, NULL, hold[1], NULL, 1 << 20, 0)) > 0)
		for (; n > 0; n -= put) {
			put = splice(hold[0], NULL, 1, NULL, (size_t)n, 0);
			if (put <= 0)
				return 1;
		}
	return n < 0;
}

/*
 * fill BYTES [LENGTH]: so many bytes to standard output, in lines of LENGTH
 * with their newline.
 */
static int verb_fill(char **argv)
{
	static char buf[BLOCK];
	long long left = atoll(argv[0]);
	size_t line = argv[1] ? (size_t)atol(argv[1]) : BLOCK;
	size_t size = BLOCK / line * line, n;

	memset(buf, 'x', sizeof(buf));
	for (size_t at = line; argv[1] && at <= size; at += line)
		buf[at - 1] = '\n';
	for (; left > 0; left -= (long long)n) {
		n = left < (long long)size ? (size_t)left : size;
		if (write_whole(1, buf, n) < 0)
			return 1;
	}
	return 0;
}

/* drain: reads to the end and tells how much came, and when it ended. */
static int verb_drain(char **argv)
{
	static char buf[BLOCK];
	long long total = 0;
	ssize_t n;

	(void)argv;
	while ((n = read(0, buf, sizeof(buf))) > 0)
		total += n;
	printf("%lld %lld\n", total, now());
	return n < 0;
}

/* sink [PATH]: reads what one client sends, and tells as drain does. */
static int verb_sink(char **argv)
{
	static char buf[BULK];
	int fd = accept(server_open(argv[0]), NULL, NULL);
	long long total = 0;
	ssize_t n;

	if (fd < 0)
		die("accept");
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	printf("%lld %lld\n", total, now());
	return n < 0;
}

/* pour WHERE BYTES: sends so many, and its end; tells when it began. */
static int verb_pour(char **argv)
{
	static char buf[BULK];
	long long left = atoll(argv[1]), start;
	int fd = client_open(argv[0], SOCK_STREAM);
	size_t n;

	for (start = now(); left > 0; left -= (long long)n) {
		n = left < BULK ? (size_t)left : BULK;
		if (write_whole(fd, buf, n) < 0)
			die("write");
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, buf, sizeof(buf)) > 0)
		continue;
	printf("%lld\n", start);
	return 0;
}

/* A visit: a request, perhaps our end, and all that the answer has. */
struct visits {
	const char *where;
	char request[512];
	size_t send, get;	/* bytes of both */
	int half_close;
	long resets;		/* behind a whole answer */
};

static int visit_begin(const struct visits *v)
{
	int fd = client_open(v->where, SOCK_STREAM);

	if (write_whole(fd, v->request, v->send) < 0)
		die("request");
	if (v->half_close)
		shutdown(fd, SHUT_WR);
	return fd;
}

/* Reads once; returns whether that was the end of the visit. */
static int visit_go_on(struct visits *v, int fd, size_t *got)
{
	char buf[BLOCK];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0) {
		*got += (size_t)n;
		return 0;
	}
	if (*got != v->get) {
		fprintf(stderr, "driver: visit: %zu of %zu bytes\n", *got,
		    v->get);
		exit(1);
	}
	v->resets += n < 0;
	close(fd);
	return 1;
}

/*
 * visit WHERE COUNT MS ATONCE SEND GET HALF: COUNT connections, or as many as
 * go into MS, ATONCE of them open at any time. Each sends SEND bytes, and
 * after them its end if HALF is 1, and reads to the end: GET bytes. Tells the
 * start, the end, the visits and how many ended in a reset.
 */
static int verb_visit(char **argv)
{
	struct visits v = { .where = argv[0], .send = (size_t)atol(argv[4]),
	    .get = (size_t)atol(argv[5]), .half_close = atoi(argv[6]) };
	struct pollfd p[64];
	size_t got[64] = { 0 };
	long count = atol(argv[1]), begun = 0, done = 0, open = 0;
	long atonce = atol(argv[3]);
	long long start = now(), end = start,
	    stop = start + atoll(argv[2]) * 1000000;

	if (v.send > sizeof(v.request) || atonce > 64)
		return 1;
	memset(v.request, 'x', sizeof(v.request));
	for (; open < atonce; open++, begun++)
		p[open] = (struct pollfd){ visit_begin(&v), POLLIN, 0 };
	while (open > 0 && poll(p, (nfds_t)atonce, -1) > 0)
		for (long i = 0; i < atonce; i++) {
			if (!p[i].revents || !visit_go_on(&v, p[i].fd, got + i))
				continue;
			got[i] = 0;
			end = now();
			done++;
			open--;
			p[i].fd = -1;
			if (begun < count && end < stop) {
				p[i].fd = visit_begin(&v);
				begun++;
				open++;
			}
		}
	printf("%lld %lld %ld %ld\n", start, end, done, v.resets);
	return 0;
}

/*
 * crowd WHERE CLIENTS [COUNT]: so many connections. With COUNT the last one
 * then says so many messages and each time all the others must hear it: tells
 * the start and the end of that, after one message to wait for all to be
 * served. Without COUNT it tells that all are connected. They stay until the
 * end of standard input.
 */
static int verb_crowd(char **argv)
{
	long clients = atol(argv[1]), count = argv[2] ? atol(argv[2]) : -1;
	int *fds = calloc((size_t)clients, sizeof(*fds));
	char sent[PING], got[PING];
	long long start = 0;

	for (long i = 0; fds && i < clients; i++)
		fds[i] = client_open(argv[0], SOCK_STREAM);
	for (long serial = 0; fds && serial <= count; serial++) {
		memset(sent, 'a' + (int)(serial % 26), sizeof(sent));
		sent[PING - 1] = '\n';
		if (serial == 1)
			start = now();
		if (write_whole(fds[clients - 1], sent, sizeof(sent)) < 0)
			die("message");
		for (long i = 0; i < clients - 1; i++)
			if (read_whole(fds[i], got, sizeof(got)) < 0 ||
			    memcmp(sent, got, sizeof(sent)) != 0)
				die("no message");
	}
	printf("%lld %lld\n", start, now());
	fflush(stdout);
	while (read(0, got, sizeof(got)) > 0)
		continue;
	return 0;
}

/*
 * say WHERE COUNT: so many messages to a server whose output is our input,
 * the next one when the last one has come; tells the start and the end.
 */
static int verb_say(char **argv)
{
	int fd = client_open(argv[0], SOCK_STREAM);
	long count = atol(argv[1]);
	long long start;

	if (ping(fd, 0, 0) < 0)
		return 1;
	start = now();
	for (long i = 0; i < count; i++)
		if (ping(fd, 0, i + 1) < 0)
			return 1;
	printf("%lld %lld\n", start, now());
	return 0;
}

/*
 * exec PORTFILE COMMAND...: a command for each client, started by the least
 * that has to be called: accept, vfork, exec, wait.
 */
static int verb_exec(char **argv)
{
	int port, server = server_listen(NULL, &port), fd;
	FILE *file = fopen(argv[0], "w");

	if (!file || fprintf(file, "%d\n", port) < 0 || fclose(file) != 0)
		die(argv[0]);
	fcntl(server, F_SETFD, FD_CLOEXEC);
	while ((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (vfork() == 0) {
			dup2(fd, 0);
			dup2(fd, 1);
			execvp(argv[1], argv + 1);
			_exit(127);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
	die("accept");
	return 1;
}

static const struct verb {
	const char *name;
	int args;		/* at least */
	int (*run)(char **argv);
} verbs[] = {
	{ "run", 4, verb_run },
	{ "serve", 2, verb_serve },
	{ "pingpong", 4, verb_pingpong },
	{ "banner", 0, verb_banner },
	{ "echo", 0, verb_echo },
	{ "udp-echo", 0, verb_udp_echo },
	{ "udp-drain", 1, verb_udp_drain },
	{ "read", 1, verb_read },
	{ "talk", 1, verb_talk },
	{ "sendfile", 1, verb_sendfile },
	{ "splice", 1, verb_splice },
	{ "fill", 1, verb_fill },
	{ "drain", 0, verb_drain },
	{ "sink", 0, verb_sink },
	{ "pour", 2, verb_pour },
	{ "visit", 7, verb_visit },
	{ "crowd", 2, verb_crowd },
	{ "say", 2, verb_say },
	{ "exec", 2, verb_exec },
};

int main(int argc, char **argv)
{
	/* The benchmark may be killed outright: nothing stays behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0 &&
		    argc - 2 >= verbs[i].args)
			return verbs[i].run(argv + 2);
	fprintf(stderr, "driver: see driver.c for its verbs\n");
	return 125;
}
