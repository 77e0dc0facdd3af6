/*
 * operands.h: what the operands mean, given the options
 */
#ifndef OPERANDS_H
#define OPERANDS_H

#include <stddef.h>

#include "cli/options.h"

/* Room for the messages of operands_apply(). */
#define OPERANDS_ERROR (ENDPOINT_ERROR + 128)

/*
 * Finds the endpoint and the ports of `options` in `count` operands, and
 * settles what they say of the family and the type. When listening, -s and
 * -p (source_host and source_port until then) are operands by another name.
 * `options->ports` may be allocated: options_free() frees it. Returns 0, or
 * -1 with one line for the user in `error`.
 */
int operands_apply(struct options *options, char *const *operands,
		   size_t count, char error[OPERANDS_ERROR]);

#endif
