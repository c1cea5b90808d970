/* SPDX-License-Identifier: MIT */
/* The typed layer: continuations, and arrays of results. */
#include "contract.h"

#include <creel/typed.h>

static long twice(long n)
{
	return 2 * n;
}
CREEL_TYPED(twice, long, long);

static int narrow(creel_task *task, const long *n, int *ret_result)
{
	if (*n < 0)
		return creel_fail(task, -EDOM, "%ld is negative", *n);
	*ret_result = (int)*n;
	return 0;
}
CREEL_TYPED_TASK(narrow, int, long);

static long answer(void)
{
	return 42;
}
CREEL_TYPED(answer, long, void);

CASE(c37_typed_functions_are_chained, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = twice_submit(ex, 4);
	creel_future *g = twice_then(f, ex);
	creel_future *h = narrow_then_with(g, ex, &(creel_submit_options){.name = "third"});
	creel_future *last = answer_then(h, ex);
	int n = 0;
	long a = 0;
	ct_int(narrow_result(h, CT_GUARD, &n), 0);
	ct_int(n, 16);
	ct_int(answer_result(last, CT_GUARD, &a), 0);
	ct_int(a, 42);
	creel_future_unref(f);
	creel_future_unref(g);
	creel_future_unref(h);
	creel_future_unref(last);
	ct_close(ex);
}

CASE(bad_a_typed_input_of_another_size_is_refused, 0)
{
	creel_executor *ex = ct_executor();
	creel_future *f = creel_future_of("abc", 3), *g = twice_then(f, ex);
	char says[80];
	snprintf(says, sizeof says, "the input has 3 bytes, and twice takes %zu", sizeof(long));
	ct_int(ct_outcome(g), CREEL_EFAILED);
	ct_int(creel_future_error(g)->code, -EMSGSIZE);
	ct_text(creel_future_error(g)->message, says);
	creel_future_unref(f);
	creel_future_unref(g);
	ct_close(ex);
}

CASE(c36_typed_results_come_in_the_order_of_the_inputs, 0)
{
	enum { N = 5 };
	creel_executor *ex = ct_executor();
	creel_future *f[N];
	for (int i = 0; i < N; i++)
		f[i] = narrow_submit(ex, i - 1);
	creel_future *settled = creel_all_settled(f, N, 0), *all = creel_all(f + 1, N - 1, 0);
	creel_future *failed = creel_all(f, N, 0);
	int results[N] = {77, 77, 77, 77, 77}, codes[N];
	ct_int(narrow_settled_results(settled, CT_GUARD, results, codes, N), 0);
	ct_int(codes[0], CREEL_EFAILED);
	ct_int(results[0], 77);
	for (int i = 1; i < N; i++) {
		ct_int(codes[i], 0);
		ct_int(results[i], i - 1);
		results[i] = 77;
	}
	ct_int(narrow_all_results(all, CT_GUARD, results, N - 1), 0);
	for (int i = 0; i < N - 1; i++)
		ct_int(results[i], i);
	ct_int(narrow_all_results(all, CT_GUARD, results, N), -EMSGSIZE);
	ct_int(narrow_all_results(failed, CT_GUARD, results, N), CREEL_EFAILED);
	for (int i = 0; i < N; i++)
		creel_future_unref(f[i]);
	creel_future_unref(settled);
	creel_future_unref(all);
	creel_future_unref(failed);
	ct_close(ex);
}
