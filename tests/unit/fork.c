/* SPDX-License-Identifier: MIT */
/* The fork generation: every descendant has one that its forebears have not. */
#include "sync/fork.h"
#include "ct.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 4 };

/* Each process writes its generation and then forks the next, down to depth 0. */
static void descend(int pipe_end, int depth)
{
	uint16_t generation = creel__fork_generation();
	if (generation != creel__fork_generation())
		generation = 0;
	if (write(pipe_end, &generation, sizeof generation) != (ssize_t)sizeof generation)
		_exit(1);
	if (depth == 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		descend(pipe_end, depth - 1);
		_exit(0);
	}
	int status;
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		_exit(1);
}

/* The generations of a line of descendants, oldest first; made by a child, so that even the
 * first is not this process. */
static void line_of_descent(uint16_t *ret_generations)
{
	int ends[2];
	ct_int(pipe(ends), 0);
	descend(ends[1], DEPTH);
	for (int i = 0; i <= DEPTH; i++)
		ct_int(read(ends[0], &ret_generations[i], sizeof ret_generations[i]),
		       sizeof ret_generations[i]);
	close(ends[0]);
	close(ends[1]);
}

static void all_different(const uint16_t *generations)
{
	for (int i = 0; i <= DEPTH; i++) {
		ct_assert(generations[i] != 0);
		for (int j = 0; j < i; j++)
			ct_assert(generations[i] != generations[j]);
	}
}

CT_TEST(fork, is_stable_within_a_process, 0)
{
	uint16_t generation = creel__fork_generation();
	ct_assert(generation != 0);
	for (int i = 0; i < 1000; i++)
		ct_int(creel__fork_generation(), generation);
}

CT_TEST(fork, differs_in_child_and_grandchild, 0)
{
	uint16_t generations[DEPTH + 1];
	uint16_t own = creel__fork_generation();
	line_of_descent(generations);
	ct_int(generations[0], own);
	all_different(generations);
	ct_int(creel__fork_generation(), own);
}

static void *in_thread(void *ret_generations)
{
	line_of_descent(ret_generations);
	return NULL;
}

CT_TEST(fork, differs_when_a_thread_forks, 0)
{
	uint16_t generations[DEPTH + 1];
	pthread_t thread;
	ct_int(pthread_create(&thread, NULL, in_thread, generations), 0);
	ct_int(pthread_join(thread, NULL), 0);
	all_different(generations);
	ct_int(generations[0], creel__fork_generation());
}

/* Nobody asks for a generation between the two forks. */
CT_TEST(fork, differs_when_the_generation_between_never_asked, 0)
{
	uint16_t own = creel__fork_generation(), theirs = 0;
	int ends[2], status;
	ct_int(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0) {
			uint16_t g = creel__fork_generation();
			_exit(write(ends[1], &g, sizeof g) != (ssize_t)sizeof g);
		}
		_exit(waitpid(grandchild, &status, 0) != grandchild || status);
	}
	ct_int(waitpid(child, &status, 0), child);
	ct_int(status, 0);
	ct_int(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
	ct_assert(theirs != 0 && theirs != own);
	close(ends[0]);
	close(ends[1]);
}

static void *ask(void *ret)
{
	*(uint16_t *)ret = creel__fork_generation();
	return NULL;
}

CT_TEST(fork, is_the_same_in_all_threads, 0)
{
	uint16_t seen[8];
	pthread_t threads[8];
	for (int i = 0; i < 8; i++)
		ct_int(pthread_create(&threads[i], NULL, ask, &seen[i]), 0);
	for (int i = 0; i < 8; i++)
		ct_int(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < 8; i++)
		ct_int(seen[i], creel__fork_generation());
}
