/*
 * chat.c: what the clients of --chat are shown, in Ncat's words
 */
#include "serve/chat.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/compat.h"

/* What has to fit in behind a list: how many were left out, and its end. */
#define LIST_END 64

/* Adds to the text, which has room for it. */
__attribute__((format(printf, 2, 3)))
static void
chat_add(struct chat *chat, const char *format, ...)
{
	size_t room = sizeof(chat->text) - chat->length;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(chat->text + chat->length, room, format,
			   arguments);
	va_end(arguments);
	if (length > 0)
		chat->length += (size_t)length < room ? (size_t)length : room;
}

/* Adds bytes, those that might drive a terminal as octal numbers. */
static void
chat_add_escaped(struct chat *chat, const unsigned char *data, size_t length,
		 const char *allowed)
{
	size_t i;

	for (i = 0; i < length; i++) {
		bool plain = (data[i] >= 0x20 && data[i] < 0x7f) ||
		    (data[i] != '\0' && strchr(allowed, data[i]) != NULL);

		if (plain)
			chat->text[chat->length++] = (char)data[i];
		else
			chat_add(chat, "\\%03o", (unsigned)data[i]);
	}
}

/* A client of a Unix socket has no address as a rule. */
static void
chat_add_user(struct chat *chat, unsigned long number,
	      const struct address *peer, const char *verb)
{
	char host[ADDRESS_TEXT];

	address_host(peer, host);
	if (host[0] == '\0')
		(void)snprintf(host, sizeof(host), "local");
	chat_add_escaped(chat, (const unsigned char *)host, strlen(host), "");
	chat_add(chat, "%s <user%lu>", verb, number);
}

void
chat_said(struct chat *chat, unsigned long number, const unsigned char *data,
	  size_t length)
{
	chat->length = 0;
	chat_add(chat, "<user%lu> ", number);
	chat_add_escaped(chat, data, length, "\t\n\r");
}

void
chat_came(struct chat *chat, unsigned long number, const struct address *peer)
{
	chat->length = chat->listed = chat->left_out = 0;
	chat_add(chat, "<announce> ");
	chat_add_user(chat, number, peer, " is connected as");
	chat_add(chat, ".\n<announce> already connected: ");
}

void
chat_here(struct chat *chat, unsigned long number, const struct address *peer)
{
	/* An address of which each byte is escaped must still fit in. */
	if (chat->length + 4 * ADDRESS_TEXT + 2 * LIST_END >
	    sizeof(chat->text)) {
		chat->left_out++;
		return;
	}
	chat_add(chat, "%s", chat->listed > 0 ? ", " : "");
	chat_add_user(chat, number, peer, " as");
	chat->listed++;
}

void
chat_all_here(struct chat *chat)
{
	if (chat->listed == 0)
		chat_add(chat, "nobody");
	if (chat->left_out > 0)
		chat_add(chat, ", and %zu more", chat->left_out);
	chat_add(chat, ".\n");
}

void
chat_left(struct chat *chat, unsigned long number)
{
	chat->length = 0;
	chat_add(chat, "<announce> <user%lu> is disconnected.\n", number);
}
