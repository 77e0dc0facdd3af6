/*
 * line.c: what came of a line that is not complete
 */
#include "base/line.h"

#include <stdlib.h>
#include <string.h>

void
line_free(struct line *line)
{
	free(line->data);
	*line = (struct line){ .data = NULL };
}

/* Keeps a copy instead of what was kept. Returns 0, or -1: it is too long. */
static int
line_keep(struct line *line, const unsigned char *data, size_t length)
{
	unsigned char *kept = NULL;

	if (length > LINE_MOST)
		return -1;
	if (length > 0) {
		kept = malloc(length);
		if (kept == NULL)
			return -1;
		memcpy(kept, data, length);
	}
	line_free(line);
	*line = (struct line){ .data = kept, .length = length };
	return 0;
}

/* How much of it ends in a newline. */
static size_t
whole_lines(const unsigned char *data, size_t length)
{
	while (length > 0 && data[length - 1] != '\n')
		length--;
	return length;
}

size_t
line_cut(struct line *line, unsigned char *data, size_t length,
	 unsigned char **start)
{
	size_t whole = whole_lines(data, length);
	size_t total = line->length + length;

	if (whole > 0)
		whole += line->length;
	*start = data - line->length;
	if (line->length > 0)
		memcpy(*start, line->data, line->length);
	if (line_keep(line, *start + whole, total - whole) == 0)
		return whole;
	line_free(line);
	return total;
}

size_t
line_end(struct line *line, unsigned char *data)
{
	size_t length = line->length;

	if (length == 0)
		return 0;
	memcpy(data, line->data, length);
	data[length++] = '\n';
	line_free(line);
	return length;
}
