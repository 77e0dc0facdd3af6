/*
 * start.h: one run, from its options to its outcome
 */
#ifndef START_H
#define START_H

#include "base/outcome.h"

struct options;

/*
 * Connects, or listens; then moves data until both directions have ended.
 * Every failure has been told on return.
 */
struct outcome start(const struct options *options);

#endif
