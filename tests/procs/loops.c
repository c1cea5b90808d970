/* SPDX-License-Identifier: MIT */
/* Promise 35 in loops: what the workers share with the caller of a loop they can ruin. The caller
 * takes from there only numbers and values. */
#include "exec/loop.h"
#include "procs.h"

#include <stddef.h>
#include <string.h>

static struct creel__loop *loop_of(creel_task *task)
{
	const struct creel__strand *strand = creel__strand_of(task);
	return (struct creel__loop *)((uintptr_t)strand->stop - offsetof(struct creel__loop, stop));
}

/* In shared memory. */
struct ruin {
	struct ct_count *ruined, *ran;
};

static int ruin_loop(creel_task *task, size_t begin, size_t end, void *context)
{
	const struct ruin *ruin = context;
	ct_count_add(ruin->ran, (uint32_t)(end - begin));
	if (begin > 0)
		return 0;
	struct creel__loop *l = loop_of(task);
	l->executor = (creel_executor *)(uintptr_t)64;
	l->watch = (struct creel__loop_watch *)(uintptr_t)64;
	memset(&l->invitation, 0xff, sizeof l->invitation);
	ct_open(ruin->ruined);
	return 0;
}

static int handed_over;

/* The second task is not handed over before the first one's has ruined the loop. */
static void await_ruin(void *ctx, const creel_event *event)
{
	const struct ruin *ruin = ctx;
	(void)event;
	if (handed_over++ == 1)
		ct_pass(ruin->ruined);
}

CASE(loops, c35_the_caller_of_a_loop_trusts_nothing_that_its_workers_share)
{
	creel_executor *ex = pt_pool(2);
	struct ruin *ruin = creel_shared_alloc(ex, sizeof *ruin);
	ct_assert(ruin != NULL);
	*ruin = (struct ruin){ct_count_new(), ct_count_new()};
	handed_over = 0;
	ct_int(creel_executor_watch(ex, &(creel_hooks){.size = sizeof(creel_hooks),
						       .ctx = ruin,
						       .submitted = await_ruin}),
	       0);
	ct_int(creel_parallel_for(ex, 0, 2, ruin_loop, ruin, &(creel_loop_options){.grain = 1}), 0);
	ct_int(ct_count_get(ruin->ran), 2);
	creel_shared_free(ex, ruin);
	pt_works(ex);
	ct_close(ex);
}

enum {
	ENOUGH = 1000,
	PLAN = 9 * sizeof(size_t) + sizeof(uint16_t), /* of exec/reduce.c: the values lie behind */
};

/* The last part ruins what the others have used. */
static int sum_and_ruin(creel_task *task, size_t begin, size_t end, void *into, void *context)
{
	long *sum = into;
	(void)context;
	for (size_t i = begin; i < end; i++)
		*sum += (long)i;
	if (end == ENOUGH)
		memset(loop_of(task)->context, 0xff, PLAN);
	return 0;
}

static void add(void *into, const void *from, void *context)
{
	(void)context;
	*(long *)into += *(const long *)from;
}

CASE(loops, c35_a_reduction_trusts_nothing_that_its_workers_share_but_the_values)
{
	/* One worker takes the parts in their order. */
	creel_executor *ex = pt_pool(1);
	long none = 0, sum = -1;
	ct_int(creel_reduce(ex, 0, ENOUGH, &none, sizeof none, sum_and_ruin, add, NULL, &sum, NULL),
	       0);
	ct_int(sum, (long)ENOUGH * (ENOUGH - 1) / 2);
	pt_works(ex);
	ct_close(ex);
}
