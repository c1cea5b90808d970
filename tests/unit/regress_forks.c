/* SPDX-License-Identifier: MIT */
/*
 * Regressions: what a forked child does first, and locks that are held when it is forked. Some are
 * races without an event in them: they are repeated, and CREEL_TEST_SCALE makes that worth more.
 */
#include "future/hook.h"
#include "regress.h"
#include "sync/fork.h"

#include <sys/wait.h>

enum { THREADS = 4 };

static struct ct_count ready;

static void together(void)
{
	ct_count_add(&ready, 1);
	ct_count_await(&ready, THREADS);
}

static int status_of(pid_t child)
{
	int status = -1;
	ct_assert(child > 0);
	ct_int(waitpid(child, &status, 0), child);
	return status;
}

static void *look(void *arg)
{
	(void)arg;
	together();
	(void)creel__fork_generation();
	return NULL;
}

/* Forks beside threads that learn only now that they are in a child, as soon as it can see what
 * they saw. */
static void child_of_a_child(void)
{
	pthread_t thread[THREADS - 1];
	int status, ends[2];
	uint16_t theirs = 0;
	ready = (struct ct_count){0};
	if (pipe(ends))
		_exit(2);
	for (int i = 0; i < THREADS - 1; i++)
		if (pthread_create(&thread[i], NULL, look, NULL))
			_exit(3);
	together();
	uint16_t own = creel__fork_generation();
	pid_t child = fork();
	if (child == 0) {
		uint16_t generation = creel__fork_generation();
		_exit(write(ends[1], &generation, sizeof generation) != sizeof generation);
	}
	for (int i = 0; i < THREADS - 1; i++)
		pthread_join(thread[i], NULL);
	if (child < 0 || waitpid(child, &status, 0) != child || status ||
	    read(ends[0], &theirs, sizeof theirs) != sizeof theirs)
		_exit(4);
	_exit(theirs == own || theirs == 0 ? 5 : 0);
}

/* The number was shown before it was counted: a child forked in between got it as well. */
CT_TEST(regress_forks, a_child_of_a_child_differs_even_if_it_is_forked_at_once, 0)
{
	ct_assert(creel__fork_generation() != 0);
	for (unsigned i = ct_scaled(30); i > 0; i--) {
		pid_t child = fork();
		if (child == 0)
			child_of_a_child();
		ct_int(status_of(child), 0);
	}
}

static struct gate gate;
static struct told told;

/* In a child: a hang ends it, and shows in its status. */
static void guarded(void)
{
	alarm(CT_GUARD_MS / 1000);
}

static void use_and_exit(creel_future *f)
{
	struct told here = {{0}, {0}};
	guarded();
	int cancelled = creel_future_cancel(f);
	int added = creel_future_on_done(f, NULL, note_call, &here, note_free, NULL);
	creel_future_unref(f);
	if (cancelled != -EPERM || added != -EPERM)
		_exit(1);
	_exit(ct_count_get(&here.called) || ct_count_get(&here.freed) ? 2 : 0);
}

/* The lock of a future's callbacks was held, for ever, by a thread that the child does not have. */
CT_TEST(regress_forks, a_child_does_without_the_lock_of_the_callbacks_of_a_future, 0)
{
	creel_executor *ex = pool_of(1);
	creel_future *final = creel_submit(ex, task_nothing, NULL, 0);
	ct_int(creel_future_result(final, CT_GUARD, NULL, 0), 0);
	creel_future *busy = hold(ex, &gate), *f = creel_submit(ex, task_nothing, NULL, 0);
	creel_future *all[] = {busy, f, final};
	ct_int(creel_future_on_done(f, NULL, note_call, &told, note_free, NULL), 0);
	for (int i = 0; i < 3; i++) {
		creel__hooks_lock(all[i]);
		pid_t child = fork();
		if (child == 0)
			use_and_exit(all[i]);
		creel__hooks_unlock(all[i]);
		ct_int(status_of(child), 0);
	}
	ct_open(&gate.open);
	ends_with(busy, 0);
	ends_with(f, 0);
	ends_with(final, 0);
	close_now(ex);
	told_once(&told);
}

static _Atomic bool enough;

/* Has the queue's lock most of the time: there is a call of the system's under it. */
static void *wake_and_take(void *q)
{
	creel_future *f;
	while (!atomic_load(&enough))
		if (creel_queue_wake(q) || creel_queue_take(q, CREEL_NOW, &f, NULL) != CREEL_WOKEN)
			return q;
	return NULL;
}

/* The same with the lock of a queue, which is taken by everything that is done with one. */
CT_TEST(regress_forks, a_child_does_without_the_lock_of_a_queue, !CT_WAKES)
{
	pthread_t thread;
	void *failed;
	creel_queue *q = creel_queue_new(NULL);
	ct_assert(creel_queue_fd(q) >= 0);
	on_thread(&thread, wake_and_take, q);
	for (unsigned i = ct_scaled(30); i > 0; i--) {
		pid_t child = fork();
		if (child == 0) {
			guarded();
			creel_future *f = NULL;
			int rc = creel_queue_take(q, CREEL_NOW, &f, NULL);
			creel_queue_unref(q);
			_exit(rc == -EPERM ? 0 : 1);
		}
		ct_int(status_of(child), 0);
	}
	atomic_store(&enough, true);
	ct_int(pthread_join(thread, &failed), 0);
	ct_assert(failed == NULL);
	creel_queue_unref(q);
}

static int endless(void *ctx, void *item, size_t *size)
{
	(void)ctx;
	*(char *)item = 0;
	*size = 1;
	return 1;
}

static void *take_all(void *map)
{
	creel_future *f = NULL;
	while (!atomic_load(&enough)) {
		if (creel_map_next(map, CREEL_FOREVER, &f, NULL))
			return map;
		creel_future_unref(f);
	}
	return NULL;
}

/* The same with the lock of a map's queue: workers take it with each result, as does the taker. */
CT_TEST(regress_forks, a_child_may_end_a_map_that_runs, 0)
{
	pthread_t thread;
	void *failed;
	creel_map_options o = {.in_flight = 8, .max_item = 1, .flags = CREEL_AS_COMPLETED};
	creel_executor *ex = pool_of(4);
	creel_mapping *map = creel_map_from(ex, task_nothing, endless, NULL, &o);
	on_thread(&thread, take_all, map);
	for (unsigned i = ct_scaled(150); i > 0; i--) {
		pid_t child = fork();
		if (child == 0) {
			guarded();
			creel_map_end(map);
			_exit(0);
		}
		ct_int(status_of(child), 0);
	}
	atomic_store(&enough, true);
	ct_int(pthread_join(thread, &failed), 0);
	ct_assert(failed == NULL);
	creel_map_end(map);
	close_now(ex);
}
