/*
 * clock.h: one monotonic clock for every limit, and the text of times
 *
 * Points in time and durations are both nanoseconds in an int64_t: points
 * count from CLOCK_MONOTONIC's origin (clock_gettime(2)), so setting the
 * wall clock moves no limit.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define NANOSECOND INT64_C(1)
#define MILLISECOND (INT64_C(1000000) * NANOSECOND)
#define SECOND (INT64_C(1000) * MILLISECOND)

/* As a duration: not set. As a point in time: never. */
#define NEVER INT64_MAX

/* Now, in nanoseconds of the monotonic clock. Never fails. */
int64_t clock_now(void);

/* The point in time `duration` from now; NEVER for NEVER; never overflows. */
int64_t clock_after(int64_t duration);

/*
 * Parses TIME as the command line has it: a number with an optional fraction
 * and an optional unit (ms, s, m, h; seconds without one). Stores
 * nanoseconds; a time too long for the clock is an error, not NEVER.
 * Returns 0, or -1 when the text is not a time.
 */
int clock_parse(const char *text, int64_t *duration);

#endif
