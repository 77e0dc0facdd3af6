/*
 * nearest.h: what was probably meant by a name that is not known
 */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

/*
 * Of `count` names, given one by one by `name_at` (NULL is passed over), the
 * one closest to `word`: the fewest letters to insert, drop, change or swap
 * with a neighbour, and no more of them than a third of the word. Of equals
 * the first. NULL if none is close.
 */
const char *nearest(const char *word, const char *(*name_at)(size_t index),
		    size_t count);

#endif
