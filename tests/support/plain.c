/* SPDX-License-Identifier: MIT */
/*
 * A runner for systems without Criterion (musl, an emulator), and for AddressSanitizer: each test
 * in a forked process with a time limit, one after the other.
 *
 *	--list           names the tests, runs none
 *	--filter=GLOB    only tests whose suite/name matches ("contract_pool1/c02_*")
 *	--tap=FILE       the results once more, as Criterion writes them
 *
 * CREEL_TEST_SKIPS in the environment names a file of tests that cannot be run here: lines of
 * "GLOB REASON", the glob as above. They are reported as skipped, with the reason.
 */
#include "ct.h"
#include "memcheck.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct ct_test *first, **next_slot = &first;

struct run {
	const char *filter;
	bool list;
	FILE *tap;
	unsigned passed, failed, skipped;
};

void ct_register(struct ct_test *test)
{
	*next_slot = test;
	next_slot = &test->next;
}

void ct_end(int status)
{
	_exit(status);
}

static bool wanted(const struct run *run, const struct ct_test *test)
{
	char name[256];
	snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
	return !run->filter || fnmatch(run->filter, name, 0) == 0;
}

/* Why the test cannot be run here; NULL: it can. Valid until the next call. */
static const char *reason_to_skip(const struct ct_test *test)
{
	static char line[256];
	char name[256];
	const char *path = getenv("CREEL_TEST_SKIPS"), *reason = NULL;
	FILE *file = path ? fopen(path, "r") : NULL;
	snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
	while (file && !reason && fgets(line, sizeof line, file)) {
		char *gap = strchr(line, ' ');
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' || !gap)
			continue;
		*gap = 0;
		if (fnmatch(line, name, 0) == 0)
			reason = gap + 1;
	}
	if (file)
		fclose(file);
	return reason;
}

/* Waits for the end of the test or of its time; the time limit ends the test's whole group. */
static int wait_for(pid_t child, const sigset_t *chld)
{
	struct timespec limit = {(time_t)CT_TEST_SECONDS, 0};
	int status = 0;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (sigtimedwait(chld, NULL, &limit) >= 0)
			continue;
		fprintf(stderr, "timed out\n");
		kill(-child, SIGKILL);
		waitpid(child, &status, 0);
		break;
	}
	/* What a test that passed leaves behind, tests/lint/reap.py tells. */
	if (status != 0)
		kill(-child, SIGKILL);
	return status;
}

static int run_forked(const struct ct_test *test, const sigset_t *chld)
{
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		ct_own();
		setpgid(0, 0);
		sigprocmask(SIG_UNBLOCK, chld, NULL);
		test->run();
		fflush(NULL);
		ct_look_for_leaks();
		/* LeakSanitizer looks when a program exits. */
		CT_ASAN ? exit(0) : _exit(0);
	}
	if (child < 0)
		return -1;
	setpgid(child, child);
	return wait_for(child, chld);
}

static void run_one(struct run *run, const struct ct_test *test, const sigset_t *chld)
{
	const char *reason = test->off ? NULL : reason_to_skip(test);
	int status = test->off || reason ? 77 << 8 : run_forked(test, chld);
	bool skipped = status == 77 << 8;
	run->skipped += skipped;
	run->failed += status != 0 && !skipped;
	run->passed += status == 0;
	if (reason)
		printf("skipped: %s::%s: %s\n", test->suite, test->name, reason);
	if (status != 0 && !skipped)
		fprintf(stderr, "FAIL %s::%s (status %#x)\n", test->suite, test->name,
			(unsigned)status);
	if (run->tap)
		fprintf(run->tap, "%s - %s::%s %s\n", status && !skipped ? "not ok" : "ok",
			test->suite, test->name, skipped ? " # SKIP" : "");
}

static int parse(struct run *run, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--filter=", 9) == 0) {
			run->filter = argv[i] + 9;
		} else if (strncmp(argv[i], "--tap=", 6) == 0) {
			run->tap = fopen(argv[i] + 6, "w");
			if (!run->tap)
				perror(argv[i] + 6);
		} else if (strcmp(argv[i], "--list") == 0) {
			run->list = true;
		} else {
			fprintf(stderr, "%s: unknown option %s\n", argv[0], argv[i]);
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct run run = {0};
	sigset_t chld;
	if (parse(&run, argc, argv))
		return 2;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (const struct ct_test *t = first; t; t = t->next) {
		if (!wanted(&run, t))
			continue;
		if (run.list)
			printf("%s::%s%s\n", t->suite, t->name, t->off ? " (n/a)" : "");
		else
			run_one(&run, t, &chld);
	}
	if (run.tap)
		fclose(run.tap);
	if (!run.list)
		printf("%u passed, %u failed, %u skipped\n", run.passed, run.failed, run.skipped);
	return !run.list && (run.failed || !(run.passed + run.skipped));
}
