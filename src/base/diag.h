/*
 * diag.h: what sockcat says on standard error
 *
 * Every message is one line and one write(2), so lines of several processes
 * do not mix. Control characters in it (they may come from a peer, a file
 * name or an argument) are shown escaped as \xNN: no text can forge a line or
 * drive a terminal. Messages are in English whatever the locale.
 */
#ifndef DIAG_H
#define DIAG_H

/* "sockcat: " and the message: a failure. Keeps errno. */
__attribute__((format(printf, 1, 2)))
void diag_error(const char *format, ...);

/*
 * The message alone, in OpenBSD nc's words: what -v asked for. The caller
 * looks at the verbosity first. Keeps errno.
 */
__attribute__((format(printf, 1, 2)))
void diag_note(const char *format, ...);

/* strerror(3) in English whatever the locale; points to static storage. */
const char *diag_strerror(int error);

#endif
