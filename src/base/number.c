/*
 * number.c: numbers as users write them, checked whole
 */
#include "base/number.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

/* What a digit is worth in any base up to 16; 16 if it is none. */
static unsigned
digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return (unsigned)(digit - '0');
	if (digit >= 'a' && digit <= 'f')
		return (unsigned)(digit - 'a') + 10;
	if (digit >= 'A' && digit <= 'F')
		return (unsigned)(digit - 'A') + 10;
	return 16;
}

static int
fail(int error)
{
	errno = error;
	return -1;
}

/*
 * Reads digits of `base` up to the first other character, which `*end` is
 * set to. strtoul(3) would take blanks and signs. A number that is too large
 * is read to its end too: letters behind it make it no number at all.
 */
static int
read_digits(const char *text, unsigned base, unsigned long *out,
	    const char **end)
{
	const char *at = text;
	unsigned long value = 0;
	int too_large = 0;

	for (; digit_value(*at) < base; at++) {
		unsigned digit = digit_value(*at);

		if (value > (ULONG_MAX - digit) / base)
			too_large = 1;
		else
			value = value * base + digit;
	}
	*end = at;
	*out = too_large ? ULONG_MAX : value;
	if (at == text)
		return fail(EINVAL);
	return too_large;
}

static int
parse(const char *text, unsigned base, unsigned long min,
      unsigned long max, unsigned long *out)
{
	const char *end;
	unsigned long value;
	int too_large = read_digits(text, base, &value, &end);

	if (too_large < 0 || *end)
		return fail(EINVAL);
	if (too_large || value < min || value > max)
		return fail(ERANGE);
	*out = value;
	return 0;
}

int
number_parse(const char *text, unsigned long min, unsigned long max,
	     unsigned long *out)
{
	return parse(text, 10, min, max, out);
}

int
number_parse_hex(const char *text, unsigned long min, unsigned long max,
		 unsigned long *out)
{
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return parse(text + 2, 16, min, max, out);
	return parse(text, 10, min, max, out);
}

/* How far to shift left for a suffix; -1 if it is none. */
static int
suffix_shift(const char *suffix)
{
	if (!suffix[0])
		return 0;
	if (suffix[1])
		return -1;
	switch (suffix[0]) {
	case 'k': case 'K':
		return 10;
	case 'm': case 'M':
		return 20;
	case 'g': case 'G':
		return 30;
	default:
		return -1;
	}
}

int
size_parse(const char *text, size_t *bytes)
{
	const char *end;
	unsigned long value;
	int too_large = read_digits(text, 10, &value, &end);
	int shift;

	if (too_large < 0)
		return -1;
	shift = suffix_shift(end);
	if (shift < 0)
		return fail(EINVAL);
	if (too_large || value > SIZE_MAX >> shift)
		return fail(ERANGE);
	*bytes = (size_t)value << shift;
	return 0;
}
