/*
 * ferry.h: messages between one client and what stands behind, both ways
 *
 * What relay.h is for bytes. The client's messages are given to the ferry,
 * because many clients may share the one socket that hears them.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/outcome.h"
#include "io/way.h"
#include "serve/backend.h"

struct front;

struct ferry {
	/* The owner's, set before ferry_start(). */
	const struct front *front;
	struct correspondent client;
	/* A message came, from either side. */
	void (*moved)(struct ferry *ferry);
	/* What ferry_wants() says may have changed. */
	void (*settled)(struct ferry *ferry);
	/*
	 * All is over, and a failure told. Called once, from the loop or from
	 * the functions below; it must not call ferry_close().
	 */
	void (*over)(struct ferry *ferry, struct outcome outcome);

	/* ferry.c's own: */
	struct backend backend;
	struct watch watch;	/* of the back-end's socket */
	struct way up, down;	/* to the back-end, to the client */
	bool up_over, down_over;
	bool client_ended, client_gone;
	bool backend_ended, backend_gone, program_ended;
	bool mute;		/* the client has no address to answer to */
	bool is_over;
	int broken, client_broken;	/* errno of a reset, from either */
	struct timer retry;	/* to try sending again */
	struct timer quit;	/* how long the rest is waited for */
	int64_t window;		/* ... anew after each message; else 0 */
	struct outcome outcome;
};

/*
 * Opens what stands behind. Returns 0, or -1 with errno: then ferry_close() is
 * due all the same, and nothing else.
 */
int ferry_start(struct ferry *ferry);

/*
 * Messages of the client's. Returns how many were taken: fewer than `count`
 * where nothing stands behind any more, although what came from there may
 * still be on its way.
 */
size_t ferry_take(struct ferry *ferry, const struct message *messages,
		  size_t count);

/*
 * What poll(2) is to tell of the front: POLLIN if it is alone and more is
 * wanted of it, POLLOUT if messages wait for room there, 0 where only its
 * hang-up is of interest, -1 where nothing is.
 */
int ferry_wants(const struct ferry *ferry);

/* There may be room in the front. */
void ferry_room(struct ferry *ferry);

/* A front that is alone has ended; has hung up. */
void ferry_client_ended(struct ferry *ferry);
void ferry_client_gone(struct ferry *ferry);

/*
 * A front that is alone could not be read, says `error`. Returns whether to
 * read on: what was sent before a reset comes after it.
 */
bool ferry_client_failed(struct ferry *ferry, int error);

/*
 * Nothing has moved for long enough. A program is given the end of its input
 * and 2 s; anything else is over.
 */
void ferry_finish(struct ferry *ferry);

/*
 * What nothing stands behind for any more: messages of the client's that a
 * program has left unread, or that wait.
 */
struct msgqueue *ferry_unread(struct ferry *ferry);

/* How many messages wait to be sent, both ways. */
size_t ferry_held(const struct ferry *ferry);

/* Closes what is open, and ends a program. */
void ferry_close(struct ferry *ferry);

#endif
