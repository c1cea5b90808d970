/* SPDX-License-Identifier: MIT */
/* A map asks how many CPUs there are, which reads files: once for each executor. */
#include "base/cpus.h"
#include "tasks.h"

static unsigned asked;

int __real_creel__cpus(const char *root);
int __wrap_creel__cpus(const char *root);

int __wrap_creel__cpus(const char *root)
{
	asked++;
	return __real_creel__cpus(root);
}

static void run_maps(creel_executor *ex)
{
	static const long items[] = {1, 2, 3};
	for (int i = 0; i < 10; i++) {
		creel_mapping *map = creel_map(ex, task_double, items, sizeof items[0], 3, NULL);
		creel_future *f;
		for (int k = 0; k < 3; k++) {
			ct_int(creel_map_next(map, CT_GUARD, &f, NULL), 0);
			creel_future_unref(f);
		}
		creel_map_end(map);
	}
}

CT_TEST(map_cpus, are_asked_for_once_for_each_executor, 0)
{
	creel_executor *ex = creel_inline_new();
	run_maps(ex);
	ct_int(asked, 1);
	ct_close(ex);
	asked = 0;
	ex = creel_thread_pool_new(NULL);
	run_maps(ex);
	ct_int(asked, 1);
	ct_close(ex);
}
