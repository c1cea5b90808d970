/* SPDX-License-Identifier: MIT */
/*
 * The contract suite as a job of MPI, which does not allow a process for each test: rank 0 runs the
 * cases one after the other, each with an executor of its own, and the other ranks serve them all.
 *
 *	--filter=GLOB    only tests whose suite/name matches
 *	--tap=FILE       the results; the tests that have one already are left out
 *	--arena=FILE     the arena of the tests (support/shared.h), the same for all ranks
 *
 * FAILURE  What a test left behind when it failed may spoil the next one. So the first failure, be
 *          it an assertion, a signal or the time limit, ends the job. By then it stands in the file
 *          of the results: tests/mpi/contract.py starts another job, which goes on behind it.
 *          It waits until no process of this job has the lock of the arena: rank 0 writes results,
 *          and the others write to the arena.
 * ADDRESS  Tasks get addresses in the arena, and of functions. So the arena lies at one place in
 *          all processes, and the program is linked to one.
 */
#include "ct.h"
#include "mpi/world.h"
#include "shared.h"

#include <creel/creel.h>
#include <creel/mpi.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Far from where the system places anything. */
#define ARENA ((void *)0x100000000000)

enum { WARM_ROUNDS = 200, WARM_SIZE = 1 << 20 };

static struct ct_test *first, **next_slot = &first;
static jmp_buf skipping;

struct run {
	const char *filter, *tap_path, *arena;
	FILE *tap;
	unsigned before; /* have a result */
};

void ct_register(struct ct_test *test)
{
	*next_slot = test;
	next_slot = &test->next;
}

void ct_end(int status)
{
	if (status == 77)
		longjmp(skipping, 1);
	/* mpirun ends the other ranks. */
	fflush(NULL);
	_exit(status);
}

static int parse(struct run *run, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--filter=", 9) == 0) {
			run->filter = argv[i] + 9;
		} else if (strncmp(argv[i], "--tap=", 6) == 0) {
			run->tap_path = argv[i] + 6;
		} else if (strncmp(argv[i], "--arena=", 8) == 0) {
			run->arena = argv[i] + 8;
		} else {
			fprintf(stderr, "%s: unknown option %s\n", argv[0], argv[i]);
			return -1;
		}
	}
	return run->filter && run->tap_path && run->arena ? 0 : -1;
}

/* The descriptor stays open, since it has the lock, for as long as a process of the rank lives. */
static int open_arena(const struct run *run)
{
	int fd = open(run->arena, O_RDWR | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_SH)) {
		perror(run->arena);
		return -1;
	}
	int rc = ct_shared_give(fd, ARENA);
	if (rc)
		fprintf(stderr, "%s: %s\n", run->arena, creel_code_name(rc));
	return rc;
}

static int open_tap(struct run *run)
{
	run->tap = fopen(run->tap_path, "a+");
	if (!run->tap) {
		perror(run->tap_path);
		return -1;
	}
	for (int c = getc(run->tap); c != EOF; c = getc(run->tap))
		run->before += c == '\n';
	return 0;
}

static bool wanted(const struct run *run, const struct ct_test *test)
{
	char name[256];
	snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
	return fnmatch(run->filter, name, 0) == 0;
}

static void write_result(struct run *run, const struct ct_test *test, const char *verdict,
			 const char *rest)
{
	fprintf(run->tap, "%s - %s::%s %s\n", verdict, test->suite, test->name, rest);
	fflush(run->tap);
}

/* A case that other executors with processes have. */
static void tell_why(const struct ct_test *test)
{
	static const struct {
		const char *need, *why;
	} reasons[] = {
		{"CT_FORK", "MPI does not allow rank 0 to fork"},
		{"CT_REFS", "an address of rank 0's means nothing elsewhere"},
		{"CT_ALONE", "all executors of a job share its ranks"},
		{"CT_PROMPT", "what waits in the pool of a rank is not taken back"},
	};
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (strstr(test->off_text, reasons[i].need))
			printf("skipped: %s::%s: %s\n", test->suite, test->name, reasons[i].why);
}

static bool is_quiet(void)
{
	struct creel__mpi_world *w = &creel__mpi_world;
	pthread_mutex_lock(&w->lock);
	bool quiet = w->items == 0;
	pthread_mutex_unlock(&w->lock);
	return quiet;
}

/* A case may drop an executor that has tasks: the next one has none of them. */
static void await_quiet(void)
{
	ct_until(is_quiet());
}

/* It has failed until it has passed: whoever comes after a crash reads that. */
static void run_one(struct run *run, const struct ct_test *test)
{
	if (test->off) {
		tell_why(test);
		write_result(run, test, "ok", " # SKIP");
		return;
	}
	fseek(run->tap, 0, SEEK_END);
	long start = ftell(run->tap);
	write_result(run, test, "not ok", "");
	alarm((unsigned)CT_TEST_SECONDS);
	bool skipped = setjmp(skipping) != 0;
	if (!skipped)
		test->run();
	await_quiet();
	alarm(0);
	if (ftruncate(fileno(run->tap), start))
		abort();
	write_result(run, test, "ok", skipped ? " # SKIP" : "");
}

static int task_same(creel_task *task, const void *arg, size_t size)
{
	return creel_return(task, arg, size);
}

/* MPI makes some of its connections, and their descriptors, when they are used. The cases look at
 * what they leave behind. */
static void warm_up(void)
{
	creel_executor *ex = creel_mpi_pool_new(NULL);
	void *large = calloc(1, WARM_SIZE);
	for (int i = 0; i < WARM_ROUNDS; i++) {
		creel_future *f = creel_submit(ex, task_same, large,
					       i % 16 == 0 ? WARM_SIZE : (size_t)i);
		(void)creel_future_result(f, CREEL_FOREVER, NULL, 0);
		creel_future_unref(f);
	}
	free(large);
	(void)creel_executor_close(ex);
}

int main(int argc, char **argv)
{
	struct run run = {0};
	unsigned n = 0;
	if (parse(&run, argc, argv) || open_arena(&run))
		return 2;
	int rc = creel_mpi_init(&argc, &argv, &(creel_mpi_options){.workers = 1});
	if (rc < 0)
		fprintf(stderr, "%s\n", creel_mpi_error()->message);
	if (rc)
		return rc < 0;
	if (open_tap(&run))
		return 2;
	warm_up();
	for (const struct ct_test *t = first; t; t = t->next)
		if (wanted(&run, t) && n++ >= run.before)
			run_one(&run, t);
	fclose(run.tap);
	return creel_mpi_end() != 0;
}
