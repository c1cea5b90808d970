/* SPDX-License-Identifier: MIT */
/*
 * The exploration: every schedule within the bounds, depth first; and the program around it.
 *
 * ALGORITHM  A schedule is the sequence of choices made at its points. The first takes choice 0
 *            everywhere. Each next one repeats the last as far as the last choice that has an
 *            alternative left, and takes that; when none is left, all were explored. Nothing is
 *            pruned: what is reported as exhausted was run.
 * SAMPLES    With --share N a long exploration goes on behind one in N of the second choices other
 *            than 0, which --seed picks, and behind every first one: the runs are a sample of all.
 * REPLAY     Choices other than 0, as "place:choice", name a schedule. A failing one is run once
 *            more with the trace on, and printed so that --replay runs it again.
 */
#include "engine.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { CHOICES_MAX = 4 * MODEL_STEPS };

const struct model_scenario *model_scenario;
bool model_tracing;

static struct {
	unsigned char of, chosen;
} path[CHOICES_MAX];
static int path_length, path_at;
static jmp_buf root;
static enum { WENT_WELL = 1, FAILED } verdict;
static char failure_sort[32], failure_text[1024];
static const struct model_scenario *last_scenario;

/* What the command line changes. */
static int preemptions = -1, spurious = -1, stale = -1;
/* What one scenario may take. By schedules and not by time: how fast the machine is, and how busy,
 * does not decide what was explored. Far above what any takes. */
static unsigned long long most = 20 * 1000 * 1000;
static const char *only, *replay;
/* What a sample leaves out of this scenario: all but one in so many. */
static unsigned long share = 1, share_now;
static unsigned long long seed;

unsigned model_choose(unsigned n)
{
	if (n <= 1)
		return 0;
	if (path_at == CHOICES_MAX)
		model_fail("livelock", "more than %d choices in one schedule", CHOICES_MAX);
	if (path_at == path_length) {
		path[path_length].of = (unsigned char)n;
		path[path_length++].chosen = 0;
	} else if (path[path_at].of == 0) {
		path[path_at].of = (unsigned char)n; /* a replay says only what was chosen */
	} else if (path[path_at].of != n) {
		model_fail("harness", "the same choices led elsewhere: %u ways and not %u", n,
			   path[path_at].of);
	}
	if (path[path_at].chosen >= n)
		model_fail("harness", "this replay belongs to another program");
	return path[path_at++].chosen;
}

void model_fail(const char *sort, const char *format, ...)
{
	snprintf(failure_sort, sizeof failure_sort, "%s", sort);
	va_list args;
	va_start(args, format);
	vsnprintf(failure_text, sizeof failure_text, format, args);
	va_end(args);
	verdict = FAILED;
	_longjmp(root, 1);
}

/* All threads have ended. Called on the last one's stack. */
void model_end_schedule(void)
{
	for (int i = 0; i < model_thread_count; i++)
		if (!model_threads[i].joined)
			model_fail("leak", "thread %d was neither joined nor detached", i);
	model_heap_check();
	verdict = WENT_WELL;
	_longjmp(root, 1);
}

static bool run_schedule(void)
{
	path_at = 0;
	model_threads_reset();
	model_heap_reset();
	model_order_reset();
	model_history_reset();
	if (_setjmp(root) == 0)
		model_run_main();
	return verdict == WENT_WELL;
}

static bool is_left_out(void)
{
	unsigned long long mix = seed;
	int others = 0;
	for (int i = 0; share_now > 1 && i < path_length; i++) {
		if (!path[i].chosen)
			continue;
		others++;
		mix = (mix ^ ((unsigned)i << 8 | path[i].chosen)) * 0x9e3779b97f4a7c15u;
		mix ^= mix >> 32;
	}
	return others == 2 && mix % share_now;
}

/* Moves on to the next schedule; false: there is none. */
static bool next_path(void)
{
	path_length = path_at;
	do {
		while (path_length && path[path_length - 1].chosen + 1 >= path[path_length - 1].of)
			path_length--;
		if (path_length == 0)
			return false;
		path[path_length - 1].chosen++;
	} while (is_left_out());
	return true;
}

/* Of this process, for the report. */
static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_replay(void)
{
	printf("replay: --only '%s' --preemptions %d --spurious %d --stale %d --replay ",
	       last_scenario->name, model_scenario->preemptions, model_scenario->spurious,
	       model_scenario->stale);
	const char *comma = "";
	for (int i = 0; i < path_at; i++)
		if (path[i].chosen) {
			printf("%s%d:%d", comma, i, path[i].chosen);
			comma = ",";
		}
	puts(*comma ? "" : "0:0");
}

static void read_replay(const char *text)
{
	memset(path, 0, sizeof path);
	path_length = CHOICES_MAX;
	while (*text) {
		char *end;
		long place = strtol(text, &end, 10);
		long chosen = *end == ':' ? strtol(end + 1, &end, 10) : -1;
		if (place < 0 || place >= CHOICES_MAX || chosen < 0 || chosen > 255) {
			fprintf(stderr, "no replay: %s\n", text);
			exit(2);
		}
		path[place].chosen = (unsigned char)chosen;
		text = *end == ',' ? end + 1 : end;
	}
}

/* Runs the schedule that stands in path with the trace on, and tells what happens. */
static bool run_traced(void)
{
	model_threads_forget();
	model_tracing = true;
	bool well = run_schedule();
	model_tracing = false;
	model_trace_print();
	if (well)
		puts("the schedule went well");
	else
		printf("%s: %s\n", failure_sort, failure_text);
	print_replay();
	return well;
}

/* Whether it was explored without a failure. */
static bool explore_share(unsigned long one_in, unsigned long long *ret_schedules)
{
	double start = now_s();
	unsigned long long schedules = 0;
	int longest = 0;
	bool more = true;
	path_length = 0;
	share_now = one_in;
	while (more) {
		schedules++;
		if (!run_schedule()) {
			printf("%s: FAILED in schedule %llu: %s: %s\n", last_scenario->name,
			       schedules, failure_sort, failure_text);
			fflush(stdout);
			path_length = path_at;
			(void)run_traced();
			return false;
		}
		if (model_steps > longest)
			longest = model_steps;
		more = next_path();
		if (schedules == most)
			break;
	}
	double took = now_s() - start;
	*ret_schedules = schedules;
	printf("%s: %s %llu schedules (preemptions %d, spurious %d, early timeouts %d, "
	       "stale reads %d; up to %d points) in %.1f s, %.0f/s\n",
	       last_scenario->name,
	       more            ? "NOT EXHAUSTED after"
	       : share_now > 1 ? "sampled"
			       : "exhausted",
	       schedules, model_scenario->preemptions, model_scenario->spurious,
	       model_scenario->early_timeouts, model_scenario->stale, longest, took,
	       (double)schedules / took);
	return !more;
}

/* Of what is short, all. */
static bool explore(void)
{
	enum { SHORT = 5000 };
	unsigned long long schedules = 0;
	bool well = explore_share(share, &schedules);
	return well && share > 1 && schedules < SHORT ? explore_share(1, &schedules) : well;
}

static bool run_scenario(const struct model_scenario *scenario)
{
	struct model_scenario own = *scenario;
	if (preemptions >= 0)
		own.preemptions = preemptions;
	if (spurious >= 0)
		own.spurious = spurious;
	if (stale >= 0)
		own.stale = stale;
	last_scenario = scenario;
	model_scenario = &own;
	if (!replay)
		return explore();
	read_replay(replay);
	return run_traced();
}

/* Reading through a pointer that was read from freed memory. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	model_fail("bad address", "signal %d at %p (memory that is fresh holds 0xaa, freed 0xdd)",
		   signal, info->si_addr);
}

static void prepare(void)
{
	void *memory = mmap(model_memory, sizeof *model_memory, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	static unsigned char stack[64 * 1024];
	stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction action = {.sa_sigaction = on_fault,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	if (memory != model_memory || sigaltstack(&alternative, NULL) ||
	    sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL)) {
		perror("model");
		exit(2);
	}
}

static void usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--only SCENARIO] [--preemptions N] [--spurious N] [--stale N]\n"
		"       [--schedules N] [--share N [--seed N]] [--replay CHOICES]\n",
		program);
	exit(2);
}

static void read_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (!value)
			usage(argv[0]);
		else if (strcmp(name, "--only") == 0)
			only = value;
		else if (strcmp(name, "--preemptions") == 0)
			preemptions = atoi(value);
		else if (strcmp(name, "--spurious") == 0)
			spurious = atoi(value);
		else if (strcmp(name, "--stale") == 0)
			stale = atoi(value);
		else if (strcmp(name, "--schedules") == 0)
			most = strtoull(value, NULL, 10);
		else if (strcmp(name, "--share") == 0)
			share = strtoul(value, NULL, 10);
		else if (strcmp(name, "--seed") == 0)
			seed = strtoull(value, NULL, 10);
		else if (strcmp(name, "--replay") == 0)
			replay = value;
		else
			usage(argv[0]);
	}
}

int main(int argc, char **argv)
{
	seed = (unsigned long long)time(NULL) / 86400;
	read_arguments(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* At night all is explored. */
	const char *scale = getenv("CREEL_TEST_SCALE");
	if (scale && atoi(scale) > 1)
		share = 1;
	if (share > 1)
		printf("a sample: --share %lu --seed %llu\n", share, seed);
	prepare();
	int run = 0, well = 0;
	for (const struct model_scenario *s = model_scenarios; s->name; s++) {
		if (only && strcmp(only, s->name) != 0)
			continue;
		run++;
		well += run_scenario(s);
		if (well < run)
			break;
	}
	printf("%d scenario%s, %d %s\n", run, run == 1 ? "" : "s", well,
	       replay ? "went well" : "explored without a failure");
	return run > 0 && well == run ? 0 : 1;
}
