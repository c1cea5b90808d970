/* SPDX-License-Identifier: MIT */
/* What goes with the last reference of a user, whatever the library still keeps; and who is that
 * user when a result is taken. */
#include "ct.h"
#include "future/hook.h"
#include "tasks.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ct_count freed, unhandled, started, gate, told;
static creel_executor *pool;

static void told_unhandled(void *ctx, const creel_error *error)
{
	(void)ctx;
	(void)error;
	ct_count_add(&unhandled, 1);
}

static creel_executor *one_worker(void)
{
	pool = creel_thread_pool_new(
		&(creel_thread_pool_options){.max_workers = 1, .on_unhandled = told_unhandled});
	return pool;
}

static int big(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	static char data[1];
	return creel_return_move(task, (creel_buffer){data, 1, buffer_free_count, &freed});
}

static int fails(creel_task *task, const void *arg, size_t size)
{
	(void)arg;
	(void)size;
	return creel_fail(task, -EIO, "said");
}

/* Runs on the only worker, so that it runs itself what it waits for, and its queue keeps it. */
static int in_a_task(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)size;
	creel_fn fn = *(const creel_fn *)arg;
	creel_future *f = creel_submit(pool, fn, NULL, 0);
	ct_assert(creel_wait(&f, 1, CREEL_ALL_COMPLETED, CREEL_FOREVER, NULL) == 0);
	ct_assert(ct_count_get(&freed) == 0 && ct_count_get(&unhandled) == 0);
	creel_future_unref(f);
	ct_assert(ct_count_get(&freed) + ct_count_get(&unhandled) == 1);
	return 0;
}

static void helped(creel_fn fn)
{
	creel_future *f = creel_submit(one_worker(), in_a_task, &fn, sizeof fn);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), 0);
	creel_future_unref(f);
	ct_close(pool);
	ct_int(ct_count_get(&freed) + ct_count_get(&unhandled), 1);
}

CT_TEST(sole, the_result_of_a_helped_task_goes_with_its_user, 0)
{
	helped(big);
}

CT_TEST(sole, the_error_of_a_helped_task_is_told_with_its_user, 0)
{
	helped(fails);
}

static void hold_teller(creel_future *f, void *arg)
{
	(void)f;
	(void)arg;
	ct_open(&started);
	ct_count_await(&gate, 1);
}

static void *settle(void *promise)
{
	long value = 5;
	creel_promise_set_result(promise, &value, sizeof value);
	return NULL;
}

/* A callback is a user until it has returned; afterwards only the caller is one. */
CT_TEST(sole, a_result_cannot_be_taken_from_a_callback, 0)
{
	creel_future *p = creel_promise_new();
	pthread_t thread;
	creel_buffer buffer;
	ct_int(creel_future_on_done(p, NULL, hold_teller, NULL, NULL, NULL), 0);
	ct_int(pthread_create(&thread, NULL, settle, p), 0);
	ct_count_await(&started, 1);
	ct_int(creel_future_take(p, CREEL_NOW, &buffer), -EBUSY);
	ct_open(&gate);
	ct_int(pthread_join(thread, NULL), 0);
	ct_int(creel_future_take(p, CREEL_NOW, &buffer), 0);
	ct_int(buffer.size, sizeof(long));
	buffer.free(buffer.data, buffer.size, buffer.ctx);
	creel_future_unref(p);
}

enum { LISTENERS = CT_MEMCHECK || CT_ASAN || CT_TSAN ? 10000 : 1000000 };

static struct creel__hook listeners[LISTENERS];
static uint32_t heard;

static void hear(struct creel__hook *hook, creel_future *f)
{
	(void)f;
	heard++;
	if (hook == &listeners[LISTENERS / 2]) {
		ct_open(&started);
		ct_count_await(&gate, 1);
	}
}

/* A million listen, and their teller is stuck half-way. Whoever has the future does not wait. */
CT_TEST(sole, a_result_is_taken_while_a_million_listeners_are_told, 0)
{
	creel_future *p = creel_promise_new();
	pthread_t thread;
	creel_buffer buffer;
	for (int i = 0; i < LISTENERS; i++) {
		listeners[i].notify = hear;
		ct_assert(creel__hooks_listen(p, &listeners[i]));
	}
	/* The settler has a reference of its own, and drops it: it does not come from there. */
	ct_int(pthread_create(&thread, NULL, settle, p), 0);
	ct_count_await(&started, 1);
	alarm(CT_GUARD_MS / 1000);
	ct_int(creel_future_state(p), CREEL_FUTURE_FINISHED);
	ct_int(creel_future_take(p, CREEL_NOW, &buffer), 0);
	ct_int(buffer.size, sizeof(long));
	buffer.free(buffer.data, buffer.size, buffer.ctx);
	ct_open(&gate);
	ct_int(pthread_join(thread, NULL), 0);
	ct_int(heard, LISTENERS);
	creel_future_unref(p);
}

/* Its callbacks were all removed: nobody but the caller has it. */
CT_TEST(sole, a_removed_callback_is_no_user, 0)
{
	creel_future *p = creel_promise_new();
	creel_buffer buffer;
	uint64_t id = 0;
	ct_int(creel_future_on_done(p, NULL, done_count, &told, NULL, &id), 0);
	ct_int(creel_future_remove(p, id), CREEL_CALLBACK_REMOVED);
	settle(p);
	ct_int(creel_future_take(p, CREEL_NOW, &buffer), 0);
	buffer.free(buffer.data, buffer.size, buffer.ctx);
	creel_future_unref(p);
	ct_int(ct_count_get(&told), 0);
}

/* Its waiter's thread ends within it, and drops the last reference of a user on its way out. */
static int ends_its_thread(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	pthread_exit(NULL);
}

static void unref_on_exit(void *f)
{
	creel_future_unref(f);
}

static int exits_in_a_task(creel_task *task, const void *arg, size_t size)
{
	(void)task;
	(void)arg;
	(void)size;
	creel_future *f = creel_submit(pool, ends_its_thread, NULL, 0);
	pthread_cleanup_push(unref_on_exit, f);
	(void)creel_future_result(f, CREEL_FOREVER, NULL, 0);
	pthread_cleanup_pop(0);
	return 0;
}

CT_TEST(sole, a_helped_task_may_lose_its_last_user_while_it_runs, 0)
{
	creel_future *f = creel_submit(one_worker(), exits_in_a_task, NULL, 0);
	ct_int(creel_future_result(f, CREEL_FOREVER, NULL, 0), CREEL_EFAILED);
	/* Before the queue was reached: the same thread told of it first. */
	ct_int(ct_count_get(&unhandled), 1);
	ct_int(creel_future_error(f)->kind, CREEL_KIND_EXITED);
	creel_future_unref(f);
	ct_close(pool);
	ct_int(ct_count_get(&unhandled), 1);
}

/* A forked child has nothing to take, and does not wait for a teller that it does not have. */
CT_TEST(sole, a_forked_child_takes_nothing, 0)
{
	creel_future *p = creel_promise_new();
	pthread_t thread;
	ct_int(creel_future_on_done(p, NULL, hold_teller, NULL, NULL, NULL), 0);
	ct_int(pthread_create(&thread, NULL, settle, p), 0);
	ct_count_await(&started, 1);
	pid_t child = fork();
	if (child == 0) {
		creel_buffer buffer;
		alarm(CT_GUARD_MS / 1000);
		_exit(creel_future_take(p, CREEL_NOW, &buffer) == -EPERM ? 0 : 1);
	}
	int status = -1;
	ct_int(waitpid(child, &status, 0), child);
	ct_int(status, 0);
	ct_open(&gate);
	ct_int(pthread_join(thread, NULL), 0);
	creel_future_unref(p);
}
