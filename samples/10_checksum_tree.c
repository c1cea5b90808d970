/* SPDX-License-Identifier: MIT */
/*
 * The show piece: what `sha256sum` prints for every regular file under a directory, with all CPUs
 * at work. It shows a map over a source that is pulled lazily (checksum_tree/pass.c), state of each
 * worker's own (checksum_tree/hash.c), errors of single items, a task that is asked to stop, and
 * how little a pool of one worker differs from one of many: it measures both. With --processes the
 * workers are processes, and what it prints is the same, byte for byte.
 */
#include <creel/creel.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "checksum_tree/hash.h"
#include "checksum_tree/pass.h"
#include "checksum_tree/terminal.h"
#include "checksum_tree/walk.h"

enum {
	EXIT_USAGE = 2,
	MAX_WORKERS = 1024,
	MAX_PROCESSES = 256,
	MAX_ROUNDS = 10,
	COMPARE_SECONDS = 1
};

struct options {
	const char *root;
	int workers; /* 0: as many as the pool thinks fit */
	bool processes;
	bool compare;
};

static const char usage[] =
	"Usage: checksum_tree [OPTION]... [DIRECTORY]\n"
	"Prints the SHA-256 of every regular file under DIRECTORY (default /usr/include), as\n"
	"sha256sum does, in byte order of the paths. Symbolic links in it are skipped.\n"
	"\n"
	"  -w, --workers N    hash on N threads (default: one a CPU)\n"
	"  -p, --processes    on processes instead of threads; at most 256\n"
	"      --no-compare   do not measure the speed-up over one worker, which takes two\n"
	"                     more passes over the files, several if they are quick\n"
	"  -h, --help         show this and exit\n"
	"\n"
	"Exit status: 0 if all went well, 1 if something could not be read or written (the rest\n"
	"is done all the same), 2 for a wrong command line.\n";

static _Noreturn void usage_error(const char *problem, const char *value)
{
	if (problem)
		fprintf(stderr, "checksum_tree: %s '%s'\n", problem, value);
	fputs("Try 'checksum_tree --help'.\n", stderr);
	exit(EXIT_USAGE);
}

static int parse_workers(const char *text)
{
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end || n < 1 || n > MAX_WORKERS)
		usage_error("--workers takes a number from 1 to 1024, not", text);
	return (int)n;
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {{"workers", required_argument, NULL, 'w'},
					      {"processes", no_argument, NULL, 'p'},
					      {"no-compare", no_argument, NULL, 'c'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct options options = {.root = "/usr/include", .compare = true};
	int c;
	while ((c = getopt_long(argc, argv, "w:ph", known, NULL)) != -1) {
		if (c == 'w')
			options.workers = parse_workers(optarg);
		else if (c == 'p')
			options.processes = true;
		else if (c == 'c')
			options.compare = false;
		else if (c == 'h')
			exit(fputs(usage, stdout) == EOF || fflush(stdout) ? EXIT_FAILURE
									   : EXIT_SUCCESS);
		else
			usage_error(NULL, NULL); /* getopt_long() has said what is wrong */
	}
	if (optind < argc)
		options.root = argv[optind++];
	if (options.processes && options.workers > MAX_PROCESSES)
		usage_error("--workers takes at most 256 with", "--processes");
	if (optind < argc)
		usage_error("one directory at a time: not expected", argv[optind]);
	return options;
}

static creel_executor *new_pool(bool processes, int workers, struct hash_context *hashed)
{
	if (processes)
		return creel_process_pool_new(
			&(creel_process_pool_options){.max_workers = workers,
						      .idle_ns = CREEL_NEVER,
						      .name = "hash",
						      .initializer = hash_worker_init,
						      .finalizer = hash_worker_fini,
						      .ctx = hashed});
	const creel_thread_pool_options options = {.max_workers = workers,
						   .idle_ns = CREEL_NEVER,
						   .name = "hash",
						   .initializer = hash_worker_init,
						   .finalizer = hash_worker_fini,
						   .ctx = hashed};
	return creel_thread_pool_new(&options);
}

static void ignore_walk_error(void *ctx, const char *path, int err)
{
	(void)ctx;
	(void)path;
	(void)err;
}

/* A task for the progress bar: how many files there are. Stops when it is cancelled. */
static int count_files(creel_task *task, const void *arg, size_t size)
{
	const char *path, *root = *(const char *const *)arg;
	(void)size;
	uint64_t n = 0;
	walk *w = walk_new(root, ignore_walk_error, NULL);
	if (!w)
		return -ENOMEM;
	while (walk_next(w, &path) == 1 && !creel_task_cancelled(task))
		n++;
	walk_free(w);
	return creel_return(task, &n, sizeof n);
}

/* The pass that prints. For its progress bar, a thread beside the workers counts the files. */
static int run_printing(struct pass *p)
{
	if (!isatty(STDERR_FILENO))
		return pass_run(p);
	creel_executor *counter = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1});
	p->count = creel_submit(counter, count_files, &p->root, sizeof p->root);
	int rc = pass_run(p);
	creel_future_cancel(p->count); /* in case that it still counts */
	creel_future_unref(p->count);
	p->count = NULL;
	creel_executor_close(counter);
	return rc;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? 100 * (double)part / (double)whole : 0;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void report(const struct pass *p, uint64_t workers)
{
	double seconds = p->seconds > 0 ? p->seconds : 1e-9;
	fprintf(stderr, "%" PRIu64 " file%s, %s, in %.3f s (%s/s) with %" PRIu64 " worker%s.\n",
		p->files, plural(p->files), amount_of((double)p->bytes).text, p->seconds,
		amount_of((double)p->bytes / seconds).text, workers, plural(workers));
	for (size_t i = 0; i < p->n_shares; i++)
		fprintf(stderr, "  worker %zu: %" PRIu64 " file%s (%.1f %%), %s (%.1f %%)\n", i,
			p->shares[i].files, plural(p->shares[i].files),
			percent(p->shares[i].files, p->files),
			amount_of((double)p->shares[i].bytes).text,
			percent(p->shares[i].bytes, p->bytes));
	if (p->failed > 0)
		fprintf(stderr, "%" PRIu64 " could not be read.\n", p->failed);
}

/*
 * Another pass over the same files, without output; *best becomes its time if that is less. False
 * if it was not the same work, which is said.
 */
static bool measure(struct pass *p, const struct pass *printed, double *best)
{
	int rc = pass_run(p);
	if (rc != 0 || p->files != printed->files || p->bytes != printed->bytes) {
		fprintf(stderr, "Speed-up not measured: %s.\n",
			rc != 0 ? p->why : "the files have changed meanwhile");
		return false;
	}
	if (*best == 0 || p->seconds < *best)
		*best = p->seconds;
	return true;
}

/*
 * The speed-up. The pass that printed may have waited for the disk, and left the files in the page
 * cache: so both sides are measured now, alike in everything but the number of workers, and in
 * turns, more than once if that takes little time.
 */
static void compare(const struct pass *printed, bool processes, uint64_t workers)
{
	struct pass one = {.root = printed->root,
			   .hashed = printed->hashed,
			   .total = printed->files + printed->failed};
	struct pass many = one;
	one.label = "one worker: ";
	one.pool = new_pool(processes, 1, printed->hashed);
	many.label = "all workers: ";
	many.pool = printed->pool;

	double begin = now_seconds(), best_one = 0, best_many = 0;
	bool done = true;
	int rounds = 0;
	while (done && rounds < MAX_ROUNDS && now_seconds() - begin < COMPARE_SECONDS) {
		done = measure(&one, printed, &best_one) && measure(&many, printed, &best_many);
		rounds++;
	}
	if (done)
		fprintf(stderr,
			"Speed-up over one worker: %.2f (%.3f s with 1, %.3f s with %" PRIu64
			"; best of %d).\n"
			"Measured anew, without output, the files cached as far as they fit.\n",
			best_one / (best_many > 0 ? best_many : 1e-9), best_one, best_many, workers,
			rounds);
	creel_executor_close(one.pool);
	pass_fini(&one);
	pass_fini(&many);
}

/* In memory that worker processes share with this one: made before they are. */
static struct hash_context *new_hash_context(void)
{
	void *shared = mmap(NULL, sizeof(struct hash_context), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("checksum_tree");
		exit(EXIT_FAILURE);
	}
	return shared;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct pass pass = {.root = options.root, .out = stdout, .label = ""};

	int fd = walk_open(options.root, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		complain(&pass.progress, options.root, "cannot be read", -fd);
		return EXIT_FAILURE;
	}
	close(fd);

	pass.hashed = new_hash_context();
	pass.pool = new_pool(options.processes, options.workers, pass.hashed);
	int rc = run_printing(&pass);
	if (rc != 0) {
		fprintf(stderr, "checksum_tree: %s\n", pass.why);
	} else {
		creel_stats stats = {0};
		creel_executor_stats(pass.pool, &stats, sizeof stats);
		report(&pass, stats.started);
		if (options.compare && stats.started > 1)
			compare(&pass, options.processes, stats.started);
		else if (options.compare)
			fputs("No speed-up to measure: one worker did it all.\n", stderr);
	}
	creel_executor_close(pass.pool);
	pass_fini(&pass);
	return rc == 0 && pass.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
