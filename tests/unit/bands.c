/* SPDX-License-Identifier: MIT */
/* Ageing of bands in the thread pool, at a time of the test's choice: creel__now(), with which
 * lists are stamped, is wrapped. Deadlines go by the real clock. */
#include "regress.h"

#define AGEING CREEL_MS(100) /* the default */
#define BEGIN CREEL_S(1000)

static _Atomic int64_t now;

int64_t __real_creel__now(void);
int64_t __wrap_creel__now(void);

int64_t __wrap_creel__now(void)
{
	int64_t t = atomic_load(&now);
	return t ? t : __real_creel__now();
}

static _Atomic int next;
static int order[8];

static int task_order(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	order[atomic_fetch_add(&next, 1)] = *(const int *)arg;
	return 0;
}

static void submit(creel_executor *ex, int band, int number)
{
	creel_submit_options o = {.band = band};
	ct_int(creel_spawn(ex, task_order, &number, sizeof number, &o), 0);
}

/* Of a task of `low` and one of `high` that comes so much later, the number of the first. */
static int first_of(int low, int high, int64_t later, int64_t ageing_ns)
{
	struct gate gate = {0};
	creel_executor *ex = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 1, .help = CREEL_HELP_NONE, .ageing_ns = ageing_ns});
	/* Ages count from the first use of a band other than 0. */
	submit(ex, 1, 0);
	ct_int(creel_executor_drain(ex, creel_in_ms(CT_GUARD_MS)), 0);
	creel_future *busy = hold(ex, &gate);
	atomic_store(&next, 0);
	atomic_store(&now, BEGIN);
	submit(ex, low, 1);
	atomic_store(&now, BEGIN + later);
	submit(ex, high, 2);
	ct_count_add(&gate.open, 1);
	ends_with(busy, 0);
	ct_int(creel_executor_drain(ex, creel_in_ms(CT_GUARD_MS)), 0);
	close_now(ex);
	ct_int(atomic_load(&next), 2);
	return order[0];
}

CT_TEST(bands, c41_a_list_rises_by_a_band_in_each_ageing_ns, 0)
{
	for (int low = -2; low < 2; low++)
		for (int high = low + 1; high <= 2; high++) {
			int64_t equal = (high - low) * AGEING;
			ct_int(first_of(low, high, 0, 0), 2);
			ct_int(first_of(low, high, equal - 1, 0), 2);
			/* Of two that count the same, the older. */
			ct_int(first_of(low, high, equal, 0), 1);
			ct_int(first_of(low, high, equal + 1, 0), 1);
		}
}

CT_TEST(bands, c41_how_fast_lists_age_is_an_option, 0)
{
	ct_int(first_of(-2, 2, CREEL_S(39), CREEL_S(10)), 2);
	ct_int(first_of(-2, 2, CREEL_S(41), CREEL_S(10)), 1);
	ct_int(first_of(-2, 2, CREEL_S(1000000000), CREEL_NEVER), 2);
	ct_int(first_of(-2, 2, 4, 1), 1);
}

/* A list that is served begins anew: it does not keep the age of the task that left. */
CT_TEST(bands, c41_a_list_that_was_served_is_young_again, 0)
{
	struct gate gate = {0};
	creel_executor *ex = pool_of(1);
	creel_future *busy = hold(ex, &gate);
	atomic_store(&now, BEGIN);
	submit(ex, -1, 1);
	submit(ex, -1, 2);
	atomic_store(&now, BEGIN + AGEING + 1);
	submit(ex, 0, 3);
	submit(ex, 0, 4);
	/* 1 has aged. Then 2 and 3, later 2 and 4, are of the same age or nearly so. */
	atomic_store(&now, BEGIN + AGEING + 2);
	ct_count_add(&gate.open, 1);
	ends_with(busy, 0);
	ct_int(creel_executor_drain(ex, creel_in_ms(CT_GUARD_MS)), 0);
	close_now(ex);
	ct_int(order[0], 1);
	ct_int(order[1], 3);
	ct_int(order[2], 4);
	ct_int(order[3], 2);
}
