/* SPDX-License-Identifier: MIT */
/*
 * Stress with invariants: stress [TASKS [SEED]]. Pools come and go; each time several
 * threads submit tasks of every kind, cancel, listen, resize, and sometimes shut the pool
 * down under each other. In the end
 *
 *   submitted = finished + failed + cancelled + rejected, each task ran once or never as its future
 *   says, each argument was freed once, each callback was called once or taken back, the pool's
 *   counts are ours, every worker that was initialized was finalized, and threads and descriptors
 *   are back where they were.
 *
 * TASKS is 10^6 times CREEL_TEST_SCALE unless given. Nothing here depends on time but the guard.
 */
#include "stress.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How a round's pool ends. */
enum ending { END_DRAINED, END_CLOSED, END_UNREFERENCED, ENDINGS };

struct totals {
	unsigned long submitted, ok, failed, cancelled, rejected, spawned, callbacks, rounds;
};

static unsigned count_entries(const char *folder)
{
	unsigned n = 0;
	DIR *d = opendir(folder);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Threads that have ended stay in /proc for a moment, and nothing says when they are gone: a rest
 * between two looks. */
static void rest(creel_deadline guard)
{
	struct timespec moment = {0, 1000000}, now;
	nanosleep(&moment, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((int64_t)now.tv_sec * 1000000000 > guard.ns)
		broken(__FILE__, __LINE__, "%u threads are left",
		       count_entries("/proc/self/task") - 2);
}

static void await_threads(unsigned n)
{
	creel_deadline guard = creel_in_ms(GUARD_MS);
	while (count_entries("/proc/self/task") > n)
		rest(guard);
}

static int initializer(void *ctx, unsigned worker, void **ret_local)
{
	(void)worker;
	*ret_local = ctx;
	atomic_fetch_add(&((struct round *)ctx)->initialized, 1);
	return 0;
}

static void finalizer(void *ctx, void *local)
{
	must(local == ctx);
	/* Leaving takes a while: others decide meanwhile whether to leave as well. */
	for (int i = 0; i < 20; i++)
		sched_yield();
	atomic_fetch_add(&((struct round *)ctx)->finalized, 1);
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);
	must(p != NULL);
	return p;
}

static struct round *round_new(uint64_t *random)
{
	static const unsigned sizes[] = {3, 20, 300, 3000, 10000};
	static const int64_t idle[] = {0, 0, 20000, 1000000};
	struct round *round = allocate(1, sizeof *round);
	round->seed = random_next(random);
	round->tasks = sizes[random_next(random) % 5];
	for (unsigned i = 0; i < SUBMITTERS; i++)
		round->records[i] = allocate(round->tasks, sizeof *round->records[i]);
	if (one_in(random, 3)) {
		round->shutdown_at = (unsigned)(random_next(random) % round->tasks);
		round->shutdown_flags = one_in(random, 2) ? CREEL_SHUTDOWN_CANCEL : 0;
	}
	int max = 1 + (int)(random_next(random) % 4);
	round->pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = max,
		.min_workers = (int)(random_next(random) % ((unsigned)max + 1)),
		.idle_ns = idle[random_next(random) % 4],
		.initializer = initializer,
		.finalizer = finalizer,
		.ctx = round,
	});
	must(!creel_executor_error(round->pool));
	round->queue = creel_queue_new(
		&(creel_queue_options){.capacity = one_in(random, 2) ? 0 : 100,
				       .flags = one_in(random, 2) ? CREEL_ORDERED : 0});
	must(creel_queue_fd(round->queue) >= 0);
	return round;
}

static void round_free(struct round *round)
{
	for (unsigned i = 0; i < SUBMITTERS; i++)
		free(round->records[i]);
	free(round);
}

/* Submitters and taker, from their start until nothing of theirs is left. */
static void round_run(struct round *round)
{
	struct submitter submitters[SUBMITTERS];
	pthread_t threads[SUBMITTERS], taker;
	must(pthread_create(&taker, NULL, taker_main, round) == 0);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		submitters[i] = (struct submitter){round, i};
		must(pthread_create(&threads[i], NULL, submitter_main, &submitters[i]) == 0);
	}
	for (unsigned i = 0; i < SUBMITTERS; i++)
		pthread_join(threads[i], NULL);
	must(creel_queue_close(round->queue) == 0);
	pthread_join(taker, NULL);
	creel_queue_unref(round->queue);
	for (unsigned i = 0; i < SLOTS; i++)
		creel_future_unref(round->slot[i]);
}

/* Counts what became of one task, and checks all that was counted while it went its way. */
static void check_record(const struct record *r, struct totals *t)
{
	bool spawned = r->kind == KIND_SPAWNED && r->outcome != OUTCOME_REJECTED;
	bool never = r->outcome == OUTCOME_CANCELLED || r->outcome == OUTCOME_REJECTED;
	t->submitted++;
	t->ok += r->outcome == OUTCOME_OK || (spawned && r->ran);
	t->failed += r->outcome == OUTCOME_FAILED;
	t->cancelled += r->outcome == OUTCOME_CANCELLED || (spawned && !r->ran);
	t->rejected += r->outcome == OUTCOME_REJECTED;
	t->spawned += spawned;
	t->callbacks += r->called;
	must(spawned == (r->outcome == OUTCOME_NONE));
	if (spawned)
		must(r->ran <= 1);
	else
		must(r->ran == !never);
	must(r->freed == (r->handed_over && !r->kept));
	must(r->called == r->callbacks - r->removed);
	must(r->callback_freed == r->callbacks);
}

#define same(is, should)                                                                           \
	((is) == (should) ? (void)0                                                                \
			  : broken(__FILE__, __LINE__, "%s is %llu, not %llu", #is,                \
				   (unsigned long long)(is), (unsigned long long)(should)))

/* What a map that was ended early cancelled, and which callbacks a pool that was shut down refused
 * or cancelled (they are called all the same), is known to nobody: then the pool's counts are
 * bounds. */
static void check_stats(const struct round *round, const creel_stats *s, const struct totals *t,
			enum ending ending)
{
	unsigned long accepted = t->submitted - t->rejected + round->children -
				 round->children_rejected;
	unsigned long cancelled = t->cancelled + round->children_cancelled;
	must(s->pending == 0 && s->running == 0);
	must(s->workers == 0 && s->idle == 0);
	must(s->died == round->exits && s->started == round->initialized);
	must(s->done >= accepted && s->cancelled >= cancelled);
	if (!round->maps && !(round->shutdown_at && round->shutdown_flags))
		same(s->cancelled, cancelled);
	if (!round->maps && !round->shutdown_at && ending == END_DRAINED)
		same(s->done, accepted + round->callback_tasks);
}

static void round_end(struct round *round, enum ending ending, creel_stats *ret_stats)
{
	size_t left = 1;
	if (ending == END_DRAINED)
		must(creel_executor_drain(round->pool, creel_in_ms(GUARD_MS)) == 0);
	if (ending == END_UNREFERENCED) {
		creel_executor_unref(round->pool);
		return;
	}
	must(creel_executor_shutdown(round->pool, 0, creel_in_ms(GUARD_MS), &left) == 0);
	must(left == 0);
	must(creel_executor_stats(round->pool, ret_stats, sizeof *ret_stats) == 0);
	must(creel_executor_close(round->pool) == 0);
}

static void add(struct totals *sum, const struct totals *t)
{
	sum->submitted += t->submitted;
	sum->ok += t->ok;
	sum->failed += t->failed;
	sum->cancelled += t->cancelled;
	sum->rejected += t->rejected;
	sum->spawned += t->spawned;
	sum->callbacks += t->callbacks;
	sum->rounds++;
}

static void play_round(uint64_t *random, struct totals *sum)
{
	unsigned threads = count_entries("/proc/self/task");
	unsigned fds = count_entries("/proc/self/fd");
	struct round *round = round_new(random);
	enum ending ending = (enum ending)(random_next(random) % ENDINGS);
	creel_stats stats = {0};
	round_run(round);
	round_end(round, ending, &stats);
	await_threads(threads);
	must(count_entries("/proc/self/fd") == fds);

	struct totals t = {0};
	for (unsigned i = 0; i < SUBMITTERS; i++)
		for (unsigned j = 0; j < round->tasks; j++)
			check_record(&round->records[i][j], &t);
	must(t.submitted == t.ok + t.failed + t.cancelled + t.rejected);
	must(round->initialized == round->finalized);
	must(round->children ==
	     round->children_ran + round->children_rejected + round->children_cancelled);
	if (ending != END_UNREFERENCED)
		check_stats(round, &stats, &t, ending);
	round_free(round);
	add(sum, &t);
}

static void *say_tid(void *ret_tid)
{
	*(long *)ret_tid = syscall(SYS_gettid);
	return NULL;
}

/* ThreadSanitizer has a thread of its own from the first one that is made; that one itself is gone
 * before anybody counts. */
static void make_first_thread(void)
{
	pthread_t thread;
	long tid;
	char path[64];
	must(pthread_create(&thread, NULL, say_tid, &tid) == 0);
	pthread_join(thread, NULL);
	snprintf(path, sizeof path, "/proc/self/task/%ld", tid);
	creel_deadline guard = creel_in_ms(GUARD_MS);
	while (access(path, F_OK) == 0)
		rest(guard);
}

static unsigned long default_tasks(void)
{
	const char *text = getenv("CREEL_TEST_SCALE");
	unsigned long scale = text ? strtoul(text, NULL, 10) : 1;
	return 1000000 * (scale < 1 ? 1 : scale > 1000 ? 1000 : scale);
}

int main(int argc, char **argv)
{
	unsigned long tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : default_tasks();
	stress_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t random = stress_seed;
	struct totals sum = {0};
	make_first_thread();
	while (sum.submitted < tasks) {
		stress_round++;
		play_round(&random, &sum);
	}
	printf("%lu tasks in %lu pools: %lu finished, %lu failed, %lu cancelled, %lu rejected "
	       "(%lu of them without a future); %lu callbacks\n",
	       sum.submitted, sum.rounds, sum.ok, sum.failed, sum.cancelled, sum.rejected,
	       sum.spawned, sum.callbacks);
	must(sum.ok && sum.failed && sum.cancelled && sum.rejected && sum.callbacks);
	return 0;
}
