/* SPDX-License-Identifier: MIT */
/*
 * Promises 12, 18, 26, 27, 28 and 35 under attack: workers that lie, or cannot be killed; a
 * manager that is flooded; tasks behind a long one; a shrink under load.
 */
#include "misdeeds.h"
#include "procs.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is sent ahead. */

/* Both in one entry: which task, and by which of two workers. */
static int task_logs(creel_task *task, const void *arg, size_t size)
{
	struct {
		struct ct_log *log;
		long n;
	} a;
	memcpy(&a, arg, size);
	ct_log_add(a.log, 2 * a.n + (long)creel_task_worker(task));
	return 0;
}

static void submit_short(creel_executor *ex, creel_queue *queue, struct ct_log *log, long n)
{
	struct {
		struct ct_log *log;
		long n;
	} a = {log, n};
	creel_future *f = creel_submit(ex, task_logs, &a, sizeof a);
	ct_int(creel_queue_add(queue, f, NULL), 0);
	creel_future_unref(f);
}

/* Always 200 in flight, so no worker ever idles: those that were sent ahead to the worker of the
 * long task start before any that came 128 later. The other worker runs them all, and only what it
 * ran is looked at: so none can be late because the system let its worker wait between the start of
 * a task and its entry in the log. */
CASE(attacks, c12_c26_no_short_task_waits_behind_a_long_one)
{
	enum { WINDOW = 200, WARM = 2000, ALL = 6000, MOST = 2 * 64 };
	creel_executor *ex = pt_pool(2);
	creel_queue *queue = creel_queue_new(0);
	struct ct_log *log = ct_log_new(ALL);
	struct pt_gated g = pt_gated(1);
	creel_future *lengthy = NULL;
	long sent = 0;
	while (sent < WINDOW)
		submit_short(ex, queue, log, sent++);
	while (sent < ALL) {
		creel_future *f = NULL;
		ct_int(creel_queue_take(queue, CT_GUARD, &f, NULL), 0);
		creel_future_unref(f);
		if (sent == WARM)
			lengthy = pt_submit_gated(ex, &g);
		submit_short(ex, queue, log, sent++);
	}
	for (int i = 0; i < WINDOW; i++) {
		creel_future *f = NULL;
		ct_int(creel_queue_take(queue, CT_GUARD, &f, NULL), 0);
		creel_future_unref(f);
	}
	ct_open(g.gate);
	ct_int(ct_long_drop(lengthy), 1);
	long latest = 0;
	unsigned seen = 0;
	for (int i = 0; i < ALL; i++) {
		long n = log->entry[i] / 2;
		if (log->entry[i] % 2 == (long)g.ids->worker)
			continue;
		if (n >= WARM - MOST && latest - n > MOST)
			ct_fail(__FILE__, __LINE__, "task %ld started after task %ld", n, latest);
		latest = n > latest ? n : latest;
		seen += n > WARM;
	}
	ct_assert(seen >= ALL - WARM - WINDOW);
	creel_queue_unref(queue);
	ct_close(ex);
}

/* A shrink. */

static int task_counts(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	long n = ct_count_get(*(struct ct_count *const *)arg);
	return creel_return(task, &n, sizeof n);
}

CASE(attacks, c18_after_a_shrink_idle_workers_leave_and_nothing_starts_beyond_it)
{
	enum { BUSY = 3 };
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 4, .min_workers = 4});
	struct pt_gated g[BUSY + 1];
	creel_future *f[BUSY + 1];
	struct ct_count *opened = ct_count_new();
	for (int i = 0; i <= BUSY; i++) {
		g[i] = pt_gated(i);
		f[i] = pt_submit_gated(ex, &g[i]);
	}
	for (int i = 0; i <= BUSY; i++)
		ct_count_await(g[i].started, 1);
	ct_open(g[BUSY].gate);
	ct_int(ct_long_drop(f[BUSY]), BUSY);
	/* Behind those that run, and for the one that idles: all are taken back or wait. */
	ct_int(creel_executor_resize(ex, 1), 0);
	creel_future *last = creel_submit(ex, task_counts, &opened, sizeof opened);
	ct_until(pt_stats(ex).workers == BUSY);
	for (int i = 0; i < BUSY; i++) {
		ct_count_add(opened, 1);
		ct_open(g[i].gate);
		ct_int(ct_long_drop(f[i]), i);
	}
	ct_int(ct_long_drop(last), BUSY);
	ct_until(pt_stats(ex).workers <= 1);
	ct_close(ex);
}

/*
 * A flood of callbacks: a thread beside the pool keeps hundreds of short tasks in flight, and each
 * has a callback that takes far longer, so that the manager always finds outcomes. What it has to
 * see meanwhile is counted in callbacks, not in time: how many it calls after it could have known.
 */
enum {
	IN_FLIGHT = 400,
	CALLBACK_US = 300,
	FLOOD = 20000, /* callbacks; then it ends, so that the test does */
	WARM = 200,    /* of them before there is anything to be seen */
	/* In slices of 5 ms it takes some twenty. On a busy machine others who have a part in it
	 * may wait for the CPU. Without slices it takes what is left of the flood. */
	ENOUGH = FLOOD / 2,
};

/* In shared memory: the time at which a task did what the manager is to see. */
struct seen {
	_Atomic(int64_t) from; /* 0: not yet */
	_Atomic(bool) told;
	_Atomic(long) late; /* callbacks between the two */
};

static struct flood {
	creel_executor *ex;
	sem_t room;
	_Atomic(bool) stop;
	_Atomic(long) called;
	struct seen *seen;
} flood;

static void wait_us(int64_t us)
{
	int64_t end = creel_now().ns + us * 1000;
	while (creel_now().ns < end)
		;
}

static int task_none(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	return 0;
}

static void flood_on(creel_future *f, void *arg)
{
	struct seen *seen = arg;
	(void)f;
	wait_us(CALLBACK_US);
	int64_t from = atomic_load(&seen->from);
	if (from && creel_now().ns > from && !atomic_load(&seen->told))
		atomic_fetch_add(&seen->late, 1);
	atomic_fetch_add(&flood.called, 1);
	sem_post(&flood.room);
}

static void *feed(void *arg)
{
	for (long i = 0; i < FLOOD && !atomic_load(&flood.stop); i++) {
		while (sem_wait(&flood.room))
			;
		creel_future *f = creel_submit(flood.ex, task_none, NULL, 0);
		ct_int(creel_future_on_done(f, NULL, flood_on, flood.seen, NULL, NULL), 0);
		creel_future_unref(f);
	}
	return arg;
}

struct late_task {
	struct seen *seen;
	int64_t after_ns; /* of what there is to be seen */
	enum pt_how how;
};

static int task_seen(creel_task *task, const void *arg, size_t size)
{
	const struct late_task *t = arg;
	struct pt_crash crash = {t->how, NULL, NULL};
	(void)size;
	atomic_store(&t->seen->from, creel_now().ns + t->after_ns);
	return task_crash(task, &crash, sizeof crash);
}

static void told(creel_future *f, void *arg)
{
	(void)f;
	atomic_store(&((struct seen *)arg)->told, true);
}

/* How a task ends within the flood. */
static void is_seen_in_a_flood(enum pt_how how, int64_t limit_ns, int kind)
{
	pthread_t feeder;
	struct late_task t = {ct_shared(sizeof *t.seen), limit_ns, how};
	flood.ex = pt_pool(3);
	flood.seen = t.seen;
	ct_int(sem_init(&flood.room, 0, IN_FLIGHT), 0);
	ct_int(pthread_create(&feeder, NULL, feed, NULL), 0);
	ct_until(atomic_load(&flood.called) >= WARM);
	creel_future *f = creel_submit_with(flood.ex, task_seen, &t, sizeof t,
					    &(creel_submit_options){.limit_ns = limit_ns});
	ct_int(creel_future_on_done(f, NULL, told, t.seen, NULL, NULL), 0);
	(void)pt_failure(f, kind);
	ct_until(atomic_load(&t.seen->told));
	atomic_store(&flood.stop, true);
	ct_int(pthread_join(feeder, NULL), 0);
	creel_future_unref(f);
	ct_close(flood.ex);
	sem_destroy(&flood.room);
	if (atomic_load(&t.seen->late) > ENOUGH)
		ct_fail(__FILE__, __LINE__, "it was seen after %ld callbacks",
			atomic_load(&t.seen->late));
}

CASE(attacks, c27_a_limit_is_seen_under_a_flood_of_callbacks)
{
	is_seen_in_a_flood(PT_HANG, 50 * PT_MS, CREEL_KIND_TIMED_OUT);
}

CASE(attacks, c25_a_death_is_seen_under_a_flood_of_callbacks)
{
	is_seen_in_a_flood(PT_KILL, 0, CREEL_KIND_WORKER_DIED);
}

/* Kills that the host may not send itself. */

enum { NOBODY = 65534 };

static void drops_privileges(void *arg)
{
	(void)arg;
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1});
	struct pt_crash hangs = {PT_HANG, NULL, NULL};
	creel_future *f = creel_submit(ex, task_none, NULL, 0);
	HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == 0);
	creel_future_unref(f);
	HOST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	f = creel_submit_with(ex, task_crash, &hangs, sizeof hangs,
			      &(creel_submit_options){.limit_ns = 50 * PT_MS});
	HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	HOST(creel_future_error(f)->kind == CREEL_KIND_TIMED_OUT);
	creel_future_unref(f);
	f = creel_submit(ex, task_crash, &hangs, sizeof hangs);
	while (creel_future_state(f) != CREEL_FUTURE_RUNNING)
		ct_breathe();
	HOST(creel_future_kill(f, 0) == CREEL_CANCEL_REQUESTED);
	HOST(creel_future_result(f, CREEL_FOREVER, NULL, 0) == CREEL_EFAILED);
	creel_future_unref(f);
	HOST(creel_executor_close(ex) == 0);
	_exit(0);
}

CASE(attacks, c27_c28_a_host_that_dropped_its_privileges_kills_by_its_server)
{
	if (!pt_can_become(NOBODY))
		ct_skip("only root can become somebody else, and not everywhere");
	ct_int(pt_host(drops_privileges, NULL), 0);
}

/* Lies. */

enum lie { LIE_READY, LIE_KILL, LIE_EMPTY, LIE_ONES, LIE_LATER, LIES };
enum then { HANGS, SPINS, EXITS };

struct lying {
	enum lie lie;
	enum then then;
	struct ct_count *told;
};

static int task_lies(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	const struct lying *l = arg;
	struct misdeed_place place;
	TASK(misdeed_find(task, &place));
	struct creel__slot *slot = place.slot;
	uint64_t seq = atomic_load(&slot->state) >> 8;
	const uint64_t words[] = {[LIE_READY] = CREEL__SLOT(seq, CREEL__SLOT_READY),
				  [LIE_KILL] = CREEL__SLOT(seq, CREEL__SLOT_KILL),
				  [LIE_EMPTY] = CREEL__SLOT_EMPTY,
				  [LIE_ONES] = UINT64_MAX,
				  [LIE_LATER] = CREEL__SLOT(seq, CREEL__SLOT_RUNNING)};
	atomic_store(&slot->began, 0);
	atomic_store(&slot->state, words[l->lie]);
	ct_count_add(l->told, 1);
	if (l->then == EXITS)
		_exit(1);
	for (;;) {
		if (l->lie == LIE_LATER)
			atomic_store(&slot->started, INT64_MAX / 2);
		if (l->then == HANGS)
			pause();
	}
}

/* A task that has lied, and one behind it. On a slow machine the limit may end it before: then
 * again, with more time. */
static creel_future *submit_liar(creel_executor *ex, struct lying *l, bool kill,
				 creel_future **ret_behind)
{
	creel_submit_options o = {.limit_ns = kill ? 0 : 100 * PT_MS};
	for (;; o.limit_ns *= 2) {
		creel_future *f = creel_submit_with(ex, task_lies, l, sizeof *l, &o);
		*ret_behind = creel_submit(ex, task_none, NULL, 0);
		ct_until(ct_count_get(l->told) || creel_future_state(f) == CREEL_FUTURE_FINISHED);
		if (ct_count_get(l->told))
			return f;
		creel_future_unref(f);
		creel_future_unref(*ret_behind);
	}
}

/* Ends, whatever it says of itself, and what waits behind it runs. */
static void outlive(enum lie lie, enum then then, bool kill)
{
	creel_executor *ex = pt_pool(1);
	pt_works(ex);
	struct lying l = {lie, then, ct_count_new()};
	creel_future *behind, *f = submit_liar(ex, &l, kill, &behind);
	if (kill)
		(void)creel_future_kill(f, 0);
	int rc = creel_future_result(f, CT_GUARD, NULL, 0);
	ct_assert(rc == CREEL_EFAILED || (kill && rc == -ECANCELED));
	ct_int(creel_future_result(behind, CT_GUARD, NULL, 0), 0);
	ct_assert(ct_count_get(l.told) <= 8);
	creel_future_unref(behind);
	creel_future_unref(f);
	pt_works(ex);
	ct_close(ex);
}

CASE(attacks, c35_no_lie_evades_a_limit)
{
	for (int lie = 0; lie < LIES; lie++)
		outlive((enum lie)lie, lie % 2 ? HANGS : SPINS, false);
}

CASE(attacks, c35_no_lie_evades_a_kill)
{
	for (int lie = 0; lie < LIES; lie++)
		outlive((enum lie)lie, HANGS, true);
}

CASE(attacks, c35_a_task_that_says_it_never_began_does_not_run_for_ever)
{
	for (int lie = 0; lie < LIES; lie++)
		outlive((enum lie)lie, EXITS, false);
}

/* All that is behind it in its worker is innocent, whatever is written there. */
static int task_ruins(creel_task *task, const void *arg, size_t size)
{
	(void)size;
	struct {
		struct ct_count *gate;
		int how;
	} a;
	struct misdeed_place place;
	memcpy(&a, arg, sizeof a);
	TASK(misdeed_find(task, &place));
	struct creel__control *c = place.control;
	ct_pass(a.gate);
	for (unsigned i = 0; a.how == 2 && i < CREEL__DEPTH; i++)
		if (&c->slots[i] != place.slot)
			atomic_store(&c->slots[i].state,
				     CREEL__SLOT(atomic_load(&c->slots[i].state) >> 8,
						 CREEL__SLOT_DONE));
	if (a.how < 2)
		memset((void *)c->slots, a.how ? 0xff : 0, sizeof c->slots);
	raise(SIGKILL);
	return 0;
}

CASE(attacks, c35_what_waits_behind_a_worker_that_ruins_its_memory_runs)
{
	creel_executor *ex = pt_pool(1);
	struct {
		struct ct_count *gate;
		int how;
	} a;
	memset(&a, 0, sizeof a);
	for (int how = 0; how < 3; how++) {
		pt_works(ex);
		struct ct_count *ran = ct_count_new();
		a.gate = ct_count_new();
		a.how = how;
		creel_future *f = creel_submit(ex, task_ruins, &a, sizeof a);
		ct_await_running(f);
		creel_future *behind = ct_submit_count(ex, ran);
		ct_open(a.gate);
		ct_int(creel_future_result(f, CT_GUARD, NULL, 0), CREEL_EFAILED);
		ct_int(ct_long_drop(behind), 1);
		ct_int(ct_count_get(ran), 1);
		creel_future_unref(f);
	}
	ct_close(ex);
}

/* A worker that does not die. */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

/* Whether it could be frozen. */
static bool freeze(const char *group, pid_t pid)
{
	char path[128], number[16];
	snprintf(number, sizeof number, "%d", (int)pid);
	snprintf(path, sizeof path, "%s/tasks", group);
	bool done = write_file(path, number);
	snprintf(path, sizeof path, "%s/freezer.state", group);
	return done && write_file(path, "FROZEN");
}

CASE(attacks, c28_a_worker_that_cannot_be_killed_holds_nobody_up)
{
	char group[64], path[96];
	snprintf(group, sizeof group, "/sys/fs/cgroup/freezer/creel-test-%d", (int)getpid());
	if (mkdir(group, 0755))
		ct_skip("there is no freezer here");
	snprintf(path, sizeof path, "%s/freezer.state", group);
	creel_executor *ex = pt_pool(2);
	struct pt_ids ids = pt_ids(ex);
	struct pt_gated g = pt_gated(1);
	creel_future *f = pt_submit_gated(ex, &g);
	ct_count_await(g.started, 1);
	bool frozen = freeze(group, ids.pid);
	if (frozen) {
		ct_int(kill(ids.server, SIGKILL), 0);
		(void)pt_failure(f, CREEL_KIND_WORKER_DIED);
		pt_works(ex);
	}
	ct_open(g.gate);
	int worker = pt_pidfd(ids.pid);
	write_file(path, "THAWED");
	if (frozen)
		pt_await_gone(worker);
	else
		close(worker);
	creel_future_unref(f);
	ct_close(ex);
	ct_until(rmdir(group) == 0 || errno == ENOENT);
	if (!frozen)
		ct_skip("nothing can be frozen here");
}
