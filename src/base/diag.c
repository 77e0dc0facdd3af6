/*
 * diag.c: what sockcat says on standard error
 */
#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Room for two of the longest paths; a longer message is cut. */
#define MESSAGE 8448

static const char cut_mark[] = "...";

/*
 * How many bytes from `text` on are one well-formed UTF-8 character
 * (RFC 3629) that is no control character; 0: the byte must be escaped. Bytes
 * outside of UTF-8 are, because 0x80 to 0x9F drive terminals that do not use
 * it, and so are overlong forms, because lax terminals decode them.
 */
static size_t
printable(const unsigned char *text)
{
	/* The first characters of 2, 3 and 4 bytes; C1 ends at U+009F. */
	static const unsigned long least[] = { 0, 0, 0xa0, 0x800, 0x10000 };

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;

	size_t length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	unsigned long code = text[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/*
 * Copies `text` to `line`, which has room for four bytes for each byte of it,
 * and returns how many it wrote. There is no NUL.
 */
static size_t
escape(const char *text, char *line)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *from = (const unsigned char *)text;
	char *to = line;

	while (*from != '\0') {
		size_t length = printable(from);

		if (length > 0) {
			memcpy(to, from, length);
			to += length;
			from += length;
		} else {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = digits[*from >> 4];
			*to++ = digits[*from & 0xf];
			from++;
		}
	}
	return (size_t)(to - line);
}

__attribute__((format(printf, 2, 0)))
static void
say(const char *prefix, const char *format, va_list arguments)
{
	int error = errno;
	char text[MESSAGE];
	char line[16 + 4 * sizeof(text)];
	size_t length = escape(prefix, line);

	int wanted = vsnprintf(text, sizeof(text), format, arguments);
	if (wanted < 0)
		text[0] = '\0';
	else if ((size_t)wanted >= sizeof(text))
		memcpy(text + sizeof(text) - sizeof(cut_mark), cut_mark,
		       sizeof(cut_mark));

	length += escape(text, line + length);
	line[length++] = '\n';
	while (write(STDERR_FILENO, line, length) == -1 && errno == EINTR)
		continue;
	errno = error;
}

void
diag_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("sockcat: ", format, arguments);
	va_end(arguments);
}

void
diag_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

/* Nothing calls setlocale(3), so strerror(3) knows only the C locale. */
/*
 * Where the C libraries differ, glibc's
 * words: scripts search for them.
 */
static const struct {
	int error;
	const char *text;
} error_texts[] = {
	{ ETIMEDOUT, "Connection timed out" },
	{ EHOSTUNREACH, "No route to host" },
	{ ENETUNREACH, "Network is unreachable" },
	{ EADDRINUSE, "Address already in use" },
	{ EADDRNOTAVAIL, "Cannot assign requested address" },
	{ ECONNABORTED, "Software caused connection abort" },
	{ EMSGSIZE, "Message too long" },
	{ EMFILE, "Too many open files" },
};

const char *
diag_strerror(int error)
{
	size_t i;

	for (i = 0; i < sizeof(error_texts) / sizeof(error_texts[0]); i++)
		if (error_texts[i].error == error)
			return error_texts[i].text;
	return strerror(error);
}
