/* SPDX-License-Identifier: MIT */
/* No bug: threads, memory and a child, all in order. The watch over the tests must be silent. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *count(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	counter++;
	pthread_mutex_unlock(&mutex);
	return malloc(100);
}

Test(sound, threads_and_memory)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < 2; i++) {
		void *memory;
		pthread_join(threads[i], &memory);
		free(memory);
	}
	cr_assert_eq(counter, 2);
}

Test(sound, a_child)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(7);
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 7);
}
