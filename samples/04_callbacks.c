/* SPDX-License-Identifier: MIT */
/*
 * Being told instead of waiting: callbacks on futures. Those of one future run in the order in
 * which they were added, each once, on the thread that completed it; so they must not block. One
 * that was added with an executor runs as a task there, and may. The callback that counts the last
 * outcome settles a promise: a future that no executor runs and that main() can wait for.
 *
 * With --processes the divisions are done in worker processes. Callbacks belong to this process
 * either way: the executor that they run on has threads.
 */
#include <creel/creel.h>
#include <creel/typed.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { DIVISIONS = 3, CALLBACKS = 2 };

struct division {
	int dividend, divisor;
};

static int divide(creel_task *task, const struct division *d, int *ret_quotient)
{
	if (d->divisor == 0)
		return creel_fail(task, -EDOM, "%d cannot be divided by 0", d->dividend);
	*ret_quotient = d->dividend / d->divisor;
	return 0;
}
CREEL_TYPED_TASK(divide, int, struct division);

/* On the worker that ran the task, or, if that is a process, on the thread that looks after it. */
static void print_outcome(creel_future *future, void *arg)
{
	const struct division *d = arg;
	int quotient;
	int rc = divide_result(future, CREEL_NOW, &quotient);
	if (rc == 0)
		printf("%d / %d = %d\n", d->dividend, d->divisor, quotient);
	else
		printf("failed: %s\n", creel_future_message(future, rc));
}

struct countdown {
	atomic_int left;
	creel_future *promise;
};

static void count_down(creel_future *future, void *arg)
{
	struct countdown *countdown = arg;
	(void)future;
	if (atomic_fetch_sub(&countdown->left, 1) == 1)
		creel_promise_set_result(countdown->promise, "all told", sizeof "all told");
}

static void never_called(creel_future *future, void *arg)
{
	(void)future;
	(void)arg;
	puts("this callback was taken back: it cannot happen");
}

/* Submits one division and says who is to hear of it; nobody keeps the future. */
static int start(creel_executor *pool, creel_executor *threads, struct division *division,
		 struct countdown *countdown)
{
	creel_future *future = divide_submit(pool, *division);
	int rc = creel_future_on_done(future, NULL, print_outcome, division, NULL, NULL);
	if (rc == 0)
		rc = creel_future_on_done(future, NULL, count_down, countdown, NULL, NULL);
	if (rc == 0) /* as a task of its own: here it might take its time */
		rc = creel_future_on_done(future, threads, count_down, countdown, NULL, NULL);
	creel_future_unref(future);
	return rc;
}

int main(int argc, char **argv)
{
	static struct division divisions[DIVISIONS] = {{84, 2}, {1, 0}, {355, 113}};
	struct countdown countdown = {DIVISIONS * CALLBACKS, creel_promise_new()};
	bool processes = argc > 1 && strcmp(argv[1], "--processes") == 0;
	creel_executor *pool = processes ? creel_process_pool_new(NULL)
					 : creel_thread_pool_new(NULL);
	creel_executor *threads = creel_thread_pool_new(NULL);

	uint64_t id = 0;
	int rc = creel_future_on_done(countdown.promise, NULL, never_called, NULL, NULL, &id);
	if (rc == 0 && creel_future_remove(countdown.promise, id) == CREEL_CALLBACK_REMOVED)
		puts("one callback taken back");

	for (int i = 0; i < DIVISIONS && rc == 0; i++)
		rc = start(pool, threads, &divisions[i], &countdown);

	char word[sizeof "all told"];
	if (rc == 0)
		rc = creel_future_result(countdown.promise, CREEL_FOREVER, word, sizeof word);
	if (rc == 0)
		puts(word);
	else
		fprintf(stderr, "failed: %s\n", creel_code_name(rc));

	creel_executor_close(pool); /* first: what runs there may still use the countdown */
	creel_executor_close(threads);
	creel_future_unref(countdown.promise);
	return rc == 0 ? 0 : 1;
}
