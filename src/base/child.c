/*
 * child.c: programs that run for us, each in a process group of its own
 *
 * A child is in one of three states: running; reaped, while others of its
 * group live on; not there (pid 0). SIGCHLD tells of the first change. The
 * second one need not be heard of: whose parent ended is the child of init,
 * or of ours where the system can do that (prctl(2), PR_SET_CHILD_SUBREAPER),
 * so a timer looks, too. A group's number is not given to another process as
 * long as there is somebody in it: so it is not signalled once it is empty.
 */
#include "base/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compat.h"

#if SOCKCAT_LINUX
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Since Linux 5.9; not every C library's headers have them. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_ON_EXEC (1U << 2)	/* CLOSE_RANGE_CLOEXEC: since 5.11 */
#endif

/* How long what a program left running in its group is waited for. */
#define REST_PATIENCE (2 * SECOND)

/* How often it is looked at: in the first time, and later. */
#define REST_SOON (100 * MILLISECOND)
#define REST_LOOK_FIRST (10 * MILLISECOND)
#define REST_LOOK_LAST (50 * MILLISECOND)

/* From SIGTERM to SIGKILL. */
#define KILL_PATIENCE (2 * SECOND)

static int
close_on_exec(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* For systems that cannot tell which descriptors are open. */
static void
close_on_exec_to_limit(void)
{
	long limit = sysconf(_SC_OPEN_MAX);
	int fd;

	for (fd = STDERR_FILENO + 1; fd < limit; fd++)
		(void)close_on_exec(fd);
}

/* Makes all that we inherited close-on-exec, one by one. */
static void
close_on_exec_each(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (directory == NULL) {
		close_on_exec_to_limit();
		return;
	}
	while ((entry = readdir(directory)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (fd > STDERR_FILENO)
			(void)close_on_exec(fd);
	}
	(void)closedir(directory);
}

#if SOCKCAT_LINUX
static void
close_on_exec_all(void)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U,
		    CLOSE_ON_EXEC) == -1)
		close_on_exec_each();
}

/* Orphans of our programs become our children: we hear of their end. */
static void
adopt_orphans(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
}
#else
static void
close_on_exec_all(void)
{
	close_on_exec_each();
}

static void
adopt_orphans(void)
{
}
#endif

static void
child_link(struct child *child, struct children *children)
{
	child->children = children;
	child->previous = NULL;
	child->next = children->first;
	if (child->next != NULL)
		child->next->previous = child;
	children->first = child;
}

/* It is not there any more. */
static void
child_unlink(struct child *child)
{
	if (child->previous != NULL)
		child->previous->next = child->next;
	else
		child->children->first = child->next;
	if (child->next != NULL)
		child->next->previous = child->previous;
	loop_timer(child->children->loop, &child->timer, NEVER);
	child->pid = 0;
}

/* All are gone that children_end() waits for: says so from the loop. */
static void
children_check_gone(struct children *children)
{
	if (children->gone != NULL && children->first == NULL)
		loop_timer(children->loop, &children->kill, 0);
}

static bool
child_group_lives(const struct child *child)
{
	return kill(-child->pid, 0) == 0 || errno != ESRCH;
}

/* To the whole group, and to a leader that has changed to another one. */
static void
child_kill(const struct child *child, int signal)
{
	(void)kill(-child->pid, signal);
	if (!child->reaped && getpgid(child->pid) != child->pid)
		(void)kill(child->pid, signal);
}

/* Ends the whole group; a stopped process would not take notice. */
static void
child_terminate(const struct child *child, int signal)
{
	child_kill(child, signal);
	child_kill(child, SIGCONT);
}

/* Nothing of it is left, or waited for. */
static void
child_over(struct child *child)
{
	struct children *children = child->children;
	int status = WIFSIGNALED(child->status) ?
	    128 + WTERMSIG(child->status) : WEXITSTATUS(child->status);

	child_unlink(child);
	children_check_gone(children);
	if (children->gone == NULL || child->forgotten)
		child->ended(child, status);
}

/* Sees whether the others of the group, which has lost its leader, live. */
static void
child_look(struct child *child)
{
	int64_t now, next;

	if (!child_group_lives(child)) {
		child_over(child);
		return;
	}
	now = clock_now();
	/* Most need only a moment more, as a tee(1) at a pipe's end does. */
	next = now + (child->give_up - now > REST_PATIENCE - REST_SOON ?
		      REST_LOOK_FIRST : REST_LOOK_LAST);
	if (now < child->give_up) {
		loop_timer(child->children->loop, &child->timer,
			   next < child->give_up ? next : child->give_up);
		return;
	}
	child_kill(child, child->forgotten ? SIGKILL : SIGHUP);
	child_over(child);
}

static void
child_expired(struct timer *timer)
{
	struct child *child = container_of(timer, struct child, timer);

	if (child->reaped)
		child_look(child);
	else	/* It was asked to end, and did not. */
		child_kill(child, SIGKILL);
}

static void
child_reaped(struct child *child, int status)
{
	child->reaped = true;
	child->status = status;
	if (!child->forgotten)
		child->give_up = clock_after(REST_PATIENCE);
	child_look(child);
}

static struct child *
children_find(const struct children *children, pid_t pid)
{
	struct child *child = children->first;

	while (child != NULL && child->pid != pid)
		child = child->next;
	return child;
}

/* An orphan ended: the last of a group, perhaps. */
static void
children_look(struct children *children)
{
	struct child *child;

	for (child = children->first; child != NULL; child = child->next)
		if (child->reaped)
			loop_timer(children->loop, &child->timer, 0);
}

static void
children_signalled(struct signal_watch *watch)
{
	struct children *children = watch->owner;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = children_find(children, pid);

		if (child != NULL)
			child_reaped(child, status);
		else
			children_look(children);
	}
}

/* None is left; or those that are have had their time. */
static void
children_kill(struct timer *timer)
{
	struct children *children = container_of(timer, struct children,
						 kill);
	struct child *child, *next;

	if (children->first == NULL) {
		children->gone(children->owner);
		return;
	}
	for (child = children->first; child != NULL; child = next) {
		next = child->next;
		child_kill(child, SIGKILL);
		if (child->reaped)
			child_over(child);
	}
}

int
children_open(struct children *children, struct loop *loop)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };

	*children = (struct children){
		.loop = loop,
		.signal = { .signal = SIGCHLD, .owner = children,
			    .caught = children_signalled },
		.kill = { .expired = children_kill },
	};
	/* Whose children's end is ignored cannot ask for their status. */
	if (sigaction(SIGCHLD, &standard, NULL) == -1 ||
	    loop_signal(loop, &children->signal) == -1)
		return -1;
	close_on_exec_all();
	adopt_orphans();
	return 0;
}

/* What is different in the program; the attributes are initialised. */
static int
attributes_set(posix_spawnattr_t *attributes)
{
	sigset_t none, standard;
	int error;

	sigemptyset(&none);
	sigfillset(&standard);
	sigdelset(&standard, SIGKILL);	/* they cannot be set: EINVAL */
	sigdelset(&standard, SIGSTOP);
	error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP |
					 POSIX_SPAWN_SETSIGMASK |
					 POSIX_SPAWN_SETSIGDEF);
	if (error == 0)
		error = posix_spawnattr_setpgroup(attributes, 0);
	if (error == 0)
		error = posix_spawnattr_setsigmask(attributes, &none);
	if (error == 0)
		error = posix_spawnattr_setsigdefault(attributes, &standard);
	return error;
}

/* As posix_spawn(3), on these descriptors; returns an errno. */
static int
spawn(pid_t *pid, const char *path, char *const argv[],
      char *const environment[], const posix_spawnattr_t *attributes,
      int input, int output)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	error = posix_spawn_file_actions_adddup2(&actions, input,
						 STDIN_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, output,
							 STDOUT_FILENO);
	if (error == 0)
		error = posix_spawn(pid, path, &actions, attributes, argv,
				    environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

int
child_start(struct children *children, struct child *child, const char *path,
	    char *const argv[], char *const environment[], int input,
	    int output)
{
	posix_spawnattr_t attributes;
	pid_t pid = 0;
	int error = posix_spawnattr_init(&attributes);

	if (error == 0) {
		error = attributes_set(&attributes);
		if (error == 0)
			error = spawn(&pid, path, argv, environment,
				      &attributes, input, output);
		(void)posix_spawnattr_destroy(&attributes);
	}
	if (error != 0) {
		errno = error;
		return -1;
	}
	child->pid = pid;
	child->reaped = false;
	child->forgotten = false;
	child->timer = (struct timer){ .expired = child_expired };
	child_link(child, children);
	return 0;
}

void
child_signal(struct child *child, int signal)
{
	if (child->pid != 0)
		child_kill(child, signal);
}

static void
forgotten_ended(struct child *child, int status)
{
	(void)status;
	free(child);
}

void
child_forget(struct child *child)
{
	struct children *children = child->children;
	struct child *rest;

	if (child->pid == 0)
		return;
	child_terminate(child, SIGTERM);
	rest = malloc(sizeof(*rest));
	if (rest != NULL) {
		*rest = (struct child){
			.ended = forgotten_ended, .pid = child->pid,
			.reaped = child->reaped, .status = child->status,
			.give_up = clock_after(KILL_PATIENCE),
			.timer = { .expired = child_expired },
			.forgotten = true,
		};
		child_link(rest, children);
		loop_timer(children->loop, &rest->timer, rest->give_up);
	} else {	/* no memory for patience */
		child_kill(child, SIGKILL);
	}
	child_unlink(child);
	children_check_gone(children);
}

void
children_end(struct children *children, int signal,
	     void (*gone)(void *owner), void *owner)
{
	bool again = children->gone != NULL;
	struct child *child;

	children->gone = gone;
	children->owner = owner;
	for (child = children->first; child != NULL; child = child->next) {
		child_terminate(child, signal);
		/* What its leader left running has until children_kill(). */
		child->give_up = NEVER;
	}
	loop_timer(children->loop, &children->kill,
		   again || children->first == NULL ? 0 :
		   clock_after(KILL_PATIENCE));
}

/* Reaps who has ended of those that were forgotten, whom no loop serves. */
static void
children_reap_rest(struct children *children)
{
	struct child *child, *next;

	children_signalled(&children->signal);
	for (child = children->first; child != NULL; child = next) {
		next = child->next;
		if (child->reaped)
			child_look(child);
	}
}

void
children_close(struct children *children)
{
	const struct timespec pause = { .tv_nsec = REST_LOOK_FIRST };
	int64_t until = clock_after(KILL_PATIENCE);
	struct child *child, *next;

	while (children->first != NULL && clock_now() < until) {
		children_reap_rest(children);
		if (children->first != NULL)
			(void)nanosleep(&pause, NULL);
	}
	for (child = children->first; child != NULL; child = next) {
		next = child->next;
		child_kill(child, SIGKILL);
		while (!child->reaped && waitpid(child->pid, NULL, 0) == -1 &&
		       errno == EINTR)
			;
		child_unlink(child);
		free(child);
	}
	if (children->loop != NULL)
		loop_timer(children->loop, &children->kill, NEVER);
}
