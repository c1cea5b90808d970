/* SPDX-License-Identifier: MIT */
/*
 * The patterns of asyncio, concurrent.futures and JavaScript's promises, each in a few lines. The
 * page doc/tutorial/patterns.md puts them beside Python's and JavaScript's, and takes its pieces
 * from here.
 *
 * With --processes the tasks run in worker processes.
 */
#include <creel/typed.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static long square(long n)
{
	return n * n;
}
CREEL_TYPED(square, long, long);

/* Fails for what is negative. */
static int root(creel_task *task, const long *n, long *ret_root)
{
	if (*n < 0)
		return creel_fail(task, -EDOM, "%ld has no root", *n);
	for (*ret_root = 0; (*ret_root + 1) * (*ret_root + 1) <= *n; ++*ret_root)
		;
	return 0;
}
CREEL_TYPED_TASK(root, long, long);

/* Never ends by itself. */
static int forever(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_task_sleep(task, CREEL_FOREVER);
}

static void create_task(creel_executor *pool)
{
	creel_future *f = square_submit(pool, 7);
	/* ... something else meanwhile ... */
	long r;
	if (square_result(f, CREEL_FOREVER, &r) == 0)
		printf("create_task: %ld\n", r);
	creel_future_unref(f);
}

static void task_error(creel_executor *pool)
{
	creel_future *f = root_submit(pool, -1);
	long r;
	if (root_result(f, CREEL_FOREVER, &r)) {
		const creel_error *e = creel_future_error(f);
		printf("task error: %s (%s)\n", e->message, creel_code_name(e->code));
	}
	creel_future_unref(f);
}

static void submit_three(creel_executor *pool, creel_future **f, const long *numbers)
{
	for (int i = 0; i < 3; i++)
		f[i] = root_submit(pool, numbers[i]);
}

static void drop_three(creel_future **f)
{
	for (int i = 0; i < 3; i++)
		creel_future_unref(f[i]);
}

static void gather(creel_executor *pool)
{
	creel_future *f[3];
	submit_three(pool, f, (const long[]){1, 49, 100});
	creel_future *all = creel_all(f, 3, CREEL_CANCEL_REST);
	drop_three(f);

	long roots[3];
	if (root_all_results(all, CREEL_FOREVER, roots, 3) == 0)
		printf("gather: %ld %ld %ld\n", roots[0], roots[1], roots[2]);
	creel_future_unref(all);
}

static void gather_with_errors(creel_executor *pool)
{
	creel_future *f[3];
	submit_three(pool, f, (const long[]){16, -1, 81});
	creel_future *all = creel_all_settled(f, 3, 0);

	long roots[3];
	int codes[3];
	int rc = root_settled_results(all, CREEL_FOREVER, roots, codes, 3);
	for (int i = 0; rc == 0 && i < 3; i++)
		if (codes[i] == 0)
			printf("return_exceptions: %ld\n", roots[i]);
		else
			printf("return_exceptions: %s\n", creel_future_error(f[i])->message);
	creel_future_unref(all);
	drop_three(f);
}

static void gather_fails_fast(creel_executor *pool)
{
	creel_future *f[3];
	submit_three(pool, f, (const long[]){16, -4, 81});
	creel_future *all = creel_all(f, 3, 0);
	drop_three(f);

	if (creel_future_result(all, CREEL_FOREVER, NULL, 0))
		printf("gather fails fast: %s\n", creel_future_error(all)->message);
	creel_future_unref(all);
}

static void wait_first_completed(creel_executor *pool)
{
	creel_future *f[2] = {square_submit(pool, 3), creel_submit(pool, forever, NULL, 0)};
	size_t done;
	creel_wait(f, 2, CREEL_FIRST_COMPLETED, CREEL_FOREVER, &done);
	for (int i = 0; i < 2; i++)
		if (creel_future_state(f[i]) != CREEL_FUTURE_FINISHED)
			creel_future_cancel(f[i]); /* pending */
	printf("wait: %zu done\n", done);
	creel_future_unref(f[0]);
	creel_future_unref(f[1]);
}

static void wait_for(creel_executor *pool)
{
	creel_future *f = creel_submit(pool, forever, NULL, 0);
	creel_future *timed = creel_timeout(f, NULL, creel_in_ms(20), CREEL_CANCEL_REST);
	creel_future_unref(f);
	if (creel_future_result(timed, CREEL_FOREVER, NULL, 0))
		printf("wait_for: %s\n", creel_kind_name(creel_future_error(timed)->kind));
	creel_future_unref(timed);
}

static void done(creel_future *f, void *arg)
{
	long r;
	(void)arg;
	if (square_result(f, CREEL_NOW, &r) == 0)
		printf("add_done_callback: %ld\n", r);
}

static void add_done_callback(creel_executor *pool)
{
	creel_future *f = square_submit(pool, 9);
	creel_future_on_done(f, NULL, done, NULL, NULL, NULL);
	creel_future_result(f, CREEL_FOREVER, NULL, 0);
	creel_future_unref(f);
	creel_executor_drain(pool, CREEL_FOREVER);
}

/* The input of a continuation is the result of the one before. */
static int half(creel_task *task, const void *arg, size_t size)
{
	const void *input;
	size_t input_size;
	long n;
	(void)arg;
	(void)size;
	int rc = creel_task_input(task, &input, &input_size);
	if (rc)
		return rc;
	memcpy(&n, input, sizeof n);
	n /= 2;
	return creel_return(task, &n, sizeof n);
}

/* What stands in for a result that is not there. */
static int minus_one(creel_task *task, const void *arg, size_t size)
{
	long n = -1;
	(void)arg;
	(void)size;
	return creel_return(task, &n, sizeof n);
}

static void then_and_catch(creel_executor *pool)
{
	static const long numbers[] = {64, -64};
	for (int i = 0; i < 2; i++) {
		creel_future *f = root_submit(pool, numbers[i]);
		creel_future *halved = creel_then(f, pool, half, NULL, 0);
		creel_future *safe = creel_recover(halved, pool, minus_one, NULL, 0);
		long r;
		if (root_result(safe, CREEL_FOREVER, &r) == 0)
			printf("then: %ld\n", r);
		creel_future_unref(safe);
		creel_future_unref(halved);
		creel_future_unref(f);
	}
}

/* Ends as the task that it starts. In a worker process it could not. */
static int ask_again(creel_task *task, const void *arg, size_t size)
{
	creel_executor *pool = *(creel_executor *const *)arg;
	(void)size;
	creel_future *f = square_submit(pool, 8);
	int rc = creel_return_future(task, f);
	creel_future_unref(f);
	return rc;
}

static void return_a_promise(creel_executor *pool)
{
	creel_executor *here = creel_inline_new();
	creel_future *f = creel_submit(here, ask_again, &pool, sizeof pool);
	long r;
	if (square_result(f, CREEL_FOREVER, &r) == 0)
		printf("return a promise: %ld\n", r);
	creel_future_unref(f);
	creel_executor_close(here);
}

static void race(creel_executor *pool)
{
	creel_future *f[2] = {creel_submit(pool, forever, NULL, 0), square_submit(pool, 5)};
	creel_future *first = creel_race(f, 2, CREEL_CANCEL_REST);
	long r;
	if (square_result(first, CREEL_FOREVER, &r) == 0)
		printf("race: %ld\n", r);
	creel_future_unref(first);
	creel_future_unref(f[0]);
	creel_future_unref(f[1]);
}

static void any(creel_executor *pool)
{
	creel_future *f[3];
	submit_three(pool, f, (const long[]){-1, -2, 36});
	creel_future *first = creel_any(f, 3, CREEL_CANCEL_REST);
	drop_three(f);
	long r;
	if (root_result(first, CREEL_FOREVER, &r) == 0)
		printf("any: %ld\n", r);
	creel_future_unref(first);
}

static void abort_controller(creel_executor *pool)
{
	creel_token *token = creel_token_new(NULL, NULL, creel_in_ms(20));
	creel_future *f = creel_submit_with(pool, forever, NULL, 0,
					    &(creel_submit_options){.token = token});
	int rc = creel_future_result(f, CREEL_FOREVER, NULL, 0);
	printf("abort: %s\n", creel_code_name(rc));
	creel_future_unref(f);
	creel_token_unref(token);
}

static void task_group(creel_executor *pool)
{
	creel_executor *scope = creel_scope_new(pool, 0);
	creel_spawn(scope, forever, NULL, 0, NULL);
	creel_future *f = root_submit(scope, -9); /* its error cancels the other one */
	int rc = creel_scope_join(scope, CREEL_FOREVER);
	printf("task group: %s: %s\n", creel_code_name(rc), creel_scope_error(scope)->message);
	creel_future_unref(f);
	creel_executor_unref(scope);
}

static void semaphore(creel_executor *pool)
{
	creel_executor *two = creel_semaphore_new(pool, 2);
	creel_future *f[3];
	submit_three(two, f, (const long[]){1, 4, 9});
	long r = 0, sum = 0;
	for (int i = 0; i < 3; i++)
		sum += root_result(f[i], CREEL_FOREVER, &r) == 0 ? r : 0;
	printf("semaphore: %ld\n", sum);
	drop_three(f);
	creel_executor_close(two);
}

static void rate_limit(creel_executor *pool)
{
	/* Two in any 20 ms. */
	creel_executor *paced = creel_rate_limit_new(
		pool, &(creel_rate_options){.n = 2, .per_ns = CREEL_MS(20)});
	creel_deadline start = creel_clock_now(NULL);
	creel_future *f[3];
	submit_three(paced, f, (const long[]){1, 4, 9});
	creel_wait(f, 3, CREEL_ALL_COMPLETED, CREEL_FOREVER, NULL);
	int64_t took = creel_clock_now(NULL).ns - start.ns;
	printf("rate limit: the third one waited %s\n", took >= CREEL_MS(20) ? "20 ms" : "less");
	drop_three(f);
	creel_executor_close(paced);
}

/* Fails until the third call of this process. */
static int flaky(creel_task *task, const void *arg, size_t size)
{
	static int calls;
	(void)arg;
	(void)size;
	if (++calls < 3)
		return creel_fail(task, CREEL_EFAILED, "call %d failed", calls);
	return creel_return(task, &calls, sizeof calls);
}

static void retry_with_backoff(creel_executor *pool)
{
	creel_executor *stubborn = creel_retry_new(
		pool, &(creel_retry_options){.attempts = 20, .base_ns = CREEL_MS(1)});
	creel_future *f = creel_submit(stubborn, flaky, NULL, 0);
	int calls;
	if (creel_future_result(f, CREEL_FOREVER, &calls, sizeof calls) == 0)
		printf("retry: call %d\n", calls);
	creel_future_unref(f);
	creel_executor_close(stubborn);
}

static void map(creel_executor *pool)
{
	static const long numbers[] = {1, 2, 3};
	creel_mapping *squares = square_map(pool, numbers, 3, NULL);
	long r;
	while (square_map_next(squares, CREEL_FOREVER, &r, NULL) == 0)
		printf("map: %ld\n", r);
	creel_map_end(squares);
}

int main(int argc, char **argv)
{
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool =
		processes ? creel_process_pool_new(&(creel_process_pool_options){.max_workers = 4})
			  : creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = 4});
	create_task(pool);
	task_error(pool);
	gather(pool);
	gather_with_errors(pool);
	gather_fails_fast(pool);
	wait_first_completed(pool);
	wait_for(pool);
	add_done_callback(pool);
	then_and_catch(pool);
	return_a_promise(pool);
	race(pool);
	any(pool);
	abort_controller(pool);
	task_group(pool);
	semaphore(pool);
	rate_limit(pool);
	retry_with_backoff(pool);
	map(pool);
	return creel_executor_close(pool) ? 1 : 0;
}
