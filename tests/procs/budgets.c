/* SPDX-License-Identifier: MIT */
/* Promise 29: the budget can be used to the last byte, and takes nothing that is the host's. */
#include "procs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

static int task_sum(creel_task *task, const void *arg, size_t size)
{
	const unsigned char *at = arg;
	long sum = 0;
	for (size_t i = 0; i < size; i++)
		sum += at[i];
	return creel_return(task, &sum, sizeof sum);
}

static void sum(creel_executor *ex, size_t size)
{
	unsigned char *data = malloc(size);
	ct_assert(data != NULL);
	memset(data, 1, size);
	creel_future *f = creel_submit(ex, task_sum, data, size);
	ct_int(ct_long_drop(f), (long)size);
	free(data);
}

CASE(budgets, c29_small_things_in_use_leave_the_rest_of_the_budget_to_large_ones)
{
	enum { N = 512 };
	static const size_t budgets[] = {MIB, 3 * MIB};
	for (size_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++) {
		size_t budget = budgets[i];
		creel_executor *ex = pt_pool_with(
			(creel_process_pool_options){.max_workers = 1, .shared_budget = budget});
		void *small = creel_shared_alloc(ex, 64), *held[N];
		sum(ex, budget - 64);
		sum(ex, budget / 2 + 1);
		/* Holes everywhere. */
		for (size_t k = 0; k < N; k++)
			ct_assert((held[k] = creel_shared_alloc(ex, budget / N - 1)) != NULL);
		for (size_t k = 0; k < N; k += 2)
			creel_shared_free(ex, held[k]);
		sum(ex, budget / 2 - 64);
		for (size_t k = 1; k < N; k += 2)
			creel_shared_free(ex, held[k]);
		creel_shared_free(ex, small);
		sum(ex, budget);
		ct_close(ex);
	}
}

static size_t resident(void)
{
	struct rusage usage;
	HOST(getrusage(RUSAGE_SELF, &usage) == 0);
	return (size_t)usage.ru_maxrss * 1024;
}

static void locked_host(void *arg)
{
	(void)arg;
	if (mlockall(MCL_FUTURE) < 0)
		_exit(77);
	size_t before = resident();
	creel_executor *ex = creel_process_pool_new(
		&(creel_process_pool_options){.max_workers = 1, .shared_budget = 16 * MIB});
	HOST(!creel_executor_error(ex));
	/* A thread's stack is locked, but not what the budget takes of address space. */
	HOST(resident() - before < 48 * MIB);
	pt_works(ex);
	HOST(creel_executor_close(ex) == 0);
}

/* Sanitizers and valgrind have memory of their own, which is locked as well. */
CASE_OFF(budgets, c29_the_budget_is_not_made_resident_under_mlockall, CT_ASAN || CT_MEMCHECK)
{
	int status = pt_host(locked_host, NULL);
	if (status == 77 << 8)
		ct_skip("memory cannot be locked");
	ct_int(status, 0);
}

/* The default takes a part of what there is room for. */
static void rationed_host(void *arg)
{
	size_t room = *(const size_t *)arg;
	struct rlimit limit = {room, room};
	HOST(setrlimit(RLIMIT_AS, &limit) == 0);
	creel_executor *ex = creel_process_pool_new(NULL);
	HOST(!creel_executor_error(ex));
	void *left = mmap(NULL, room / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	HOST(left != MAP_FAILED);
	pt_works(ex);
	HOST(creel_executor_close(ex) == 0);
}

CASE_OFF(budgets, c29_the_default_leaves_most_of_rationed_address_space_to_the_host,
	 CT_ASAN || CT_MEMCHECK)
{
	for (size_t room = 700 * MIB; room < 1500 * MIB; room += 90 * MIB)
		ct_int(pt_host(rationed_host, &room), 0);
}

CASE(budgets, c29_a_few_mib_can_be_had_on_any_machine)
{
	creel_executor *ex = pt_pool_with(
		(creel_process_pool_options){.max_workers = 1, .shared_budget = 8 * MIB});
	sum(ex, 6 * MIB);
	ct_close(ex);
}
