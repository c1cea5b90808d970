/* SPDX-License-Identifier: MIT */
/* Bugs that memcheck sees, in the test's own process or in a worker of a process pool;
 * SOUND has none. */
#include "ct.h"

#include <creel/creel.h>
#include <stdlib.h>

static char *volatile memory;

static void misuse(void)
{
#if defined(FREED)
	memory = malloc(100);
	char *volatile copy = memory;
	free(memory);
	*copy = 1;
#elif defined(UNSET)
	int *volatile unset = malloc(sizeof *unset);
	if (*unset == 1)
		memory = NULL;
	free(unset);
#elif defined(LEAK)
	memory = malloc(100);
	memory = NULL;
#endif
}

static int task(creel_task *t, const void *arg, size_t size)
{
	(void)size;
#ifdef IN_WORKER
	misuse();
#endif
	return creel_return(t, arg, sizeof(long));
}

CT_TEST(memcheck, a_process_pool, 0)
{
	long seven = 7, value = 0;
	creel_executor *ex = creel_process_pool_new(NULL);
	ct_assert(creel_executor_error(ex) == NULL);
	creel_future *f = creel_submit(ex, task, &seven, sizeof seven);
	ct_int(creel_future_result(f, CREEL_FOREVER, &value, sizeof value), 0);
	ct_int(value, 7);
	creel_future_unref(f);
	ct_int(creel_executor_close(ex), 0);
#ifndef IN_WORKER
	misuse();
#endif
}
