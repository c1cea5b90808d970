/* SPDX-License-Identifier: MIT */
/*
 * Regressions: what a forked child does first. Both are races with a window of a few instructions, for
 * which there is no event: they are repeated, and CREEL_TEST_SCALE makes that worth more.
 */
#include "regress.h"
#include "sync/fork.h"

#include <sys/wait.h>

enum { THREADS = 4, BLOCKS = 300 };

static struct ct_count ready;

static void together(void)
{
	ct_count_add(&ready, 1);
	ct_count_await(&ready, THREADS);
}

/* More blocks than a thread keeps: some come from the depot, some go there. */
static void *use_blocks(void *arg)
{
	creel_future *f[BLOCKS];
	(void)arg;
	together();
	for (int i = 0; i < BLOCKS; i++) {
		f[i] = creel_promise_new();
		if (creel_promise_set_result(f[i], &i, sizeof i))
			_exit(2);
	}
	for (int i = 0; i < BLOCKS; i++) {
		int value = -1;
		if (creel_future_result(f[i], CREEL_NOW, &value, sizeof value) || value != i)
			_exit(3);
		creel_future_unref(f[i]);
	}
	return NULL;
}

static void in_threads(void *(*fn)(void *arg))
{
	pthread_t thread[THREADS];
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, fn, NULL))
			_exit(4);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static int status_of(pid_t child)
{
	int status = -1;
	ct_assert(child > 0);
	ct_int(waitpid(child, &status, 0), child);
	return status;
}

/* One thread found the depot to be the parent's and made it its own, while others already used it: their
 * lock was broken and their blocks were lost, or handed out twice. */
CT_TEST(regress_forks, threads_of_a_child_may_be_the_first_to_use_blocks, 0)
{
	use_blocks((ct_count_add(&ready, THREADS), NULL));
	for (unsigned i = ct_scaled(30); i > 0; i--) {
		pid_t child = fork();
		if (child == 0) {
			ready = (struct ct_count){0};
			in_threads(use_blocks);
			_exit(0);
		}
		ct_int(status_of(child), 0);
	}
}

static void *look(void *arg)
{
	(void)arg;
	together();
	(void)creel__fork_generation();
	return NULL;
}

/* Forks beside threads that learn only now that they are in a child, as soon as it can see what they saw. */
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
