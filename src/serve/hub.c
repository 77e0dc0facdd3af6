/*
 * hub.c: many clients that share one local side: -k, --broker, --chat
 *
 * Theory of operation. What a client sends is read only when it can be passed
 * on at once: into the one buffer that all share, and from there to standard
 * output or to the other members (member.c). While output is slow, or a member
 * has as much waiting as may wait, nobody is read. A client that has
 * something to say then is no longer watched and waits in line; who says
 * nothing costs nothing. Standard input is read under the same conditions, and
 * only while there is somebody to send it to.
 *
 * A client's end is its own. The run ends with -q, -W or when output fails:
 * then all are sent what waits for them, half-closed, and lingered for.
 */
#include "serve/hub.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"
#include "base/diag.h"
#include "cli/options.h"
#include "io/input.h"
#include "io/output.h"
#include "serve/chat.h"
#include "serve/member.h"
#include "serve/run.h"

/* How long to linger where the user waits for the end, not for the peer. */
#define LINGER_BOUND (2 * SECOND)

/* How often a job in the background looks whether it is in front now. */
#define FOREGROUND_LOOK (500 * MILLISECOND)

/* Bytes that are read at once, from input and from a client. */
#define INPUT_PIECE (MEMBER_PIECE / 2)
#define CLIENT_PIECE ((size_t)64 * 1024)

/* Pieces of input that are sent before the clients get a turn. */
#define INPUT_TURNS 8

struct hub {
	struct run *run;
	const struct options *options;
	bool standard;		/* standard input and output are used */
	struct ring members, waiting;
	size_t open;		/* members that are not over */
	size_t takers;		/* members that are sent what there is */
	size_t full;		/* members that are full */
	struct timer resume;	/* who waits is looked at again */

	/* input → members */
	struct input input;
	struct watch input_watch;
	struct timer foreground;
	bool input_opened;	/* with what the first client showed to need */
	bool input_ended;

	/* members → output, or the other members */
	struct output output;
	struct watch output_watch;
	bool writing;		/* output has not taken all of the last piece */
	bool output_closed;
	unsigned char *buffer;	/* room for a line's start, then for a piece */
	struct chat *chat;	/* NULL without --chat */
	unsigned long last_number;
	unsigned long reads_left;	/* -W; 0: no limit */
	bool counted_out;	/* they were used up */

	/* the end of the run */
	struct outcome outcome;	/* the first failure; else status 0 */
	bool quitting;
	bool ended;		/* the run was told */
	int64_t bound_at;
	struct timer quit;	/* -q */
	struct timer bound;	/* what is bounded must be over then */
};

static void hub_quit(struct hub *hub, int64_t until);

/* The member that `link` leads to; NULL after the last. */
static struct member *
hub_member(const struct hub *hub, struct ring *link)
{
	return link != &hub->members ?
	    container_of(link, struct member, all) : NULL;
}

static struct member *
hub_first(const struct hub *hub)
{
	return hub_member(hub, hub->members.next);
}

static struct member *
hub_next(const struct hub *hub, const struct member *member)
{
	return hub_member(hub, member->all.next);
}

/* The first failure decides; later ones are its consequences. */
static void
hub_fail(struct hub *hub, struct outcome outcome)
{
	if (hub->outcome.status == 0 && hub->outcome.signal == 0)
		hub->outcome = outcome;
}

/* Sends a piece, or a message, to all who take it but `except`. */
static void
hub_send(struct hub *hub, const struct member *except, const void *data,
	 size_t length)
{
	struct member *member;

	for (member = hub_first(hub); member != NULL;
	     member = hub_next(hub, member))
		if (member != except && member_takes(member))
			member_send(member, data, length);
}

static void
hub_send_chat(struct hub *hub, const struct member *except)
{
	hub_send(hub, except, hub->chat->text, hub->chat->length);
}

/* Looks again, from the loop, at those who wait to be read. */
static void
hub_resume(struct hub *hub)
{
	if (!ring_empty(&hub->waiting) || hub->input_opened)
		loop_timer(hub->run->loop, &hub->resume, 0);
}

/* The run is over when all members are, and what came is written out. */
static void
hub_look_for_end(struct hub *hub)
{
	if (!hub->quitting || hub->open > 0 || hub->writing ||
	    !ring_empty(&hub->waiting) || hub->ended)
		return;
	hub->ended = true;
	if (hub->standard && !hub->output_closed &&
	    channel_close(&hub->output.channel) == -1 && errno != EBADF) {
		diag_error("write to standard output failed: %s",
			   diag_strerror(errno));
		hub_fail(hub, outcome_of(CAUSE_LOCAL));
	}
	hub->output_closed = true;
	run_end(hub->run, hub->outcome);
}

/* The local output takes no more, says `error`. */
static void
hub_output_failed(struct hub *hub, int error)
{
	struct sigaction action;

	if (error == EPIPE && sigaction(SIGPIPE, NULL, &action) == 0 &&
	    action.sa_handler != SIG_IGN) {
		/* The reader has gone: end as cat would. */
		hub_fail(hub, (struct outcome){ .signal = SIGPIPE });
	} else {
		diag_error("write to standard output failed: %s",
			   diag_strerror(error));
		hub_fail(hub, outcome_of(CAUSE_LOCAL));
	}
	loop_unwatch(hub->run->loop, &hub->output_watch);
	hub->output_closed = true;
	hub->writing = false;
	hub_quit(hub, clock_after(LINGER_BOUND));
}

static void
hub_watch_output(struct hub *hub)
{
	enum channel_kind kind = hub->output.channel.kind;

	if (hub->output_closed)
		return;
	if (hub->writing)
		loop_watch(hub->run->loop, &hub->output_watch, POLLOUT);
	else if (hub->standard && !hub->options->send_only &&
		 (kind == CHANNEL_PIPE || kind == CHANNEL_SOCKET))
		/* To hear that its reader has gone. */
		loop_watch(hub->run->loop, &hub->output_watch, 0);
	else
		loop_unwatch(hub->run->loop, &hub->output_watch);
}

/* Writes what goes of what was taken to be written. */
static void
hub_write(struct hub *hub)
{
	enum moved moved = output_write(&hub->output);

	if (moved == FAIL) {
		hub_output_failed(hub, errno);
		return;
	}
	hub->writing = moved != MOVED;
	hub_watch_output(hub);
}

/* Has messages written, or a piece of a stream. */
static void
hub_put(struct hub *hub, const struct received *received, size_t count)
{
	if (hub->output_closed || hub->options->send_only)
		return;
	if (output_take(&hub->output, received, count) == -1) {
		hub_output_failed(hub, errno);
		return;
	}
	for (; hub->output.too_long > 0; hub->output.too_long--) {
		diag_error("a message that came is too long for --frame "
			   "len16");
		hub_fail(hub, outcome_of(CAUSE_LOCAL));
	}
	hub_write(hub);
}

static void
hub_put_bytes(struct hub *hub, unsigned char *data, size_t length)
{
	const struct received piece = {
		.message = { .data = data, .length = length },
	};

	hub_put(hub, &piece, 1);
}

/* Passes on whole lines of `length` bytes that came. */
static void
hub_put_lines(struct hub *hub, struct member *member, size_t length)
{
	unsigned char *start;
	size_t whole = line_cut(&member->line, hub->buffer + LINE_MOST,
				length, &start);

	if (whole > 0)
		hub_put_bytes(hub, start, whole);
}

/* The client has ended: its last line gets the newline that it lacks. */
static void
hub_put_last_line(struct hub *hub, struct member *member)
{
	size_t length = line_end(&member->line, hub->buffer);

	if (length > 0)
		hub_put_bytes(hub, hub->buffer, length);
}

static void
hub_count_reads(struct hub *hub, size_t count)
{
	if (hub->reads_left == 0)
		return;
	hub->reads_left -= count;
	hub->counted_out = hub->reads_left == 0;
}

/* What a client sent, which stands in the buffer behind a line's room. */
static void
hub_received(struct hub *hub, struct member *member, size_t length)
{
	unsigned char *data = hub->buffer + LINE_MOST;

	hub_count_reads(hub, 1);
	if (hub->chat != NULL) {
		chat_said(hub->chat, member->number, data, length);
		hub_send_chat(hub, member);
	} else if (!hub->standard) {
		hub_send(hub, member, data, length);
	} else if (hub->options->framing == FRAME_LINE) {
		hub_put_lines(hub, member, length);
	} else {
		hub_put_bytes(hub, data, length);
	}
}

static void
hub_received_messages(struct hub *hub, struct member *member,
		      const struct received *received, size_t count)
{
	if (hub->reads_left > 0 && count > hub->reads_left)
		count = hub->reads_left;
	hub_count_reads(hub, count);
	if (hub->options->show_peer)
		hub->output.show_peer = &member->peer;
	hub_put(hub, received, count);
	member->lent = hub->writing;
}

/* The client has ended its direction; perhaps it still listens. */
static void
hub_peer_ended(struct hub *hub, struct member *member)
{
	const struct options *options = hub->options;

	hub_put_last_line(hub, member);
	if (!hub->standard || hub->input_ended || options->recv_only ||
	    options->peer_quit == 0 ||
	    hub->input.channel.kind == CHANNEL_TERMINAL)
		member_end(member);
	else if (options->peer_quit != NEVER)
		member_quit_after(member, options->peer_quit);
	else
		member_probe(member);
}

static enum moved
hub_read_piece(struct hub *hub, struct member *member)
{
	size_t most = hub->chat != NULL ? CHAT_PIECE : CLIENT_PIECE, got;
	enum moved moved;

	if (hub->options->block_size != 0 && hub->options->block_size < most)
		most = hub->options->block_size;
	moved = member_read(member, hub->buffer + LINE_MOST, most, &got);
	if (moved == MOVED)
		hub_received(hub, member, got);
	return moved;
}

static enum moved
hub_read_messages(struct hub *hub, struct member *member)
{
	const struct received *received;
	size_t count;
	enum moved moved = member_receive(member, &received, &count);

	if (moved == MOVED)
		hub_received_messages(hub, member, received, count);
	return moved;
}

/* Reads a piece, or a batch of messages, and passes it on. */
static void
hub_read(struct hub *hub, struct member *member)
{
	enum moved moved = member->messages != NULL ?
	    hub_read_messages(hub, member) : hub_read_piece(hub, member);

	if (moved == END || moved == FAIL)
		hub_peer_ended(hub, member);
	if (hub->counted_out && !hub->writing)
		hub_quit(hub, NEVER);
}

/*
 * Whether what a client says could be passed on. One that is itself what the
 * others wait for may go on: perhaps it reads nothing until that is read.
 */
static bool
hub_can_read(const struct hub *hub, const struct member *member)
{
	if (hub->standard)
		return !hub->writing && !hub->counted_out;
	return hub->full == (member->full ? 1 : 0);
}

static void
hub_hold(struct hub *hub, struct member *member)
{
	member->held = true;
	ring_remove(&member->waiting);
	ring_add(&hub->waiting, &member->waiting);
}

/* member.h's `readable`. */
static void
hub_member_readable(struct member *member)
{
	struct hub *hub = member->hub;

	if (hub_can_read(hub, member))
		hub_read(hub, member);
	else
		hub_hold(hub, member);
}

/* member.h's `changed`: keeps count. */
static void
hub_member_changed(struct member *member)
{
	struct hub *hub = member->hub;
	bool takes = member_takes(member);

	if (takes != member->counted_takes) {
		member->counted_takes = takes;
		hub->takers = takes ? hub->takers + 1 : hub->takers - 1;
		hub_resume(hub);
	}
	if (member->full != member->counted_full) {
		member->counted_full = member->full;
		hub->full = member->full ? hub->full + 1 : hub->full - 1;
		hub_resume(hub);
	}
}

/* Nothing of a member that is over is needed any more. */
static void
hub_let_go(struct hub *hub, struct member *member)
{
	ring_remove(&member->waiting);
	hub_put_last_line(hub, member);
	member_finish(member);
	hub_look_for_end(hub);
}

/* member.h's `over`. */
static void
hub_member_over(struct member *member)
{
	struct hub *hub = member->hub;

	hub->open--;
	if (hub->quitting)
		hub_fail(hub, member->outcome);
	if (hub->chat != NULL) {
		chat_left(hub->chat, member->number);
		hub_send_chat(hub, member);
	}
	/* The buffer, or its messages, are still being written. */
	if (hub->writing && (member->line.length > 0 || member->lent))
		hub_hold(hub, member);
	else
		hub_let_go(hub, member);
}

static const struct member_events hub_events = {
	.readable = hub_member_readable, .changed = hub_member_changed,
	.over = hub_member_over,
};

static void
hub_input_ended(struct hub *hub)
{
	const struct options *options = hub->options;
	struct member *member;

	if (hub->input_ended)
		return;
	hub->input_ended = true;
	for (member = hub_first(hub); member != NULL;
	     member = hub_next(hub, member)) {
		/* Who comes just now has its say first. */
		if (member->fresh && !member->peer_ended)
			continue;
		member_end(member);
		member_settle(member);
	}
	if (options->quit_after == 0)
		hub_quit(hub, NEVER);
	else if (options->quit_after != NEVER)
		loop_timer(hub->run->loop, &hub->quit,
			   clock_after(options->quit_after));
}

static bool
hub_wants_input(const struct hub *hub)
{
	return hub->input_opened && !hub->input_ended && !hub->quitting &&
	    hub->takers > 0 && hub->full == 0;
}

static void
hub_send_input(struct hub *hub)
{
	struct input *input = &hub->input;

	while (input_holds(input) && hub_wants_input(hub)) {
		const struct message *message = &input->cut[input->cut_sent++];

		hub_send(hub, NULL, message->data, message->length);
	}
}

/* Reads a piece of the input; returns whether there may be more. */
static bool
hub_read_some_input(struct hub *hub)
{
	switch (input_messages(&hub->input)) {
	case MOVED:
		hub_send_input(hub);
		return true;
	case AGAIN:
		break;
	case FAIL:
		diag_error("read from standard input failed: %s",
			   diag_strerror(errno));
		hub_fail(hub, outcome_of(CAUSE_LOCAL));
		hub_input_ended(hub);
		break;
	case END:
		hub_input_ended(hub);
		break;
	}
	return false;
}

/* Reads the input that is there, or some of it, and sends it to all. */
static void
hub_read_input(struct hub *hub)
{
	unsigned turn;

	for (turn = 0; turn < INPUT_TURNS && hub_wants_input(hub); turn++)
		if (!hub_read_some_input(hub))
			break;
}

/* Has input watched where it is to be read, and can be. */
static void
hub_watch_input(struct hub *hub)
{
	struct loop *loop = hub->run->loop;

	if (!hub_wants_input(hub)) {
		loop_unwatch(loop, &hub->input_watch);
	} else if (!channel_in_foreground(&hub->input.channel)) {
		loop_unwatch(loop, &hub->input_watch);
		loop_timer(loop, &hub->foreground,
			   clock_after(FOREGROUND_LOOK));
	} else if (input_holds(&hub->input)) {
		hub_resume(hub);
	} else {
		loop_watch(loop, &hub->input_watch, POLLIN);
	}
}

static void
input_ready(struct watch *watch, short events)
{
	struct hub *hub = container_of(watch, struct hub, input_watch);

	(void)events;
	hub_read_input(hub);
	hub_watch_input(hub);
}

static void
foreground_expired(struct timer *timer)
{
	hub_watch_input(container_of(timer, struct hub, foreground));
}

/* Serves those who wait in line, each once, as far as that goes. */
static void
resume_expired(struct timer *timer)
{
	struct hub *hub = container_of(timer, struct hub, resume);
	struct ring mark, *link;

	ring_add(&hub->waiting, &mark);
	while ((link = hub->waiting.next) != &mark) {
		struct member *member = container_of(link, struct member,
						     waiting);

		if (hub->writing)
			break;
		ring_remove(link);
		member->held = false;
		if (member->phase == MEMBER_OVER)
			hub_let_go(hub, member);
		else
			hub_member_readable(member);
		member_settle(member);
	}
	ring_remove(&mark);
	if (hub->input_opened && input_holds(&hub->input))
		hub_read_input(hub);
	hub_watch_input(hub);
	hub_look_for_end(hub);
}

static void
output_ready(struct watch *watch, short events)
{
	struct hub *hub = container_of(watch, struct hub, output_watch);

	if (hub->writing)
		hub_write(hub);
	else if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		hub_output_failed(hub, EPIPE);
	if (hub->writing)
		return;
	if (hub->counted_out)
		hub_quit(hub, NEVER);
	hub_resume(hub);
	hub_look_for_end(hub);
}

/* Ends all, and then the run; by force at `until`. */
static void
hub_quit(struct hub *hub, int64_t until)
{
	struct member *member;

	if (hub->quitting && until >= hub->bound_at)
		return;
	hub->quitting = true;
	hub->bound_at = until;
	loop_timer(hub->run->loop, &hub->bound, until);
	loop_timer(hub->run->loop, &hub->quit, NEVER);
	loop_timer(hub->run->loop, &hub->foreground, NEVER);
	loop_unwatch(hub->run->loop, &hub->input_watch);
	for (member = hub_first(hub); member != NULL;
	     member = hub_next(hub, member)) {
		if (member->phase == MEMBER_OVER)
			continue;
		ring_remove(&member->waiting);
		member_quit(member);
		member_settle(member);
	}
	hub_look_for_end(hub);
}

/* They could not even be sent what waits in the time that there was. */
static void
bound_expired(struct timer *timer)
{
	struct hub *hub = container_of(timer, struct hub, bound);
	struct member *member;

	for (member = hub_first(hub); member != NULL;
	     member = hub_next(hub, member))
		member_give_up(member, "time to linger ran out");
}

/* Bytes that were sent, and to how many members, that they may not have. */
static uint64_t
hub_undelivered(const struct hub *hub, size_t *count)
{
	const struct member *member;
	uint64_t sum = 0;

	*count = 0;
	for (member = hub_first(hub); member != NULL;
	     member = hub_next(hub, member)) {
		uint64_t bytes = member_undelivered(member);

		sum += bytes;
		*count += bytes > 0;
	}
	return sum;
}

/* Bytes that came and were not written, the kernel's included. */
static uint64_t
hub_unwritten(const struct hub *hub)
{
	uint64_t sum = hub->writing ? output_held(&hub->output) : 0;
	const struct member *member;

	for (member = hub_first(hub); member != NULL;
	     member = hub_next(hub, member)) {
		int waiting = 0;

		sum += member->line.length;
		if (member->held && member->phase == MEMBER_OPEN &&
		    ioctl(member->channel.fd, FIONREAD, &waiting) == 0 &&
		    waiting > 0)
			sum += (uint64_t)waiting;
	}
	return sum;
}

/*
 * Time is up for what `limit` names: tells what was not delivered, which is a
 * failure. Returns whether there was anything.
 */
static bool
hub_tell_undelivered(struct hub *hub, const char *limit)
{
	size_t count;
	uint64_t unsent = hub_undelivered(hub, &count);
	uint64_t unwritten = hub_unwritten(hub);
	bool unread = hub->standard && hub->full > 0;

	if (unsent == 0 && unwritten == 0)
		return false;
	diag_error("%s: %" PRIu64 " bytes to %zu client%s not acknowledged%s, "
		   "%" PRIu64 " bytes not written to standard output",
		   limit, unsent, count, count == 1 ? "" : "s",
		   unread ? " and more input not sent" : "", unwritten);
	hub_fail(hub, outcome_of(CAUSE_TIMED_OUT));
	return true;
}

static void
quit_expired(struct timer *timer)
{
	struct hub *hub = container_of(timer, struct hub, quit);
	struct member *member;
	size_t count;

	/* What came before is still written out. */
	if (hub_undelivered(hub, &count) > 0) {
		(void)hub_tell_undelivered(hub, "time to quit");
		for (member = hub_first(hub); member != NULL;
		     member = hub_next(hub, member))
			if (member_undelivered(member) > 0)
				member_abandon(member);
	}
	hub_quit(hub, NEVER);
}

/* input.h's `lost`. */
static void
input_lost(void *owner, uint64_t length, uint64_t wanted)
{
	struct hub *hub = owner;

	if (wanted == 0)
		diag_error("message of %" PRIu64 " bytes is too long for the "
			   "socket, which takes %zu", length,
			   hub->input.reader.most);
	else
		diag_error("input ended inside a frame, after %" PRIu64
			   " bytes", length);
	hub_fail(hub, outcome_of(CAUSE_LOCAL));
}

/* How input is cut: of a stream a read is a piece. */
static struct frame_reader
hub_reader(const struct hub *hub, const struct member *member)
{
	const struct options *options = hub->options;
	struct frame_reader reader = { .framing = FRAME_NONE };

	if (member->messages != NULL) {
		reader.framing = options->framing;
		reader.block = options->framing == FRAME_NONE ?
		    options->block_size : 0;
		reader.most = msgsock_most(member->messages);
	} else {
		reader.most = options->block_size != 0 &&
		    options->block_size < INPUT_PIECE ? options->block_size :
		    INPUT_PIECE;
	}
	return reader;
}

/* The first client shows what kind all are. Returns 0, or -1 with errno. */
static int
hub_open_sides(struct hub *hub, const struct member *member)
{
	const struct options *options = hub->options;
	struct frame_reader reader = hub_reader(hub, member);

	if (!hub->standard)
		return 0;
	if (member->messages != NULL)
		hub->output.framing = options->framing;
	if (options->recv_only || hub->input_opened)
		return 0;
	if (input_open(&hub->input, STDIN_FILENO, &reader,
		       options->crlf) == -1)
		return -1;
	hub->input.lost = input_lost;
	hub->input.owner = hub;
	hub->input_watch = (struct watch){
		.fd = hub->input.channel.fd, .ready = input_ready,
	};
	hub->input_opened = true;
	return 0;
}

static void
hub_announce(struct hub *hub, struct member *member)
{
	const struct member *other;

	member->number = ++hub->last_number;
	chat_came(hub->chat, member->number, &member->peer);
	for (other = hub_first(hub); other != NULL;
	     other = hub_next(hub, other))
		if (other != member && member_takes(other))
			chat_here(hub->chat, other->number, &other->peer);
	chat_all_here(hub->chat);
	hub_send_chat(hub, NULL);
}

/* What a new member finds: others, or input, or the end of it. */
static void
hub_welcome(struct hub *hub, struct member *member)
{
	ring_add(&hub->members, &member->all);
	hub->open++;
	hub_member_changed(member);
	if (hub->quitting) {
		member_quit(member);
	} else if (hub->chat != NULL) {
		hub_announce(hub, member);
	} else if (hub->input_opened &&
		   channel_in_foreground(&hub->input.channel)) {
		/* Where it is at its end already, that is seen only now. */
		member->fresh = true;
		hub_read_input(hub);
		member->fresh = false;
	}
	member_settle(member);
	hub_watch_input(hub);
}

struct local *
hub_join(struct hub *hub, const struct local_request *request)
{
	struct member *member = member_new(request, &hub_events, hub);

	if (member == NULL)
		return NULL;
	if (hub_open_sides(hub, member) == -1) {
		int error = errno;

		member_free(member);
		errno = error;
		return NULL;
	}
	hub_welcome(hub, member);
	return &member->local;
}

struct outcome
hub_expire(struct hub *hub, const char *limit)
{
	if (!hub_tell_undelivered(hub, limit))
		diag_error("%s", limit);
	hub_fail(hub, outcome_of(CAUSE_TIMED_OUT));
	return hub->outcome;
}

struct hub *
hub_new(struct run *run)
{
	const struct options *options = run->options;
	struct hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	hub->run = run;
	hub->options = options;
	hub->standard = !options->broker;
	hub->reads_left = options->max_packets;
	hub->bound_at = NEVER;
	ring_open(&hub->members);
	ring_open(&hub->waiting);
	hub->resume.expired = resume_expired;
	hub->foreground.expired = foreground_expired;
	hub->quit.expired = quit_expired;
	hub->bound.expired = bound_expired;
	hub->buffer = malloc(LINE_MOST + CLIENT_PIECE);
	if (options->chat)
		hub->chat = malloc(sizeof(*hub->chat));
	if (hub->buffer == NULL || (options->chat && hub->chat == NULL)) {
		hub_free(hub);
		return NULL;
	}
	if (hub->standard) {
		static const struct address nobody = { .length = 0 };

		output_open(&hub->output, STDOUT_FILENO, FRAME_NONE,
			    options->show_peer ? &nobody : NULL);
		hub->output_watch = (struct watch){
			.fd = STDOUT_FILENO, .ready = output_ready,
		};
		hub_watch_output(hub);
	}
	return hub;
}

void
hub_free(struct hub *hub)
{
	if (hub == NULL)
		return;
	loop_unwatch(hub->run->loop, &hub->input_watch);
	loop_unwatch(hub->run->loop, &hub->output_watch);
	loop_timer(hub->run->loop, &hub->resume, NEVER);
	loop_timer(hub->run->loop, &hub->foreground, NEVER);
	loop_timer(hub->run->loop, &hub->quit, NEVER);
	loop_timer(hub->run->loop, &hub->bound, NEVER);
	input_free(&hub->input);
	output_free(&hub->output);
	free(hub->chat);
	free(hub->buffer);
	free(hub);
}
