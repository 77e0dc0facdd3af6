/*
 * completion.c: `completions bash|zsh|fish` prints the completion of a shell
 *
 * A program of its own that is linked with sockcat's objects and run once by
 * make, so that what the shells offer comes from the table of options, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compat.h"
#include "cli/options.h"

#define FAMILIES "inet inet6 unix"

/* What can stand for an argument: the words, or files where there are none. */
struct completer {
	const char *argument;	/* as the table of options calls it */
	const char *words;
};

static char sockopt_names[4096];

static const struct completer completers[] = {
	{ "FAMILY", FAMILIES },
	{ "FILE", NULL },
	{ "NAME[=VALUE]", sockopt_names },
};

/* NULL: nothing useful can be offered. */
static const struct completer *
completer_of(const struct option_summary *option)
{
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(completers); i++)
		if (strcmp(completers[i].argument, option->argument) == 0)
			return &completers[i];
	return NULL;
}

/*
 * Takes the names out of --list-sockopts: the first word of each line between
 * the heading and an empty line.
 */
static int
read_sockopt_names(void)
{
	char line[256], name[64];
	const char *space = "";
	size_t length = 0;
	FILE *file = tmpfile();

	if (file == NULL || sockopt_list(file) == -1)
		return -1;
	rewind(file);
	if (fgets(line, sizeof(line), file) == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL &&
	       sscanf(line, "%63s", name) == 1) {
		length += (size_t)snprintf(sockopt_names + length,
					   sizeof(sockopt_names) - length,
					   "%s%s", space, name);
		space = " ";
	}
	return fclose(file);
}

/* The names of an option with `between` them. */
static void
print_names(const struct option_summary *option, const char *between)
{
	if (option->letter != 0)
		printf("-%c%s", option->letter, between);
	printf("--%s", option->name);
}

/* `text` as a part of what stands in single quotes. */
static void
print_quoted(const char *text, const char *special, const char *quote)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs(quote, stdout);
		else if (strchr(special, *text) != NULL)
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

/* Whether the next word of the command line is the option's argument. */
static bool
takes_word(const struct option_summary *option)
{
	return option->argument != NULL && !option->argument_optional;
}

/* A branch for an argument for which there are words, or files, to offer. */
static void
bash_branch(const struct option_summary *option, void *context)
{
	const struct completer *completer;

	(void)context;
	if (!takes_word(option) || (completer = completer_of(option)) == NULL)
		return;
	printf("\t");
	print_names(option, "|");
	printf(")\n");
	if (completer->words != NULL)
		printf("\t\tCOMPREPLY=($(compgen -W '%s' -- \"$word\"))\n",
		       completer->words);
	printf("\t\treturn\n"
	       "\t\t;;\n");
}

/* One pattern of the branch for arguments with nothing to offer. */
static void
bash_pattern(const struct option_summary *option, void *between)
{
	const char **text = between;

	if (!takes_word(option) || completer_of(option) != NULL)
		return;
	fputs(*text, stdout);
	*text = "|\\\n\t";
	print_names(option, "|");
}

static void
bash_name(const struct option_summary *option, void *context)
{
	(void)context;
	printf("\t\t\t");
	print_names(option, " ");
	printf("\n");
}

static void
print_bash(void)
{
	const char *between = "\t";

	printf("# bash completion for sockcat(1)\n"
	       "# shellcheck shell=bash disable=SC2207\n\n"
	       "_sockcat()\n{\n"
	       "\tlocal word=$2 previous=$3\n\n"
	       "\tCOMPREPLY=()\n"
	       "\t# --option=argument is three words to readline.\n"
	       "\t[ \"$word\" != = ] || word=\n"
	       "\t[ \"$previous\" != = ] ||"
	       " previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
	       "\tcase $previous in\n");
	options_each(bash_branch, NULL);
	options_each(bash_pattern, &between);
	printf(")\n"
	       "\t\tcompopt +o default\n"
	       "\t\treturn\n"
	       "\t\t;;\n"
	       "\tesac\n"
	       "\tcase $word in\n"
	       "\t-*)\n"
	       "\t\tCOMPREPLY=($(compgen -W '\n");
	options_each(bash_name, NULL);
	printf("\t\t\t' -- \"$word\"))\n"
	       "\t\t;;\n"
	       "\t?*)\n"
	       "\t\tCOMPREPLY=($(compgen -A hostname -- \"$word\"))\n"
	       "\t\t;;\n"
	       "\tesac\n"
	       "}\n"
	       "# Without a reply: files, which may be Unix-domain sockets.\n"
	       "complete -o default -F _sockcat sockcat\n");
}

/* One of the specifications that _arguments takes, in single quotes. */
static void
zsh_spec(const struct option_summary *option, const char *name,
	 const char *argument_mark)
{
	const struct completer *completer;

	printf("\t'*%s%s[", name, argument_mark);
	print_quoted(option->help, "[]\\", "'\\''");
	printf("]");
	if (option->argument != NULL) {
		completer = completer_of(option);
		printf("%s%s:", option->argument_optional ? "::" : ":",
		       option->argument);
		if (completer == NULL)
			printf(" ");
		else if (completer->words == NULL)
			printf("_files");
		else
			printf("(%s)", completer->words);
	}
	printf("' \\\n");
}

static void
zsh_option(const struct option_summary *option, void *context)
{
	char name[64];

	(void)context;
	if (option->letter != 0) {
		(void)snprintf(name, sizeof(name), "-%c", option->letter);
		zsh_spec(option, name, option->argument != NULL ? "+" : "");
	}
	(void)snprintf(name, sizeof(name), "--%s", option->name);
	zsh_spec(option, name, option->argument == NULL ? "" :
		 option->argument_optional ? "=-" : "=");
}

static void
print_zsh(void)
{
	printf("#compdef sockcat\n"
	       "# zsh completion for sockcat(1)\n\n"
	       "_arguments -s -S \\\n");
	options_each(zsh_option, NULL);
	printf("\t'*:host, port or path: _alternative \"hosts:host:_hosts\""
	       " \"files:path:_files\"'\n");
}

static void
fish_option(const struct option_summary *option, void *context)
{
	const struct completer *completer;

	(void)context;
	printf("complete -c sockcat");
	if (option->letter != 0)
		printf(" -s %c", option->letter);
	printf(" -l %s", option->name);
	if (takes_word(option)) {
		completer = completer_of(option);
		if (completer == NULL)
			printf(" -x");
		else if (completer->words == NULL)
			printf(" -r -F");
		else
			printf(" -x -a '%s'", completer->words);
	}
	printf(" -d '");
	print_quoted(option->help, "\\", "\\'");
	printf("'\n");
}

static void
print_fish(void)
{
	printf("# fish completion for sockcat(1)\n\n"
	       "complete -c sockcat -a '(__fish_print_hostnames)'\n");
	options_each(fish_option, NULL);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};
	size_t i;

	for (i = 0; i < ARRAY_LENGTH(shells); i++) {
		if (argc != 2 || strcmp(argv[1], shells[i].name) != 0)
			continue;
		if (read_sockopt_names() != 0)
			break;
		shells[i].print();
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	fprintf(stderr, i < ARRAY_LENGTH(shells) ?
		"completions: the socket options cannot be listed\n" :
		"usage: completions bash|zsh|fish\n");
	return EXIT_FAILURE;
}
