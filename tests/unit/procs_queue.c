/* SPDX-License-Identifier: MIT */
/* The queue of the process pool by itself: bands and their ageing, at a time of the test's choice
 * (creel__now() is wrapped), and what goes back to the front. */
#include "base/alloc.h"
#include "exec/submit.h"
#include "procs/pool.h"
#include "regress.h"

#define AGEING CREEL_MS(100)

static int64_t now = CREEL_S(1000);

int64_t __wrap_creel__now(void);

int64_t __wrap_creel__now(void)
{
	return now;
}

static struct creel__procs pool;
static creel_executor *ex;

static void setup(void)
{
	pool.options.ageing_ns = AGEING;
	ex = creel_inline_new();
}

static void teardown(void)
{
	ct_assert(creel__queue_pop_locked(&pool) == NULL);
	ct_int(pool.queued, 0);
	creel_executor_close(ex);
}

static creel_future *task_in(int band)
{
	creel_task *task = creel__task_new(ex, task_nothing, NULL, 0,
					   sizeof(struct creel__options) + 1);
	ct_assert(task != NULL);
	struct creel__options *options = creel__options_of(&task->future);
	options->band = band;
	options->name[0] = 0;
	return &task->future;
}

static creel_future *append(int band)
{
	creel_future *f = task_in(band);
	creel__queue_append_locked(&pool, f);
	return f;
}

static void drop(creel_future *f)
{
	creel__future_free(f);
}

static void comes(creel_future *f)
{
	ct_assert(creel__queue_pop_locked(&pool) == f);
	drop(f);
}

CT_TEST(procs_queue, c41_a_list_rises_by_a_band_in_each_ageing_ns, 0)
{
	setup();
	creel_future *low = append(-2);
	now += 4 * AGEING - 1;
	creel_future *high = append(2);
	comes(high);
	/* Of two that count the same, the older. */
	now += 1;
	high = append(2);
	comes(low);
	comes(high);
	teardown();
}

CT_TEST(procs_queue, c41_a_list_that_was_served_is_young_again, 0)
{
	setup();
	creel_future *a = append(-1), *b = append(-1);
	now += AGEING + 1;
	creel_future *c = append(0);
	comes(a);
	comes(c);
	comes(b);
	teardown();
}

CT_TEST(procs_queue, c16_what_comes_back_is_in_front_of_its_band, 0)
{
	setup();
	creel_future *a = append(1), *b = append(1), *c = append(2);
	comes(c);
	ct_assert(creel__queue_pop_locked(&pool) == a);
	creel__queue_prepend_locked(&pool, a);
	c = append(2);
	comes(c);
	comes(a);
	comes(b);
	teardown();
}

/* Before that nobody looks at the clock, and all are in one list. */
CT_TEST(procs_queue, c41_the_first_use_comes_late, 0)
{
	setup();
	creel_future *a = append(0), *b = append(0);
	ct_assert(!pool.banded);
	creel_future *c = append(1);
	ct_assert(pool.banded);
	comes(c);
	comes(a);
	comes(b);
	teardown();
}

CT_TEST(procs_queue, c17_all_are_taken_at_once, 0)
{
	setup();
	creel_future *should[] = {append(2), append(2), append(0), append(-2)};
	creel_future *f = creel__queue_take_all_locked(&pool);
	for (int i = 0; i < 4; i++) {
		ct_assert(f == should[i]);
		f = f->next;
		drop(should[i]);
	}
	ct_assert(f == NULL);
	teardown();
}
