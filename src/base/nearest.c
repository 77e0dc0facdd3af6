/*
 * nearest.c: what was probably meant by a name that is not known
 */
#include "base/nearest.h"

#include <string.h>

/* Longer than any option's name; what is longer resembles none of them. */
#define LONGEST 47

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Edit distance with swapped neighbours counting as one ("optimal string
 * alignment"). Only the last three rows of the matrix are kept.
 */
static size_t
distance(const char *a, size_t a_length, const char *b,
	 size_t b_length)
{
	size_t rows[3][LONGEST + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *free_row;

	for (size_t j = 0; j <= b_length; j++) {
		before[j] = j;
		above[j] = j;
	}
	for (size_t i = 1; i <= a_length; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = smaller(above[j], row[j - 1]) + 1;
			row[j] = smaller(row[j], above[j - 1] +
						 (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
		free_row = before;
		before = above;
		above = row;
		row = free_row;
	}
	return above[b_length];
}

const char *
nearest(const char *word, const char *(*name_at)(size_t index),
	size_t count)
{
	size_t length = strlen(word);
	size_t best = (length + 2) / 3 + 1;
	const char *found = NULL;

	if (length > LONGEST)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const char *name = name_at(i);
		size_t name_length = name ? strlen(name) : LONGEST + 1;
		size_t away;

		if (name_length > LONGEST)
			continue;
		away = distance(word, length, name, name_length);
		if (away < best && away < name_length) {
			best = away;
			found = name;
		}
	}
	return found;
}
