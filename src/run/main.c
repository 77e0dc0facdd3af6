/*
 * main.c: parse, run, exit
 *
 *     argv → options → endpoints → connected socket → session: two lanes
 *          → outcome → exit status
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/outcome.h"
#include "cli/options.h"
#include "run/start.h"

/*
 * Opens /dev/null on those of descriptors 0 to 2 that were closed, or a
 * socket would become standard input. What was closed still must not seem to
 * work: standard output gets one that cannot be written.
 */
static void
occupy_standard_descriptors(void)
{
	static const int modes[] = { O_RDONLY, O_RDONLY, O_WRONLY };
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF &&
		    compat_open_null(modes[fd]) == -1)
			outcome_exit(outcome_of(CAUSE_LOCAL));
}

int
main(int argc, char **argv)
{
	struct options options;
	struct outcome outcome;

	occupy_standard_descriptors();
	options_parse(argc, argv, &options);
	outcome = start(&options);
	options_free(&options);
	outcome_exit(outcome);
}
