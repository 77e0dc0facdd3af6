/*
 * number.h: numbers as users write them, checked whole
 *
 * Digits and nothing else: no sign, no blank, no trailing letter, no
 * overflow. Each function returns 0, or -1 with errno EINVAL (not a number)
 * or ERANGE (outside of what is allowed) and leaves its result untouched.
 */
#ifndef NUMBER_H
#define NUMBER_H

#include <stddef.h>

/* A decimal number from `min` to `max`. */
int number_parse(const char *text, unsigned long min, unsigned long max,
		 unsigned long *out);

/* The same, or a hexadecimal one that starts with 0x. */
int number_parse_hex(const char *text, unsigned long min, unsigned long max,
		     unsigned long *out);

/* A decimal number of bytes, or of k, M or G (1024s; either case). */
int size_parse(const char *text, size_t *bytes);

#endif
