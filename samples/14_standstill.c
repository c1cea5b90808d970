/* SPDX-License-Identifier: MIT */
/*
 * Nothing moves any more: what does everybody wait for? Two standstills on purpose, and what
 * creel_report() says of them.
 *
 *   two locks   Two tasks each hold one lock of the program and want the other's. creel knows
 *               nothing of these locks: its report shows two tasks that run, for how long, and in
 *               which functions.
 *   a promise   Each worker waits for a promise that nobody settles. That is a wait of creel's, and
 *               the report says what for.
 *
 * A watchdog like this one, a wait with a deadline, is all that it takes. So that the sample ends,
 * it then dissolves each standstill.
 *
 * usage: 14_standstill [PATIENCE]: after how many milliseconds the watchdog reports; default 300
 */
#include <creel/creel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int patience_ms = 300;

/* A lock that a rescuer can take away: those who wait for it go on without. */
struct lock {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool held, rescued;
};

static struct lock left = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
static struct lock right = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};

static void take(struct lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
	while (lock->held && !lock->rescued)
		pthread_cond_wait(&lock->changed, &lock->mutex);
	lock->held = true;
	pthread_mutex_unlock(&lock->mutex);
}

static bool is_held(struct lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
	bool held = lock->held;
	pthread_mutex_unlock(&lock->mutex);
	return held;
}

static void rescue(struct lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
	lock->rescued = true;
	pthread_cond_broadcast(&lock->changed);
	pthread_mutex_unlock(&lock->mutex);
}

/* Takes one lock, and the other when somebody else has it: the standstill is certain. */
static int take_both(struct lock *first, struct lock *second)
{
	take(first);
	while (!is_held(second))
		usleep(1000);
	take(second);
	return 0;
}

static int left_then_right(creel_task *task, const void *arg, size_t size)
{
	(void)task, (void)arg, (void)size;
	return take_both(&left, &right);
}

static int right_then_left(creel_task *task, const void *arg, size_t size)
{
	(void)task, (void)arg, (void)size;
	return take_both(&right, &left);
}

/* Waits for a promise that somebody else has to keep. */
static int await_answer(creel_task *task, const void *arg, size_t size)
{
	creel_future *answer = *(creel_future *const *)arg;
	(void)task, (void)size;
	return creel_future_result(answer, CREEL_FOREVER, NULL, 0);
}

/* The watchdog: all should be done by now. */
static int report_if_stuck(creel_future *const *futures, size_t n, const char *title)
{
	int rc = creel_wait(futures, n, CREEL_ALL_COMPLETED, creel_in_ms(patience_ms), NULL);
	if (rc != -ETIMEDOUT) {
		fprintf(stderr, "%s: no standstill (%s)\n", title, creel_code_name(rc));
		return 1;
	}
	printf("%s\n", title);
	fflush(stdout);
	return creel_report(STDOUT_FILENO) != 0;
}

static int finish(creel_future **futures, size_t n)
{
	int failed = 0;
	for (size_t i = 0; i < n; i++) {
		failed += creel_future_result(futures[i], CREEL_FOREVER, NULL, 0) != 0;
		creel_future_unref(futures[i]);
	}
	printf("resolved\n\n");
	return failed;
}

static int stage_locks(creel_executor *pool)
{
	creel_submit_options a = {.name = "left, right"}, b = {.name = "right, left"};
	creel_future *both[] = {creel_submit_with(pool, left_then_right, NULL, 0, &a),
				creel_submit_with(pool, right_then_left, NULL, 0, &b)};
	int failed = report_if_stuck(both, 2, "two tasks, two locks");
	rescue(&left);
	rescue(&right);
	return failed + finish(both, 2);
}

static int stage_promise(creel_executor *pool)
{
	creel_submit_options options = {.name = "wait for answer"};
	creel_future *answer = creel_promise_new(), *both[2];
	for (int i = 0; i < 2; i++)
		both[i] = creel_submit_with(pool, await_answer, &answer, sizeof answer, &options);
	int failed = report_if_stuck(both, 2, "a promise that nobody settles");
	failed += creel_promise_set_result(answer, NULL, 0) != 0;
	failed += finish(both, 2);
	creel_promise_drop(answer);
	return failed;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		patience_ms = atoi(argv[1]);
	/* CREEL_TRACE: the workers show what they run. */
	creel_executor *pool = creel_thread_pool_new(&(creel_thread_pool_options){
		.max_workers = 2, .flags = CREEL_TRACE, .name = "kitchen"});
	int failed = stage_locks(pool);
	failed += stage_promise(pool);
	return creel_executor_close(pool) || failed;
}
