/*
 * clock.c: one monotonic clock for every limit, and the text of times
 */
#include "base/clock.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/compat.h"

#define DIGITS "0123456789"

static const struct {
	const char *name;
	int64_t duration;
} units[] = {
	{ "", SECOND },
	{ "ms", MILLISECOND },
	{ "s", SECOND },
	{ "m", 60 * SECOND },
	{ "h", 3600 * SECOND },
};

int64_t
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec * NANOSECOND;
}

int64_t
clock_after(int64_t duration)
{
	int64_t now = clock_now();

	return duration < NEVER - now ? now + duration : NEVER;
}

/* The duration of the unit named `name`; 0 where there is none. */
static int64_t
unit_duration(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
		if (strcmp(name, units[i].name) == 0)
			return units[i].duration;
	return 0;
}

int
clock_parse(const char *text, int64_t *duration)
{
	size_t whole = strspn(text, DIGITS), places = 0;
	const char *fraction = text + whole;

	if (*fraction == '.') {
		fraction++;
		places = strspn(fraction, DIGITS);
		if (places == 0)
			return -1;
	}
	if (whole + places == 0)
		return -1;

	int64_t unit = unit_duration(fraction + places);
	if (unit == 0)
		return -1;

	/* One unit is left free for the fraction, and NEVER is out of reach. */
	int64_t most = NEVER / unit - 1, count = 0, part = 0;
	for (size_t i = 0; i < whole; i++) {
		count = count * 10 + (text[i] - '0');
		if (count > most)
			return -1;
	}
	int64_t place = unit;
	for (size_t i = 0; i < places; i++) {
		place /= 10;
		part += (fraction[i] - '0') * place;
	}
	*duration = count * unit + part;
	return 0;
}
