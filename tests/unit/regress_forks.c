/* SPDX-License-Identifier: MIT */
/*
 * Regressions: what a forked child does first. A race with a window of a few instructions and no
 * event in it: it is repeated, and CREEL_TEST_SCALE makes that worth more.
 */
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
