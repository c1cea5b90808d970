/* SPDX-License-Identifier: MIT */
/*
 * A parser that crashes, hangs, eats memory and calls exit(), on a folder of files some of which
 * make it do so; and a program that survives it. Each file is a task of a process pool: what a file
 * does to its worker is the error of that one future, and everybody else's result is complete.
 *
 *	crash_isolated [DIRECTORY]     (without one, a folder of its own, made for the occasion)
 */
#include <creel/creel.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 256 }; /* of a file, with its end */

/*
 * The parser, for files like this:
 *
 *	[fruit]
 *	apple
 *	pear x 3
 *	include more.list
 *
 * It is as careless as parsers of trusted files are.
 */
struct section {
	char *name;
	unsigned entries;
};

struct entry {
	struct section *section;
	char name[NAME_SIZE];
};

struct list {
	struct section *section; /* the last one */
	unsigned sections, entries;
	struct entry *entry;
};

static int add_entries(creel_task *task, struct list *list, const char *name, size_t count)
{
	for (; count > 0; count--) {
		unsigned n = list->entries;
		if ((n & (n - 1)) == 0) { /* a power of two: it is full */
			struct entry *more = reallocarray(list->entry, n ? 2 * n : 1, sizeof *more);
			if (!more)
				return creel_fail(task, -ENOMEM,
						  "no memory for more than %u entries", n);
			list->entry = more;
		}
		struct entry *entry = &list->entry[list->entries++];
		snprintf(entry->name, sizeof entry->name, "%s", name);
		entry->section = list->section;
		entry->section->entries++; /* bug: an entry before the first section */
	}
	return 0;
}

static struct section *new_section(const char *name)
{
	struct section *section = calloc(1, sizeof *section);
	if (section)
		section->name = strdup(name);
	return section;
}

static int parse_line(creel_task *task, struct list *list, char *line)
{
	line[strcspn(line, "\n")] = 0;
	if (line[0] == '[') {
		char *end = strchr(line, ']');
		if (!end)
			exit(3); /* bug: "a syntax error is the end of the program" */
		if (end == line + 1)
			abort(); /* bug: "a section without a name cannot happen" */
		*end = 0;
		list->section = new_section(line + 1);
		list->sections++;
		return list->section ? 0 : -ENOMEM;
	}
	char *times = strstr(line, " x ");
	size_t count = times ? strtoul(times + 3, NULL, 10) : 1; /* bug: believes any number */
	if (times)
		*times = 0;
	return line[0] ? add_entries(task, list, line, count) : 0;
}

/* The function of the tasks: the argument is the name. It frees nothing (also a bug); what is left
 * goes with the worker. */
static int parse_file(creel_task *task, const void *arg, size_t size)
{
	struct list list = {0};
	char line[256], next[256];
	const char *name = arg;
	(void)size;
	while (name) { /* bug: a file that includes itself */
		FILE *file = fopen(name, "r");
		if (!file)
			return creel_fail(task, -errno, "cannot open %s: %s", name,
					  strerror(errno));
		name = NULL;
		int rc = 0;
		while (rc == 0 && fgets(line, sizeof line, file)) {
			if (sscanf(line, "include %255s", next) == 1)
				name = next;
			else
				rc = parse_line(task, &list, line);
		}
		fclose(file);
		if (rc != 0)
			return rc;
	}
	unsigned counts[] = {list.sections, list.entries};
	return creel_return(task, counts, sizeof counts);
}

/* Parses all of them side by side and tells, in their order, what came of each. */
static size_t parse_all(char (*names)[NAME_SIZE], size_t n, size_t *ret_survivors)
{
	creel_executor *pool = creel_process_pool_new(&(creel_process_pool_options){
		.limit_ns = CREEL_S(2), .memory_limit = 256 << 20}); /* for each file */
	creel_mapping *map = creel_map(pool, parse_file, names, sizeof names[0], n,
				       &(creel_map_options){.flags = CREEL_KEEP_GOING});
	creel_future *f;
	size_t i, told = 0;
	for (; creel_map_next(map, CREEL_FOREVER, &f, &i) == 0; told++) {
		unsigned counts[2];
		int rc = creel_future_result(f, CREEL_NOW, counts, sizeof counts);
		printf("%-12s ", names[i]);
		if (rc == 0)
			printf("%u sections, %u entries\n", counts[0], counts[1]);
		else
			printf("%s\n", creel_future_message(f, rc));
		*ret_survivors += rc == 0;
		creel_future_unref(f);
	}
	creel_map_end(map);
	creel_executor_close(pool);
	return told;
}

static const struct {
	const char *name, *text;
} demo[] = {
	{"animals", "[mammals]\nwhale\nbat x 2\n[birds]\nauk\n"},
	{"broken", "stray\n[birds]\nauk\n"},
	{"circular", "[fish]\ninclude circular\n"},
	{"endless", "[fish]\nherring x 99999999999\n"},
	{"fish", "[fish]\ncod\nherring x 3000\ninclude animals\n"},
	{"nameless", "[]\ncod\n"},
	{"trees", "[oaks]\n[elms]\n[limes]\nsmall-leaved\nlarge-leaved\n"},
	{"unclosed", "[fish\ncod\n"},
};

enum { DEMO = sizeof demo / sizeof demo[0] };

/* Goes into a directory with the files of the demo; its name replaces the pattern. */
static int make_demo(char *pattern)
{
	if (!mkdtemp(pattern) || chdir(pattern) < 0)
		return -errno;
	for (size_t i = 0; i < DEMO; i++) {
		FILE *file = fopen(demo[i].name, "w");
		if (!file)
			return -errno;
		fputs(demo[i].text, file);
		if (fclose(file) == EOF)
			return -errno;
	}
	return 0;
}

static void remove_demo(const char *directory)
{
	for (size_t i = 0; i < DEMO; i++)
		unlink(demo[i].name);
	rmdir(directory);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_file(const struct dirent *entry)
{
	struct stat st;
	return stat(entry->d_name, &st) == 0 && S_ISREG(st.st_mode);
}

/* Every regular file of the working directory. */
static int parse_here(void)
{
	struct dirent **entries;
	int n = scandir(".", &entries, is_file, by_bytes);
	if (n < 0) {
		perror("crash_isolated");
		return EXIT_FAILURE;
	}
	char(*names)[NAME_SIZE] = calloc((size_t)n + 1, sizeof *names);
	for (int i = 0; i < n; i++) {
		if (names)
			snprintf(names[i], sizeof names[i], "%s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	size_t survivors = 0, told = names ? parse_all(names, (size_t)n, &survivors) : 0;
	free(names);
	printf("%d files: %zu parsed, %zu casualties\n", n, survivors, told - survivors);
	return told == (size_t)n ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	char pattern[] = "/tmp/crash_isolated.XXXXXX";
	/* It crashes on purpose: no core files. Workers inherit this. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (argc > 1 ? chdir(argv[1]) < 0 : make_demo(pattern) < 0) {
		perror(argc > 1 ? argv[1] : pattern);
		return EXIT_FAILURE;
	}
	int status = parse_here();
	if (argc == 1)
		remove_demo(pattern);
	return status;
}
