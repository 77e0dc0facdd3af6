/*
 * line.h: what came of a line that is not complete
 */
#ifndef LINE_H
#define LINE_H

#include <stddef.h>

/* The longest start of a line that is kept. */
#define LINE_MOST ((size_t)64 * 1024)

/* It has memory only while there is one. A line of zeroes is none. */
struct line {
	unsigned char *data;
	size_t length;
};

/*
 * Takes `length` bytes that came and stand at `data`, in front of which there
 * is room for LINE_MOST bytes: the start that was kept is put there. Returns
 * how many bytes, from there on, are whole lines; `*start` says where. What is
 * left is kept; where it is too long for that it is counted to the others.
 */
size_t line_cut(struct line *line, unsigned char *data, size_t length,
		unsigned char **start);

/*
 * No more will come: what is left, and the newline that it lacks, is put to
 * `data`, which has room for LINE_MOST + 1 bytes. Returns its length, or 0.
 */
size_t line_end(struct line *line, unsigned char *data);

/* Forgets it. */
void line_free(struct line *line);

#endif
