/*
 * handed.h: a socket that was open when we were started
 */
#ifndef HANDED_H
#define HANDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "net/family.h"

struct handed {
	int fd;
	int family, type, protocol;	/* as socket(2) took them */
	bool listening;
	bool connected;
	struct address peer;		/* of a connected one */
};

/*
 * Finds out what descriptor `fd` is (SO_DOMAIN … in socket(7)). Its flags are
 * left alone: others may hold it, too. Tells a failure (no socket, not open);
 * returns CAUSE_NONE or the cause.
 */
enum cause handed_inspect(int fd, struct handed *out);

/*
 * The same of `count` descriptors from `first` on, which are to be served
 * together: several must all listen, and be of one type (CAUSE_USAGE).
 */
enum cause handed_inspect_all(int first, size_t count, struct handed *out);

#endif
