/*
 * mallocfail.c: to be preloaded; the MALLOC_FAIL'th call for memory fails
 *
 * Counts those of malloc(3), calloc(3) and realloc(3) alike. glibc only.
 */
#include <errno.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *data, size_t size);

static int
fails(void)
{
	static long left = -1;

	if (left == -1)
		left = atol(getenv("MALLOC_FAIL"));
	if (left == 0 || --left > 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *data, size_t size)
{
	return fails() ? NULL : __libc_realloc(data, size);
}
