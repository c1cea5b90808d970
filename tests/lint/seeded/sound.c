/* SPDX-License-Identifier: MIT */
/* No bug: threads, memory and a child, all in order. The watch over the tests must be silent. */
#include "ct.h"

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

CT_TEST(sound, threads_and_memory, 0)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		ct_int(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < 2; i++) {
		void *memory;
		pthread_join(threads[i], &memory);
		free(memory);
	}
	ct_int(counter, 2);
}

CT_TEST(sound, a_child, 0)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(7);
	int status;
	ct_int(waitpid(pid, &status, 0), pid);
	ct_int(WEXITSTATUS(status), 7);
}
