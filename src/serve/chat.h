/*
 * chat.h: what the clients of --chat are shown, in Ncat's words
 */
#ifndef CHAT_H
#define CHAT_H

#include <stddef.h>

#include "net/family.h"

/* So much of what a client said is shown at once, as in Ncat. */
#define CHAT_PIECE ((size_t)8192)

/* A text that is made by one of the functions below, each from the start. */
struct chat {
	size_t length;
	size_t listed, left_out;	/* users; the latter lacked room */
	char text[4 * CHAT_PIECE + 256];
};

/*
 * What user `number` said (CHAT_PIECE bytes at most), under its name. Of
 * control characters a tab and line ends are left; the others, and what is
 * not ASCII, become octal numbers.
 */
void chat_said(struct chat *chat, unsigned long number,
	       const unsigned char *data, size_t length);

/*
 * That a user came; chat_here() for each who was there already adds to that,
 * and chat_all_here() ends it.
 */
void chat_came(struct chat *chat, unsigned long number,
	       const struct address *peer);
void chat_here(struct chat *chat, unsigned long number,
	       const struct address *peer);
void chat_all_here(struct chat *chat);

/* That a user has gone. */
void chat_left(struct chat *chat, unsigned long number);

#endif
