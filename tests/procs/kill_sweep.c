/* SPDX-License-Identifier: MIT */
/*
 * Kills a worker, the fork server and the parent of a process pool at every step of their lives,
 * one death a round, and checks each time what became of the tasks, of the pool and of all
 * processes (sweep_round.c).
 *
 * usage: kill_sweep worker|server|parent|crossed|all [--rounds N] [--from N]
 *
 * crossed: a worker dies while the server, or the parent, is just before one of its steps; and the
 * server while the parent is. Without --rounds, every step once: k = 1, 2, 3 and so on, for each
 * process of the role in each scenario, until none of them passes a k-th step. With it, about N
 * deaths a sweep (crossed: N rounds, for there is not always a victim): every so many-th step, from
 * one that differs each time (--from says which: the same again); or, if N is larger, all of them
 * several times, from the second time on with the schedule shaken. In the end every named step that
 * was passed and at which nobody died is aimed at by its name. CREEL_TEST_SCALE multiplies N.
 *
 * Prints the named steps, how often each was passed, and how often somebody died there.
 */
#include "sweep_round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	TRIES = 3,  /* until a step is believed not to exist */
	AIMED = 40, /* rounds, at a named step that should be had */
	WRONG_MOST = 20,
	DUE_LEAST = 5, /* named steps of any process's life */
};

static const struct kind {
	const char *who, *name;
	enum sweep_role role, victim; /* of whom the steps are, who dies */
} kinds[] = {
	{"worker", "a worker dies", SWEEP_WORKER, SWEEP_WORKER},
	{"server", "the server's parent dies", SWEEP_BETWEEN, SWEEP_BETWEEN},
	{"server", "the server dies", SWEEP_SERVER, SWEEP_SERVER},
	{"parent", "the parent dies", SWEEP_HOST, SWEEP_HOST},
	{"crossed", "a worker dies, seen from the server", SWEEP_SERVER, SWEEP_WORKER},
	{"crossed", "a worker dies, seen from the parent", SWEEP_HOST, SWEEP_WORKER},
	{"crossed", "the server dies, seen from the parent", SWEEP_HOST, SWEEP_SERVER},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Shared: it is carried out in another process. */
struct sweep_run {
	const char *name;
	enum sweep_role role, victim;
	uint64_t rounds; /* 0: every step once */
	uint64_t stride, from;
	uint64_t steps[SWEEP_SCENARIOS][SWEEP_INSTANCES]; /* when nobody dies */
	unsigned long deaths, whole;                      /* and rounds in which nobody died */
	int64_t longest;
	uint64_t sum; /* of steps */
	unsigned scenario;
	struct sweep_order aimed;
};

static bool is_crossed(const struct sweep_run *run)
{
	return run->role != run->victim;
}

/* Whether somebody died. */
static bool round_of(struct sweep_run *run, unsigned scenario, const struct sweep_order *order)
{
	if (run->victim == SWEEP_HOST)
		sweep_round_host(scenario, order, &run->longest);
	else
		sweep_round_here(scenario, order);
	bool died = atomic_load(&sweep->now.spent);
	if (died)
		run->deaths++;
	else
		run->whole++;
	if (sweep_sums->wrong >= WRONG_MOST) {
		fprintf(stderr, "too much is wrong\n");
		_exit(1);
	}
	return died;
}

/* How many steps there are, about: of each process in rounds in which nobody dies. And at which
 * named steps there is a victim. */
static uint64_t take_census(struct sweep_run *run)
{
	struct sweep_order nobody = {.role = run->role, .victim = run->victim};
	uint64_t sum = 0;
	sweep->census = true;
	for (unsigned scenario = 0; scenario < SWEEP_SCENARIOS; scenario++) {
		round_of(run, scenario, &nobody);
		for (unsigned i = 0; i < SWEEP_INSTANCES; i++) {
			run->steps[scenario][i] = atomic_load(&sweep->now.steps[run->role][i]);
			sum += run->steps[scenario][i];
		}
	}
	sweep->census = false;
	return sum;
}

/* Every step of one process's life, until it passes no more. False if it was never born. */
static bool sweep_life(struct sweep_run *run, unsigned scenario, unsigned instance)
{
	struct sweep_order order = {
		.role = run->role, .victim = run->victim, .instance = instance, .step = 1};
	for (unsigned missed = 0; missed < TRIES;) {
		if (round_of(run, scenario, &order)) {
			missed = 0;
			order.step++;
		} else {
			missed++;
		}
	}
	return order.step > 1;
}

/* Some of them. */
static void sample_life(struct sweep_run *run, unsigned scenario, unsigned instance)
{
	struct sweep_order order = {.role = run->role, .victim = run->victim, .instance = instance};
	/* A life may be short: as if all stood one behind the other. */
	uint64_t steps = run->steps[scenario][instance];
	for (; run->from < steps; run->from += run->stride) {
		order.step = run->from + 1;
		round_of(run, scenario, &order);
	}
	run->from -= steps;
}

static void sweep_all(struct sweep_run *run)
{
	run->from %= run->stride;
	for (unsigned scenario = 0; scenario < SWEEP_SCENARIOS; scenario++)
		for (unsigned i = 0; i < SWEEP_INSTANCES; i++)
			/* A victim is not there at each step: no death does not mean the end. */
			if (run->stride > 1 || is_crossed(run))
				sample_life(run, scenario, i);
			else if (!sweep_life(run, scenario, i))
				break;
}

static bool was_last(unsigned site)
{
	return atomic_load(&sweep->last[site]) != 0;
}

static bool is_due(unsigned site)
{
	return atomic_load(&sweep->due[site]);
}

static bool was_passed(enum sweep_role role, unsigned site)
{
	return atomic_load(&sweep->passed[role][site]) != 0;
}

/* What --rounds counts. Where a victim is not always to be had,
 * what matters is that it was looked for. */
static uint64_t rounds_of(const struct sweep_run *run)
{
	return run->deaths + (is_crossed(run) ? run->whole : 0);
}

/* Again, with what is still missing, as long as anybody dies. */
static void sweep_through(struct sweep_run *run)
{
	unsigned long before;
	run->sum = take_census(run);
	do {
		uint64_t left = run->rounds - rounds_of(run);
		run->stride = run->rounds && left < run->sum ? (run->sum + left - 1) / left : 1;
		before = run->deaths;
		sweep_all(run);
		sweep->shake = true;
	} while (run->deaths > before && rounds_of(run) < run->rounds);
}

static void aim_at(struct sweep_run *run)
{
	round_of(run, run->scenario, &run->aimed);
}

/* In a process of its own: one that has used the library differs from one that has not, and a step
 * may be passed only there. */
static void apart(void (*fn)(struct sweep_run *run), struct sweep_run *run)
{
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		sweep_round_begin();
		fn(run);
		_exit(0);
	}
	pid_t ended = 0;
	while (pid > 0 && ended != pid && ended >= 0)
		ended = waitpid(-1, &status, 0);
	if (pid < 0 || ended != pid || status)
		exit(1);
}

/* Steps that were passed, but at which nobody died yet. */
static void aim(struct sweep_run *run)
{
	sweep->shake = false;
	for (unsigned site = 0; site < sweep_sites(); site++) {
		unsigned tries = is_due(site) || !is_crossed(run) ? AIMED : 1;
		run->aimed = (struct sweep_order){
			.role = run->role, .victim = run->victim, .site = site, .nth = 1};
		for (unsigned i = 0; i < tries && was_passed(run->role, site) && !was_last(site);
		     i++) {
			run->scenario = (i + 1) % SWEEP_SCENARIOS;
			apart(aim_at, run);
		}
	}
}

/* Of all named steps, and of those that are due. */
struct score {
	unsigned last, passed, due_last, due;
};

static struct score print_table(const struct sweep_run *run)
{
	struct score score = {0};
	printf("%s: how often, how often it was passed, at which step\n", run->name);
	for (unsigned site = 0; site < sweep_sites(); site++) {
		if (!was_passed(run->role, site))
			continue;
		score.passed++;
		score.last += was_last(site);
		score.due += is_due(site);
		score.due_last += is_due(site) && was_last(site);
		printf("%8u %10llu  %s\n", atomic_load(&sweep->last[site]),
		       (unsigned long long)atomic_load(&sweep->passed[run->role][site]),
		       sweep_name(site));
	}
	return score;
}

/* Whether the sweep was one: the steps of the library are still steps, and there was a death at
 * nearly all at which one is due: those that were passed, while there was a victim, in rounds in
 * which nobody died. A few of them may depend on a race that does not come again. At others there
 * is no victim yet, or only after a death: nothing is asked of them. */
static bool report(const struct sweep_run *run)
{
	struct score score = print_table(run);
	bool enough = run->deaths && score.due >= DUE_LEAST &&
		      score.due_last >= score.due - score.due / 10;
	printf("%s: %lu times, at %u of %u named steps, and at %u of the %u that are due; in %lu "
	       "rounds nobody died; a round has about %llu steps%s\n",
	       run->name, run->deaths, score.last, score.passed, score.due_last, score.due,
	       run->whole, (unsigned long long)run->sum, enough ? "" : ": TOO FEW");
	if (run->victim == SWEEP_HOST)
		printf("the last process below it was gone after at most %.1f ms\n",
		       (double)run->longest / 1000);
	fflush(stdout);
	return enough;
}

static bool carry_out(const struct kind *kind, uint64_t rounds, uint64_t from,
		      unsigned long *deaths)
{
	struct sweep_run *run = sweep_map(sizeof *run);
	*run = (struct sweep_run){.name = kind->name,
				  .role = kind->role,
				  .victim = kind->victim,
				  .rounds = rounds,
				  .from = from};
	memset(sweep, 0, sizeof *sweep);
	apart(sweep_through, run);
	aim(run);
	*deaths += run->deaths;
	return report(run);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	if (*end || !*text) {
		fprintf(stderr, "kill_sweep: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static uint64_t scaled(uint64_t n)
{
	const char *text = getenv("CREEL_TEST_SCALE");
	double scale = text ? strtod(text, NULL) : 1;
	return (uint64_t)((double)n * (scale < 1 ? 1 : scale));
}

static int usage(void)
{
	fprintf(stderr,
		"usage: kill_sweep worker|server|parent|crossed|all [--rounds N] [--from N]\n");
	return 2;
}

static void print_sums(uint64_t from, unsigned long children, unsigned long parents)
{
	const struct sweep_sums *s = sweep_sums;
	printf("--from %llu: %lu children and %lu parents killed\n"
	       "tasks of parents that lived %lu: delivered %lu, failed with their worker %lu "
	       "(before "
	       "they began %lu), ended otherwise as they should %lu; pools without a server %lu\n",
	       (unsigned long long)from, children, parents, s->tasks, s->delivered, s->died,
	       s->unstarted, s->otherwise, s->broken);
	if (s->whole)
		printf("after %lu deaths all workers were asked for, and were at work after %.2f "
		       "ms, at most %.1f ms\n",
		       s->whole, (double)s->whole_sum / (double)s->whole / 1000,
		       (double)s->whole_most / 1000);
	printf("wrong %lu\n", s->wrong);
}

int main(int argc, char **argv)
{
	uint64_t rounds = 0, from = (uint64_t)time(NULL);
	unsigned long children = 0, parents = 0;
	bool enough = true, any = false;
	for (int i = 2; i < argc; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0)
			rounds = scaled(number(argv[i + 1]));
		else if (i + 1 < argc && strcmp(argv[i], "--from") == 0)
			from = number(argv[i + 1]);
		else
			return usage();
	}
	/* What hosts leave comes here to be waited for, and not to an init that may be slow. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sweep_init();
	sweep_round_init();
	for (unsigned i = 0; argc > 1 && i < KINDS; i++) {
		const struct kind *kind = &kinds[i];
		if (strcmp(argv[1], "all") && strcmp(argv[1], kind->who))
			continue;
		any = true;
		enough &= carry_out(kind, kind->role == SWEEP_BETWEEN ? 0 : rounds, from,
				    kind->victim == SWEEP_HOST ? &parents : &children);
	}
	if (!any)
		return usage();
	print_sums(from, children, parents);
	return sweep_sums->wrong || !enough;
}
