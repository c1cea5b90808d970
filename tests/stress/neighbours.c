/* SPDX-License-Identifier: MIT */
/*
 * Hostile neighbours: neighbours [ROUNDS [SEED]]. In each round several threads use two thread
 * pools at once: tasks that are delayed, expire, repeat, stay, sleep, block, wait for tasks of the
 * other pool, fork jobs and run loops, in all bands; a bounded pool that is full most of the time;
 * and beside that cancels, pauses, resizes, reports, posted jobs, and a shutdown in the middle. In
 * the end
 *
 *   each future is final, what finished ran, what is no series ran once at most, each argument was
 *   freed once, each job that was posted ran once, and nothing is left.
 *
 * Tasks of the bounded pool wait for the other one, never the other way round. ROUNDS is 20 times
 * CREEL_TEST_SCALE unless given. Nothing here depends on time but the guard.
 */
#include "stress.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NEIGHBOURS = 4,
	STEPS = 120, /* of each, in a round */
	KEPT = 12,   /* futures that a neighbour holds at a time */
	LOOP = 200,
};

/* One for each task. */
struct note {
	_Atomic unsigned ran, freed;
	struct game *game;
	unsigned what; /* it does */
	bool repeats;
};

/* A round. */
struct game {
	creel_executor *bounded, *wide;
	uint64_t seed;
	bool shuts_down; /* neighbour 0, in the middle */
	_Atomic unsigned posted, jobs;
	int nowhere; /* /dev/null, for reports */
};

struct kept {
	creel_future *f;
	struct note *note;
};

struct neighbour {
	struct game *game;
	unsigned number;
	uint64_t random;
	struct kept kept[KEPT];
	struct note notes[STEPS];
	unsigned count;
};

/* Fibonacci numbers by jobs. */
struct fib {
	creel_job job; /* first */
	int n;
	long value;
};

static void fib(creel_job *job, creel_task *task)
{
	struct fib *f = (struct fib *)(void *)job;
	if (f->n < 2) {
		f->value = f->n;
		return;
	}
	struct fib a = {.n = f->n - 1}, b = {.n = f->n - 2};
	must(creel_job_fork(task, &a.job, fib) == 0);
	must(creel_job_fork(task, &b.job, fib) == 0);
	must(creel_job_join(task, &b.job) == 0);
	must(creel_job_join(task, &a.job) == 0);
	f->value = a.value + b.value;
}

static int forks(creel_task *task)
{
	struct fib f = {.n = 9};
	must(creel_job_fork(task, &f.job, fib) == 0);
	must(creel_job_join(task, &f.job) == 0);
	must(f.value == 34);
	return 0;
}

struct sum {
	_Atomic unsigned indices;
	struct game *game;
	bool nests;
};

static int count_indices(creel_task *task, size_t begin, size_t end, void *context)
{
	struct sum *sum = context;
	(void)task;
	atomic_fetch_add(&sum->indices, (unsigned)(end - begin));
	if (!sum->nests || begin)
		return 0;
	struct sum inner = {.game = sum->game};
	int rc = creel_parallel_for(sum->game->wide, 0, LOOP, count_indices, &inner, NULL);
	must(rc || inner.indices == LOOP);
	return rc;
}

static int loops(struct game *game, bool nests)
{
	struct sum sum = {.game = game, .nests = nests};
	int rc = creel_parallel_for(game->wide, 0, LOOP, count_indices, &sum, NULL);
	must(rc || sum.indices == LOOP);
	must(rc == 0 || rc == -ECANCELED || rc == -ESHUTDOWN);
	return rc;
}

static int nothing(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

/* Of a task of either pool: tasks of the one without a bound. */
static int waits(struct game *game, unsigned n)
{
	creel_future *f[3];
	for (unsigned i = 0; i < n; i++)
		f[i] = creel_submit_with(game->wide, nothing, NULL, 0,
					 &(creel_submit_options){.band = (int)i - 1});
	int rc = creel_wait(f, n, n % 2 ? CREEL_ALL_COMPLETED : CREEL_FIRST_COMPLETED,
			    CREEL_FOREVER, NULL);
	must(rc == 0);
	for (unsigned i = 0; i < n; i++)
		creel_future_unref(f[i]);
	return rc;
}

static int blocks(void)
{
	/* It may be refused: no thread may be left that could serve. */
	int rc = creel_blocking_begin();
	sched_yield();
	must(rc == -EAGAIN || (rc == 0 && creel_blocking_end() == 0));
	return 0;
}

static int task(creel_task *self, const void *arg, size_t size)
{
	struct note *note = (struct note *)(uintptr_t)arg;
	(void)size;
	atomic_fetch_add(&note->ran, 1);
	switch (note->what % 8) {
	case 0:
		return creel_task_sleep(self, creel_in_ns(50000));
	case 1:
		return forks(self);
	case 2:
		return loops(note->game, note->what & 8);
	case 3:
		return waits(note->game, 1 + note->what / 8 % 3);
	case 4:
		return blocks();
	default:
		return 0;
	}
}

static void freed(void *arg, size_t size, void *ctx)
{
	(void)size;
	must(arg == ctx);
	atomic_fetch_add(&((struct note *)ctx)->freed, 1);
}

struct posted {
	creel_job job; /* first */
	struct game *game;
};

static void run_posted(creel_job *job, creel_task *task)
{
	struct posted *p = (struct posted *)(void *)job;
	(void)task;
	atomic_fetch_add(&p->game->jobs, 1);
	free(p);
}

static void post(struct game *game)
{
	struct posted *p = calloc(1, sizeof *p);
	must(p != NULL);
	p->game = game;
	int rc = creel_job_post(game->wide, &p->job, run_posted);
	must(rc == 0 || rc == -ESHUTDOWN);
	if (rc == 0)
		atomic_fetch_add(&game->posted, 1);
	else
		free(p);
}

/* What a future says at last. */
static void settle(struct kept *k)
{
	struct note *note = k->note;
	if (note->repeats)
		must(creel_future_cancel(k->f) >= 0);
	int rc = creel_future_result(k->f, creel_in_ms(GUARD_MS), NULL, 0);
	if (rc == -ETIMEDOUT)
		broken(__FILE__, __LINE__, "a task was never ended: what %u, state %d", note->what,
		       creel_future_state(k->f));
	must(note->freed == 1 && (note->repeats || note->ran <= 1));
	must(rc || note->ran);
	creel_future_unref(k->f);
	k->f = NULL;
}

static void submit(struct neighbour *me)
{
	static const int overflows[] = {0, CREEL_OVERFLOW_BLOCK, CREEL_OVERFLOW_FAIL,
					CREEL_OVERFLOW_CALLER};
	struct kept *k = &me->kept[random_next(&me->random) % KEPT];
	struct note *note = &me->notes[me->count++];
	uint64_t r = random_next(&me->random);
	/* A series keeps its place: where these are few, all would wait for room. */
	bool wide = one_in(&me->random, 3);
	creel_submit_options o = {.arg_free = freed,
				  .arg_ctx = note,
				  .name = r & 1 ? "neighbour" : NULL,
				  .band = (int)(r >> 1) % 5 - 2,
				  .overflow = overflows[r >> 8 & 3]};
	note->game = me->game;
	note->what = (unsigned)(r >> 16) & 63;
	if (one_in(&me->random, 4))
		o.delay_ns = (int64_t)(r >> 24 & 0x3ffff) + 1;
	if (one_in(&me->random, 4))
		o.expiry_ns = o.delay_ns + (int64_t)(r >> 32 & 0xffff) + 1;
	if (o.delay_ns && one_in(&me->random, 3))
		o.flags = CREEL_STAY;
	else if (wide && one_in(&me->random, 3))
		o.period_ns = (int64_t)(r >> 40 & 0xffff) + 1;
	note->repeats = o.period_ns;
	if (k->f)
		settle(k);
	k->note = note;
	k->f = creel_submit_with(wide ? me->game->wide : me->game->bounded, task, note,
				 CREEL_BY_REF, &o);
}

static void step(struct neighbour *me)
{
	struct game *game = me->game;
	creel_executor *ex = one_in(&me->random, 2) ? game->wide : game->bounded;
	struct kept *k = &me->kept[random_next(&me->random) % KEPT];
	switch (random_next(&me->random) % 12) {
	case 0:
		if (k->f)
			must(creel_future_cancel(k->f) >= 0);
		break;
	case 1:
		if (k->f && !k->note->repeats)
			settle(k);
		break;
	case 2:
		(void)creel_executor_pause(ex);
		sched_yield();
		(void)creel_executor_resume(ex);
		break;
	case 3:
		(void)creel_executor_resize(ex, 1 + (int)(random_next(&me->random) % 3));
		break;
	case 4:
		post(game);
		break;
	case 5:
		/* -EBUSY: whoever has the list of executors is not running. */
		must(creel_report(game->nowhere) <= 0);
		break;
	case 6:
		(void)loops(game, true);
		break;
	default:
		submit(me);
	}
}

static void *live(void *neighbour)
{
	struct neighbour *me = neighbour;
	for (unsigned i = 0; i < STEPS; i++) {
		step(me);
		if (me->game->shuts_down && me->number == 0 && i == STEPS / 2)
			(void)creel_executor_shutdown(me->game->bounded,
						      one_in(&me->random, 2) ? CREEL_SHUTDOWN_CANCEL
									     : 0,
						      CREEL_NOW, NULL);
	}
	for (unsigned i = 0; i < KEPT; i++)
		if (me->kept[i].f)
			settle(&me->kept[i]);
	return NULL;
}

static void play(struct game *game, uint64_t *random)
{
	static const int helps[] = {CREEL_HELP_NONE, CREEL_HELP_WORKERS, CREEL_HELP_ANY};
	static struct neighbour all[NEIGHBOURS];
	pthread_t threads[NEIGHBOURS];
	game->shuts_down = one_in(random, 2);
	game->bounded = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1 + (int)(random_next(random) % 3),
					     .capacity = 2,
					     .ageing_ns = 20000,
					     .help = helps[random_next(random) % 3],
					     .idle_ns = one_in(random, 2) ? 1000 : CREEL_S(5),
					     .flags = one_in(random, 2) ? CREEL_TRACE : 0});
	game->wide = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 2,
					     .ageing_ns = 20000,
					     .help = helps[random_next(random) % 3],
					     .spin_ns = one_in(random, 2) ? 2000 : 0});
	must(!creel_executor_error(game->bounded) && !creel_executor_error(game->wide));
	memset(all, 0, sizeof all);
	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		all[i].game = game;
		all[i].number = i;
		all[i].random = random_next(random);
		must(pthread_create(&threads[i], NULL, live, &all[i]) == 0);
	}
	for (unsigned i = 0; i < NEIGHBOURS; i++)
		must(pthread_join(threads[i], NULL) == 0);
	must(creel_executor_close(game->bounded) == 0);
	must(creel_executor_close(game->wide) == 0);
	must(game->jobs == game->posted);
	for (unsigned i = 0; i < NEIGHBOURS; i++)
		for (unsigned k = 0; k < all[i].count; k++)
			must(all[i].notes[k].freed == 1);
}

int main(int argc, char **argv)
{
	const char *scale = getenv("CREEL_TEST_SCALE");
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0)
					: 20 * (scale ? strtoul(scale, NULL, 0) : 1);
	stress_seed = argc > 2 ? strtoull(argv[2], NULL, 0) : stress_seed;
	uint64_t random = stress_seed;
	int nowhere = open("/dev/null", O_WRONLY);
	must(nowhere >= 0);
	for (stress_round = 1; stress_round <= rounds; stress_round++) {
		struct game game = {.nowhere = nowhere};
		play(&game, &random);
	}
	close(nowhere);
	printf("%lu rounds of %d neighbours with %d steps each\n", rounds, NEIGHBOURS, STEPS);
	return 0;
}
